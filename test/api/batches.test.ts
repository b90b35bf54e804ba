import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { runBatches, type BatchJob, type Sequence } from "../../lib/batches.js";
import { AbortError } from "../../lib/errors.js";
import { integer, random } from "../support/random.js";

type OnCompute = (signal: AbortSignal) => Promise<unknown>;

/** A job over sequences of these lengths, that keeps account of what is asked of it. */
function makeJob(lengths: readonly number[], outputPerToken = 0, onCompute: OnCompute = async () => {}) {
  const computed: number[] = [];
  const batches: (readonly Sequence[])[] = [];
  const running = { now: 0, most: 0 };
  const job: BatchJob<Sequence, number> = {
    total: lengths.length,
    async prepare(begin, end) {
      const part = lengths.slice(begin, end);
      return part.map((length, i) => ({ index: begin + i, ids: new Int32Array(length) }));
    },
    outputSize: ({ ids }) => ids.length * outputPerToken,
    async compute(batch, signal) {
      batches.push(batch);
      running.most = Math.max(running.most, ++running.now);
      try {
        await onCompute(signal);
        if (signal.aborted) throw new AbortError(undefined, { cause: signal.reason });
        computed.push(...batch.map(({ index }) => index));
        return batch.map(({ ids }) => ids.length);
      } finally {
        running.now--;
      }
    },
  };
  return { job, computed, batches, running };
}

const tokensOf = (batch: readonly Sequence[]) => batch.reduce((sum, { ids }) => sum + ids.length, 0);

describe("runBatches", () => {
  it("computes every input once, in batches within their bounds, two at a time", async () => {
    const seed = 4_711;
    const next = random(seed);
    const lengths = Array.from({ length: 3000 }, () => 1 + integer(next, 600));
    const { job, computed, batches, running } = makeJob(lengths, 3000, () => delay(0));
    const progress: number[] = [];
    const results = await runBatches(job, { onProgress: ({ done, total }) => progress.push(done / total) });
    expect(results).toEqual(lengths);
    expect(computed.toSorted((a, b) => a - b)).toEqual([...lengths.keys()]);
    expect(running.most).toBe(2);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    for (const batch of batches) {
      expect(batch.length === 1 || tokensOf(batch) <= 4096).toBe(true);
      expect(batch.length === 1 || tokensOf(batch) * 3000 <= 2 ** 20).toBe(true);
    }
  });

  it("does nothing for no input", async () => {
    const { job, batches } = makeJob([]);
    expect(await runBatches(job, {})).toEqual([]);
    expect(batches).toEqual([]);
  });

  it("cancels the rest when a batch fails, and rejects once nothing runs", async () => {
    let calls = 0;
    const { job, running, batches } = makeJob(Array(1000).fill(500), 0, async (signal) => {
      if (++calls === 3) throw new Error("third");
      await delay(20, undefined, { signal }).catch(() => delay(20));
    });
    await expect(runBatches(job, {})).rejects.toThrow("third");
    expect(running.now).toBe(0);
    expect(batches.length).toBeLessThan(6);
  });

  it("passes on the reason of an abort, and starts nothing after it", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const { job, running, batches } = makeJob(Array(1000).fill(500), 0, async () => {
      if (batches.length === 4) controller.abort(reason);
      await delay(1);
    });
    const run = runBatches(job, { signal: controller.signal });
    await expect(run).rejects.toMatchObject({ name: "AbortError", code: "ABORTED", cause: reason });
    expect(running.now).toBe(0);
    expect(batches.length).toBe(4);
  });

  it("rejects with what a progress callback throws", async () => {
    const { job } = makeJob([1, 2, 3]);
    const run = runBatches(job, {
      onProgress: () => {
        throw new RangeError("mine");
      },
    });
    await expect(run).rejects.toThrow(RangeError);
  });

  it("rejects with what tokenization throws", async () => {
    const { job } = makeJob([1]);
    job.prepare = () => Promise.reject(new TypeError("bad text"));
    await expect(runBatches(job, {})).rejects.toThrow("bad text");
  });
});
