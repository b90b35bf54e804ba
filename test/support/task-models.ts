/**
 * Small BERTs with random weights, made as a user would: a checkpoint, converted, loaded. Beside each the same
 * checkpoint in double precision, read without any code of the package.
 */
import { join } from "node:path";
import { convert, Encoder, type TensorType } from "../../lib/index.js";
import { bertWeights } from "../golden/checkpoints.js";
import {
  bertAnswer,
  bertEncoder,
  bertMaskedTokens,
  bertPooler,
  bertSequenceLabels,
  bertTokenLabels,
} from "../reference/bert.js";
import { writeRandomBert, type RandomBertOptions } from "./random-models.js";

/** The heads' logits for one sequence, in double precision. */
export interface ReferenceHeads {
  /** [labels] */
  sequence(ids: ArrayLike<number>, segments?: ArrayLike<number>): Float64Array;
  /** [S, labels] */
  tokens(ids: ArrayLike<number>, segments?: ArrayLike<number>): Float64Array;
  /** [S, 2] */
  answer(ids: ArrayLike<number>, segments?: ArrayLike<number>): Float64Array;
  /** [V], of one position. */
  masked(ids: ArrayLike<number>, position: number): Float64Array;
}

export interface TaskModel {
  path: string;
  encoder: Encoder;
  reference: ReferenceHeads;
}

let models = 0;

/** Two blocks, 64 hidden, a vocabulary of 400; `type` is that of the converted file. */
export async function taskModel(
  folder: string,
  options: RandomBertOptions & { type?: TensorType },
): Promise<TaskModel> {
  const { type = "F32", ...rest } = options;
  const dir = join(folder, `task-${++models}`);
  const { config } = await writeRandomBert(dir, { keepWeights: false, ...rest });
  const path = `${dir}.gguf`;
  await convert(dir, path, { type });
  const sizes = config as Record<string, number>;
  const shape = {
    H: sizes["hidden_size"]!,
    A: sizes["num_attention_heads"]!,
    L: sizes["num_hidden_layers"]!,
    epsilon: 1e-12,
    activation: "gelu" as const,
  };
  const weights = bertWeights(dir);
  const last = (ids: ArrayLike<number>, segments?: ArrayLike<number>) =>
    bertEncoder(weights, shape, ids, segments).last;
  const reference: ReferenceHeads = {
    sequence: (...input) => bertSequenceLabels(weights, bertPooler(weights, shape.H, last(...input))),
    tokens: (...input) => bertTokenLabels(weights, last(...input)),
    answer: (...input) => bertAnswer(weights, last(...input)),
    masked: (ids, position) => bertMaskedTokens(weights, shape, last(ids), [position]),
  };
  return { path, encoder: await Encoder.load(path, { threads: 1 }), reference };
}

/** softmax, written a second time. */
export function softmaxOf(logits: ArrayLike<number>): number[] {
  const powers = Array.from(logits, (logit) => Math.exp(logit));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

export const sigmoidOf = (logit: number) => 1 / (1 + Math.exp(-logit));
