import { describe, expect, it } from "vitest";
import { TENSOR_TYPES } from "../../lib/gguf/types.js";
import { runTask, type GenerateResult, type NativeModel } from "../../lib/native.js";
import { logSoftmax } from "../reference/gpt2.js";
import { maxDifference } from "../support/golden.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, loadNative, randomGpt2, THREADS, withModel } from "./models.js";
import { generate, generateRequest, logits, randomIds } from "./requests.js";

const SEED = 31_337;
const folder = temporaryFolder();
const V = 67;
const CONTEXT = 40;
const SIZES = { H: 256, A: 4, F: 512, L: 1, V, context: CONTEXT, seed: SEED };

/** All log-probabilities and tokens, without the times. */
const numbers = ({ tokens, logprobs, finishReason }: GenerateResult) => ({ tokens, logprobs, finishReason });

describe.each(LOWERINGS)("decoding, %s", (lowering) => {
  it.each(TENSOR_TYPES)("%s: a prompt at once has the bits of its tokens one by one", async (type) => {
    const { spec } = await randomGpt2(folder, { ...SIZES, type });
    await withModel(spec, { lowering, threads: 1 }, async (model) => {
      const result = await generate(model, randomIds(random(SEED), 1, V), CONTEXT - 1, {
        sampling: { temperature: 1, seed: 5 },
      });
      expect(result.tokens).toHaveLength(CONTEXT - 1);
      // Token by token while generating; all at once here; and each prefix at once.
      const whole = Int32Array.of(randomIds(random(SEED), 1, V)[0]!, ...result.tokens);
      const rows = await logits(model, whole);
      for (const length of [1, 2, 9, 32, 33, CONTEXT]) {
        expect(await logits(model, whole.subarray(0, length))).toEqual(rows.subarray(0, length * V));
      }
      const scores = Array.from(result.tokens, (id, i) => {
        return Math.fround(logSoftmax(rows.subarray(i * V, (i + 1) * V))[id]!);
      });
      // The same logits to the last bit, but a logarithm of another library.
      expect(maxDifference(result.logprobs!, scores)).toBeLessThan(1e-6);
      for (const split of [2, 17, 33]) {
        const rest = await generate(model, whole.subarray(0, split), CONTEXT - split);
        const greedy = await greedyFrom(model, whole.subarray(0, split), CONTEXT - split);
        expect([...rest.tokens]).toEqual(greedy);
      }
    });
  });

  it.each(TENSOR_TYPES)(
    `%s: the same beside seven others, whatever the threads (seed ${SEED})`,
    async (type) => {
      const { spec } = await randomGpt2(folder, { ...SIZES, type });
      const next = random(SEED);
      const prompts = [1, 2, 3, 7, 16, 17, 30, 33].map((length) => randomIds(next, length, V));
      const start = (model: NativeModel, i: number) =>
        generate(model, prompts[i]!, 7, { sampling: { temperature: 0.9, topP: 0.95, seed: i } });
      const models = await Promise.all(
        THREADS[lowering].map((threads) => loadNative(spec, { lowering, threads })),
      );
      const alone: GenerateResult[] = [];
      for (const i of prompts.keys()) alone.push(await start(models[0]!, i));
      for (const model of models) {
        // The logits of another sequence share the batches too.
        const scored = logits(model, prompts[7]!);
        const together = await Promise.all(prompts.map((_, i) => start(model, i)));
        for (const i of prompts.keys())
          expect(numbers(together[i]!), `prompt ${i}`).toEqual(numbers(alone[i]!));
        expect(await scored).toEqual(await logits(models[0]!, prompts[7]!));
      }
      await Promise.all(models.map((model) => model.dispose()));
    },
  );

  it("fills the context exactly, and stops there", async () => {
    const { spec } = await randomGpt2(folder, SIZES);
    const prompt = randomIds(random(SEED), 10, V);
    await withModel(spec, { lowering }, async (model) => {
      const room = CONTEXT - prompt.length;
      const fitting = await generate(model, prompt, room);
      expect(fitting).toMatchObject({ finishReason: "length" });
      expect(fitting.tokens).toHaveLength(room);
      const asked = await generate(model, prompt, room + 1);
      expect(asked.finishReason).toBe("context");
      expect(asked.tokens).toEqual(fitting.tokens);
      // Nothing fits after a full prompt.
      const full = randomIds(random(SEED), CONTEXT, V);
      const last = await generate(model, full, 5);
      expect(last.finishReason).toBe("context");
      expect(last.tokens).toHaveLength(0);
      const beyond = randomIds(random(SEED), CONTEXT + 1, V);
      const error = { code: "INPUT_TOO_LONG", details: { length: CONTEXT + 1, limit: CONTEXT } };
      await expect(generate(model, beyond, 1)).rejects.toMatchObject(error);
      await expect(logits(model, beyond)).rejects.toMatchObject(error);
    });
  });

  it("ends before a stop token, and calls back once per token before the promise settles", async () => {
    const { spec } = await randomGpt2(folder, SIZES);
    const prompt = randomIds(random(SEED), 4, V);
    await withModel(spec, { lowering }, async (model) => {
      const options = { sampling: { temperature: 1.5, seed: 8 } };
      const whole = await generate(model, prompt, 30, options);
      const stop = whole.tokens[12]!;
      const first = whole.tokens.indexOf(stop);
      const seen: [number, number][] = [];
      const request = generateRequest(prompt, 30, { ...options, stopIds: Int32Array.of(stop) });
      const result = await runTask(() => model.generate(request, (id, logprob) => seen.push([id, logprob])));
      expect(result.finishReason).toBe("stop");
      expect(result.tokens).toEqual(whole.tokens.slice(0, first));
      expect(seen).toEqual(Array.from(result.tokens, (id, i) => [id, result.logprobs![i]]));
      expect(await generate(model, prompt, 0)).toMatchObject({ finishReason: "length" });
      const silent = await generate(model, prompt, 3, { logprobs: false });
      expect(silent.logprobs).toBeUndefined();
      for (const time of Object.values(result.timings)) expect(time).toBeGreaterThanOrEqual(0);
    });
  });
});

/** The continuation by choosing the best of the last row's logits each time. */
async function greedyFrom(model: NativeModel, prompt: Int32Array, count: number): Promise<number[]> {
  const sequence = [...prompt];
  for (let step = 0; step < count; step++) {
    const row = (await logits(model, Int32Array.from(sequence))).subarray(-V);
    sequence.push(row.indexOf(row.reduce((a, b) => Math.max(a, b))));
  }
  return sequence.slice(prompt.length);
}
