import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createTokenWindow, native, runTask, type NativeModel, type NativeTask } from "../../lib/native.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { loadNative, randomBert, randomGpt2, withModel } from "./models.js";
import { encode, generate, generateRequest, logits, ragged, randomIds } from "./requests.js";

const SEED = 1_001;
const folder = temporaryFolder();
const V = 101;
const next = random(SEED);
const bert = await randomBert(folder, { H: 128, A: 4, F: 512, L: 4, V, context: 128, seed: SEED });
const gpt2 = await randomGpt2(folder, { H: 128, A: 4, F: 512, L: 4, V, context: 128, seed: SEED });
const OPTIONS = { device: "cpu", threads: 2, maxMemory: 0, generic: false };

/** Tens of milliseconds of work. */
const batch = { ...ragged(Array.from({ length: 40 }, () => randomIds(next, 100, V))), lastHiddenState: true };
const prompt = randomIds(next, 100, V);

/** The code of the error, or "none". A generation that was cancelled gives what there is: the same code. */
async function outcome(task: Promise<unknown>): Promise<string> {
  try {
    const result = await task;
    return (result as { finishReason?: string }).finishReason === "cancelled" ? "ABORTED" : "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const start: Record<string, (model: NativeModel) => NativeTask<unknown>> = {
  encode: (model) => model.encode(batch),
  generate: (model) => model.generate(generateRequest(prompt.subarray(0, 20), 100)),
  logits: (model) => model.logits(prompt),
};
const specOf = (kind: string) => (kind === "encode" ? bert.spec : gpt2.spec);

describe.each(Object.keys(start))("cancelling %s", (kind) => {
  const begin = start[kind]!;

  it(`at any moment: it rejects, or was done; what follows is not disturbed (seed ${SEED})`, async () => {
    await withModel(specOf(kind), {}, async (model) => {
      const expected = await begin(model).promise;
      const moments = [0, 0, 0, 0, 0, 1, 2, 3, 5, 8, 13, 21, 34];
      const outcomes = [];
      for (const milliseconds of moments) {
        const task = begin(model);
        if (milliseconds > 0) await pause(milliseconds);
        task.cancel();
        task.cancel();
        outcomes.push(await outcome(task.promise));
      }
      // Even at once may be too late, when another process has the processor in between.
      expect(outcomes).toContain("ABORTED");
      for (const each of outcomes) expect(["ABORTED", "none"]).toContain(each);
      expect(withoutTimes(await begin(model).promise)).toEqual(withoutTimes(expected));
    });
  });

  it("spares its neighbours in the queue and in the batch", async () => {
    await withModel(specOf(kind), {}, async (model) => {
      const expected = withoutTimes(await begin(model).promise);
      const tasks = Array.from({ length: 12 }, () => begin(model));
      await pause(3);
      for (const task of tasks.slice(0, 6)) task.cancel();
      const [cancelled, kept] = [tasks.slice(0, 6), tasks.slice(6)];
      for (const task of cancelled) expect(["ABORTED", "none"]).toContain(await outcome(task.promise));
      for (const task of kept) expect(withoutTimes(await task.promise)).toEqual(expected);
    });
  });

  it("after it has ended does nothing", async () => {
    await withModel(specOf(kind), {}, async (model) => {
      const task = begin(model);
      await task.promise;
      task.cancel();
      expect(await outcome(begin(model).promise)).toBe("none");
    });
  });

  it("by disposing of the model rejects everything, and later calls too", async () => {
    for (const milliseconds of [0, 1, 4, 15]) {
      const model = await loadNative(specOf(kind));
      const tasks = Array.from({ length: 5 }, () => begin(model));
      const outcomes = tasks.map((task) => outcome(task.promise));
      if (milliseconds > 0) await pause(milliseconds);
      const disposals = [model.dispose(), model.dispose()];
      for (const each of await Promise.all(outcomes)) expect(["DISPOSED", "none"]).toContain(each);
      await Promise.all(disposals);
      expect(await outcome(runTask(() => begin(model)))).toBe("DISPOSED");
      await model.dispose();
      expect(model.memory()).toEqual({ mapped: 0, weights: 0, activations: 0, kvCache: 0 });
    }
  });
});

function withoutTimes(result: unknown): unknown {
  return result instanceof Float32Array ? result : { ...(result as object), timings: undefined };
}

describe("a callback", () => {
  it("that throws is reported as an uncaught exception, and the generation goes on", async () => {
    await withModel(gpt2.spec, {}, async (model) => {
      const caught: unknown[] = [];
      const listeners = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.on("uncaughtException", (error) => caught.push(error));
      try {
        let calls = 0;
        const task = model.generate(generateRequest([1, 2], 5), () => {
          calls++;
          throw new Error("mine");
        });
        const settled = await outcome(task.promise);
        await pause(20);
        // Either way is sound: the error is not lost, and the engine is not either.
        expect(caught.length > 0 || settled !== "none").toBe(true);
        expect(calls).toBeGreaterThan(0);
      } finally {
        process.removeAllListeners("uncaughtException");
        for (const listener of listeners) process.on("uncaughtException", listener);
      }
      expect((await generate(model, [1, 2], 5)).tokens).toHaveLength(5);
    });
  });

  it("may cancel its own generation, and start others", async () => {
    await withModel(gpt2.spec, {}, async (model) => {
      let seen = 0;
      const others: Promise<unknown>[] = [];
      // Not finished before it is cancelled, however late the callback comes.
      const window = createTokenWindow(model, 10);
      const task: NativeTask<unknown> = model.generate(generateRequest([1, 2], 100, { window }), () => {
        others.push(generate(model, [3], 2));
        if (++seen === 3) task.cancel();
      });
      expect(await outcome(task.promise)).toBe("ABORTED");
      expect(seen).toBeGreaterThanOrEqual(3);
      await Promise.all(others);
    });
  });

  it("may dispose of the model", async () => {
    const model = await loadNative(gpt2.spec);
    let disposal: Promise<void> | undefined;
    const task = model.generate(generateRequest([1, 2], 100), () => {
      disposal ??= model.dispose();
    });
    expect(["DISPOSED", "none"]).toContain(await outcome(task.promise));
    await disposal;
  });
});

describe("loading", () => {
  it("can be cancelled at any moment", async () => {
    const outcomes = [];
    for (let i = 0; i < 40; i++) {
      const task = native().loadModel(bert.spec, OPTIONS);
      if (i % 4 === 1) await new Promise(setImmediate);
      if (i % 4 === 2) await pause(1);
      if (i % 4 === 3) await pause(integer(next, 6));
      task.cancel();
      const ended = await task.promise.then(
        async (model) => {
          await model.dispose();
          return "none";
        },
        (error: { code: string }) => error.code,
      );
      expect(["ABORTED", "none"]).toContain(ended);
      outcomes.push(ended);
    }
    expect(outcomes).toContain("ABORTED");
  });

  it("reports rising progress that ends at one", async () => {
    const fractions: number[] = [];
    const task = native().loadModel(bert.spec, OPTIONS, (fraction) => fractions.push(fraction));
    const model = await task.promise;
    expect(fractions.length).toBeGreaterThan(0);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    await model.dispose();
  });

  it("many models at once, of both kinds, that all work at once", async () => {
    const specs = Array.from({ length: 24 }, (_, i) => (i % 2 ? bert.spec : gpt2.spec));
    const models = await Promise.all(specs.map((spec, i) => loadNative(spec, { threads: 1 + (i % 3) })));
    const work = () =>
      Promise.all(
        models.map(async (model, i) =>
          i % 2
            ? (await encode(model, { ...ragged([prompt]), pooling: "mean" })).pooled
            : (await generate(model, prompt.subarray(0, 9), 6)).tokens,
        ),
      );
    const results = await work();
    for (const [i, result] of results.entries()) expect(result).toEqual(results[i % 2]);
    // Half of them end while the others go on.
    const again = models.map((model, i) => (i % 4 < 2 ? model.dispose() : undefined));
    const rest = models.filter((_, i) => i % 4 >= 2);
    const scored = rest.map((model, i) => (i % 2 ? encode(model, batch) : logits(model, prompt)));
    await Promise.all([...again, ...scored]);
    await Promise.all(rest.map((model) => model.dispose()));
  });

  it("survives models that nobody disposes of", async () => {
    for (let i = 0; i < 10; i++) {
      const model = await loadNative(bert.spec);
      void outcome(model.encode(batch).promise);
    }
    (globalThis as { gc?: () => void }).gc?.();
    expect(await outcome(withModel(bert.spec, {}, (model) => encode(model, batch)))).toBe("none");
  });
});

describe("memory", () => {
  const weightBytes = [...bert.weights.values()].reduce((sum, { data }) => sum + 4 * data.length, 0);

  it("is refused before anything is allocated, with the numbers", async () => {
    for (const maxMemory of [1, weightBytes - 1]) {
      const task = runTask(() => native().loadModel(bert.spec, { ...OPTIONS, maxMemory }));
      await expect(task).rejects.toMatchObject({
        code: "OUT_OF_MEMORY",
        details: { required: expect.any(Number) as number, available: maxMemory },
      });
      const error = (await task.catch((each: unknown) => each)) as {
        details: { required: number };
        message: string;
      };
      expect(error.details.required).toBeGreaterThanOrEqual(weightBytes);
      expect(error.message).toContain(String(error.details.required));
      expect(error.message).toContain(String(maxMemory));
    }
  });

  it("is counted: weights, activations while there are any, KV caches while they are needed", async () => {
    const model = await loadNative(gpt2.spec);
    const idle = model.memory();
    expect(idle.mapped + idle.weights).toBeGreaterThanOrEqual(weightBytes * 0.5);
    expect(idle.kvCache).toBe(0);
    // Tokens are told after the fact: a short request may be over by then, so several are watched as they run.
    const most = { kvCache: 0, activations: 0 };
    let running = true;
    const requests = Array.from({ length: 8 }, () => generateRequest(prompt.subarray(0, 20), 60));
    const work = Promise.all(requests.map((request) => model.generate(request).promise));
    void work.finally(() => (running = false));
    while (running) {
      const now = model.memory();
      most.kvCache = Math.max(most.kvCache, now.kvCache);
      most.activations = Math.max(most.activations, now.activations);
      await new Promise(setImmediate);
    }
    await work;
    // Keys and values of 4 blocks, 80 positions and more, 128 wide, as F32 or F16.
    expect(most.kvCache).toBeGreaterThanOrEqual(2 * 4 * 80 * 128 * 2);
    expect(most.activations).toBeGreaterThan(0);
    expect(model.memory().kvCache).toBe(0);
    await model.dispose();
  });

  // Sanitizers keep what was freed.
  const sanitized = ["ASAN_OPTIONS", "TSAN_OPTIONS"].some((name) => name in process.env);
  it.skipIf(sanitized)(
    "stays flat over many loads and requests",
    async () => {
      const round = async () => {
        await withModel(bert.spec, { threads: 2 }, async (model) => {
          await Promise.all(
            Array.from({ length: 20 }, () => encode(model, { ...ragged([prompt]), pooling: "cls" })),
          );
        });
        await withModel(gpt2.spec, { threads: 2 }, (model) => generate(model, [1, 2, 3], 5));
      };
      for (let i = 0; i < 20; i++) await round();
      const before = process.memoryUsage().rss;
      for (let i = 0; i < 180; i++) await round();
      // A leak of one model's weights each time would be 180 MB and more; garbage comes and goes by some tens.
      expect(process.memoryUsage().rss - before).toBeLessThan(120e6);
    },
    300_000,
  );
});
