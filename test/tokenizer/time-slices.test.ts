/** Who gets the time between two turns of the event loop. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { AbortError } from "../../lib/errors.js";
import { breathe, runInSlices, runNow, type Steps } from "../../lib/tokenizer/time-slices.js";

/** Counts steps of a tenth of a millisecond, and ends after `count` of them. */
class Work {
  done = 0;

  constructor(private readonly count: number) {}

  *steps(): Steps<number> {
    while (this.done < this.count) {
      const until = performance.now() + 0.1;
      while (performance.now() < until);
      this.done++;
      yield;
    }
    return this.done;
  }
}

describe("work in slices", () => {
  it("gives what it gives at once", async () => {
    expect(runNow(new Work(50).steps())).toBe(50);
    expect(await runInSlices(new Work(50).steps())).toBe(50);
  });

  it("lets the event loop turn", async () => {
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await runInSlices(new Work(1000).steps());
    running = false;
    // 100 ms of work.
    expect(turns).toBeGreaterThan(10);
  });

  it("does not keep short work waiting for the end of long work", async () => {
    const long = new Work(3000);
    const running = runInSlices(long.steps());
    await nextTurn();
    for (let i = 0; i < 5; i++) {
      const before = long.done;
      expect(await runInSlices(new Work(30).steps())).toBe(30);
      expect(long.done - before).toBeLessThan(1000);
    }
    expect(long.done).toBeLessThan(3000);
    expect(await running).toBe(3000);
  });

  it("shares the time among all that was started at once", async () => {
    const works = Array.from({ length: 20 }, () => new Work(100));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const running = Promise.all(works.map((work) => runInSlices(work.steps())));
    // Whatever the first slice was used for, the others wait for turns of the event loop.
    expect(works.filter((work) => work.done === 100).length).toBeLessThan(works.length);
    expect(await running).toEqual(works.map(() => 100));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
  });

  it("resumes everything that breathes", async () => {
    const order: number[] = [];
    await runInSlices(new Work(40).steps());
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        await breathe();
        order.push(i);
      }),
    );
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("stops between two slices when asked to, for good", async () => {
    const controller = new AbortController();
    const work = new Work(100_000);
    const running = runInSlices(work.steps(), controller.signal);
    await nextTurn();
    controller.abort("enough");
    await expect(running).rejects.toThrow(AbortError);
    await expect(running).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
    const { done } = work;
    expect(done).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(work.done).toBe(done);
    await expect(breathe(controller.signal)).rejects.toThrow(AbortError);
  });

  it("passes on what the work throws, and goes on with the rest", async () => {
    function* failing(): Steps<void> {
      yield* new Work(40).steps();
      throw new RangeError("no");
    }
    const rest = runInSlices(new Work(100).steps());
    await expect(runInSlices(failing())).rejects.toThrow(RangeError);
    expect(await rest).toBe(100);
  });
});
