import { afterAll, describe, expect, it } from "vitest";
import { TENSOR_TYPES } from "../../lib/gguf/types.js";
import type { TensorType } from "../../lib/native.js";
import { bertEncoder, bertMaskedTokens, bertPooler } from "../reference/bert.js";
import { gpt2Logits } from "../reference/gpt2.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, randomBert, randomGpt2, withModel, type Lowering } from "./models.js";
import { encode, logits, ragged, randomIds } from "./requests.js";

const SEED = 5_150;
const folder = temporaryFolder();
/** Rows that hold whole blocks of every type. */
const SIZES = { seed: SEED, H: 256, A: 4, F: 512, V: 101, context: 32, std: 0.06 };

/**
 * The reference computes with the weights exactly as the file holds them. What is left is the rounding of
 * activations: to 8 bits per block of 32 (or 256) values for the quantized types. For F16 and BF16 the fused
 * lowering rounds both sides to 14 bits per block, GGML the activations to the weights' own type. The error of a
 * result is |engine - reference| / |reference|. Measured on these two blocks: 3e-7 for F32, 3e-4 for 16 bits (GGML:
 * 5e-4, 4e-3), 1.4e-2 for blocks of 32, 2e-2 for GGML's blocks of 256.
 */
const TOLERANCE: Record<TensorType, number> = {
  F32: 1e-6,
  F16: 1.5e-3,
  BF16: 1.2e-2,
  Q8_0: 2.5e-2,
  Q6_K: 3.5e-2,
  Q5_K: 3.5e-2,
  Q5_1: 2.5e-2,
  Q5_0: 2.5e-2,
  Q4_K: 3.5e-2,
  Q4_1: 2.5e-2,
  Q4_0: 2.5e-2,
};

function tolerance(type: TensorType, lowering: Lowering): number {
  return lowering === "fused" && (type === "F16" || type === "BF16") ? 6e-4 : TOLERANCE[type];
}

const measured: string[] = [];
afterAll(() => console.log(["type, lowering: error of BERT, of GPT-2", ...measured].join("\n")));

function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

type Types = TensorType | ((name: string) => TensorType);

async function bertError(type: Types, lowering: Lowering): Promise<number> {
  const { spec, weights } = await randomBert(folder, { ...SIZES, type, tied: false });
  const config = { H: 256, A: 4, L: 2, epsilon: 1e-12, activation: "gelu" } as const;
  const ids = randomIds(random(SEED), 32, SIZES.V);
  const result = await withModel(spec, { lowering }, (model) =>
    encode(model, {
      ...ragged([ids]),
      lastHiddenState: true,
      poolerOutput: true,
      mlmPositions: Int32Array.of(3, 31),
    }),
  );
  const { last } = bertEncoder(weights, config, ids);
  return Math.max(
    relativeError(result.lastHiddenState!, last),
    relativeError(result.poolerOutput!, bertPooler(weights, config.H, last)),
    relativeError(result.mlmLogits!, bertMaskedTokens(weights, config, last, [3, 31])),
  );
}

async function gpt2Error(type: Types, lowering: Lowering): Promise<number> {
  const { spec, weights } = await randomGpt2(folder, { ...SIZES, type });
  const { scaleAttention, scaleAttentionByInverseLayer } = spec.hyperparameters;
  const shape = { H: 256, A: 4, L: 2, epsilon: 1e-5, activation: "gelu_new" } as const;
  const ids = randomIds(random(SEED), 32, SIZES.V);
  const actual = await withModel(spec, { lowering }, (model) => logits(model, ids));
  const config = { ...shape, scaleAttention, scaleAttentionByInverseLayer };
  return relativeError(actual, gpt2Logits(weights, config, ids));
}

describe.each(LOWERINGS)(
  "every weight type, %s, against double precision on the same weights",
  (lowering) => {
    it.each(TENSOR_TYPES)("%s", async (type) => {
      const errors = [await bertError(type, lowering), await gpt2Error(type, lowering)];
      measured.push(`${type}, ${lowering}: ${errors.map((error) => error.toExponential(2)).join(", ")}`);
      for (const error of errors) expect(error).toBeLessThan(tolerance(type, lowering));
    });

    it("a different one for each matrix", async () => {
      let matrices = 0;
      const inTurn = () => TENSOR_TYPES[matrices++ % TENSOR_TYPES.length]!;
      expect(await bertError(inTurn, lowering)).toBeLessThan(TOLERANCE.Q6_K);
      expect(await gpt2Error(inTurn, lowering)).toBeLessThan(TOLERANCE.Q6_K);
      expect(matrices).toBeGreaterThan(TENSOR_TYPES.length);
    });
  },
);
