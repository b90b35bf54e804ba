import { describe, expect, it } from "vitest";
import { TENSOR_TYPES } from "../../lib/gguf/types.js";
import type { BertHyperparameters, DenseResult, EncodeResult, NativeModel } from "../../lib/native.js";
import { cosine } from "../support/golden.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { shuffled } from "../support/texts.js";
import { LOWERINGS, loadNative, randomBert, THREADS, withModel } from "./models.js";
import { encode, ragged, randomIds } from "./requests.js";

const SEED = 64_064;
const folder = temporaryFolder();
const OUTPUTS = {
  lastHiddenState: true,
  hiddenStates: true,
  attentions: true,
  poolerOutput: true,
  nextSentence: true,
  sequenceLogits: true,
  tokenLogits: true,
  answerLogits: true,
};

interface Input {
  ids: Int32Array;
  segments: Int32Array;
  /** One or two places whose token is predicted. */
  masks: number[];
}

function randomInputs(count: number, V: number, longest: number): Input[] {
  const next = random(SEED);
  return Array.from({ length: count }, (_, i) => {
    // Some lengths meet often, some never; the first are the extremes.
    const length = i === 0 ? 1 : i === 1 ? longest : 1 + integer(next, next() < 0.5 ? 8 : longest);
    const ids = randomIds(next, length, V);
    return { ids, segments: ids.map(() => integer(next, 2)), masks: [length - 1, integer(next, length)] };
  });
}

/** Everything the engine returns for these inputs, in one request. */
function run(model: NativeModel, inputs: readonly Input[]): Promise<EncodeResult> {
  let begin = 0;
  const mlmPositions = inputs.flatMap(({ ids, masks }) => {
    begin += ids.length;
    return masks.map((mask) => begin - ids.length + mask);
  });
  return encode(model, {
    ...ragged(inputs.map(({ ids }) => ids)),
    segments: ragged(inputs.map(({ segments }) => segments)).ids,
    mlmPositions: Int32Array.from(mlmPositions),
    ...OUTPUTS,
  });
}

/** The part of each result that belongs to each input. */
function split(result: EncodeResult, inputs: readonly Input[], h: BertHyperparameters): EncodeResult[] {
  const at = new Map<keyof DenseResult, number>();
  const take = (name: keyof DenseResult, count: number) => {
    const begin = at.get(name) ?? 0;
    at.set(name, begin + count);
    return result[name]!.slice(begin, begin + count);
  };
  const { embeddingLength: H, blockCount: L, headCount: A, vocabSize: V } = h;
  const parts = inputs.map(({ ids: { length: S }, masks }) => ({
    lastHiddenState: take("lastHiddenState", S * H),
    hiddenStates: take("hiddenStates", (L + 1) * S * H),
    attentions: take("attentions", L * A * S * S),
    poolerOutput: take("poolerOutput", H),
    nextSentenceLogits: take("nextSentenceLogits", 2),
    sequenceLogits: take("sequenceLogits", 3),
    tokenLogits: take("tokenLogits", S * 5),
    answerLogits: take("answerLogits", S * 2),
    mlmLogits: take("mlmLogits", masks.length * V),
  }));
  for (const [name, end] of at) expect(result[name]).toHaveLength(end);
  return parts;
}

/** Bit for bit: unlike comparison of numbers, this tells 0 from -0. */
function expectSameBits(actual: EncodeResult, expected: EncodeResult, what: string): void {
  expect(Object.keys(actual).sort(), what).toEqual(Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected) as [keyof DenseResult, Float32Array][]) {
    const bytes = (array: Float32Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    expect(bytes(actual[name]!).equals(bytes(values)), `${name} of ${what}`).toBe(true);
  }
}

describe.each(LOWERINGS)(
  "every output of BERT, %s, has the same bits alone and among 63 others",
  (lowering) => {
    it.each(TENSOR_TYPES)(`%s, whatever the order and the threads (seed ${SEED})`, async (type) => {
      const { spec } = await randomBert(folder, { type, H: 256, A: 4, F: 512, L: 1, V: 67, context: 40 });
      const inputs = randomInputs(64, 67, 40);
      const models = await Promise.all(
        THREADS[lowering].map((threads) => loadNative(spec, { lowering, threads })),
      );
      const alone: EncodeResult[] = [];
      for (const input of inputs)
        alone.push(...split(await run(models[0]!, [input]), [input], spec.hyperparameters));
      for (const [i, model] of models.entries()) {
        const order = shuffled([...inputs.keys()], SEED + i);
        const batch = order.map((k) => inputs[k]!);
        const parts = split(await run(model, batch), batch, spec.hyperparameters);
        for (const [at, k] of order.entries()) {
          expectSameBits(
            parts[at]!,
            alone[k]!,
            `input ${k} of ${inputs[k]!.ids.length} tokens, ${model.threads} threads`,
          );
        }
      }
      await Promise.all(models.map((model) => model.dispose()));
    });

    it("odd widths, in requests of their own that meet in one batch", async () => {
      const { spec } = await randomBert(folder, { H: 36, A: 3, F: 37, V: 67, context: 40, fused: true });
      const inputs = randomInputs(64, 67, 40);
      await withModel(spec, { lowering, threads: THREADS[lowering].at(-1)! }, async (model) => {
        const together = await Promise.all(inputs.map((input) => run(model, [input])));
        for (const [k, input] of inputs.entries()) {
          expectSameBits(together[k]!, await run(model, [input]), `input ${k}`);
        }
      });
    });

    it("does not depend on which outputs are asked for", async () => {
      const { spec } = await randomBert(folder, { type: "Q8_0", H: 64, A: 4, F: 128, V: 67, context: 40 });
      const inputs = randomInputs(16, 67, 40);
      const request = ragged(inputs.map(({ ids }) => ids));
      // With attention weights asked for, they are computed apart from the products: the rounding may differ, and
      // more so on a GPU, where flash attention takes keys and values in F16.
      const difference = lowering === "discrete" ? 1e-3 : 1e-4;
      const { attentions, ...others } = OUTPUTS;
      await withModel(spec, { lowering }, async (model) => {
        const all = await encode(model, { ...request, ...others, pooling: "mean" });
        for (const wanted of [
          { lastHiddenState: true },
          { pooling: "mean" },
          { poolerOutput: true },
        ] as const) {
          const some = await encode(model, { ...request, ...wanted });
          for (const [name, values] of Object.entries(some)) {
            expect(values).toEqual(all[name as keyof DenseResult]);
            expect(values).toEqual(all[name as keyof DenseResult]);
          }
        }
        const { lastHiddenState } = await encode(model, { ...request, lastHiddenState: true, attentions });
        expect(cosine(lastHiddenState!, all.lastHiddenState!)).toBeGreaterThan(1 - difference);
      });
    });
  },
);
