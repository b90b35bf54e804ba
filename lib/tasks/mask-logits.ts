/** What the masked-token head says at the masks of a batch. */
import type { Sequence } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import { UnsupportedError } from "../errors.js";
import { runTask } from "../native.js";
import { topIndices } from "../top-k.js";
import { encodeRequest } from "./request.js";

/** A sequence with masks in it. */
export interface MaskedSequence extends Sequence {
  /** Positions of the masks that are asked about, [M]. */
  readonly masks: readonly number[];
}

/** The id of the mask token; an {@link UnsupportedError} when there is none. */
export function requireMaskToken({ info, tokenizer }: EncoderCore, user: string): number {
  const { mask } = tokenizer.specialIds;
  if (mask !== undefined) return mask;
  throw new UnsupportedError(`The tokenizer of ${info.name} has no mask token, which ${user} needs`, {
    token: "mask",
  });
}

/** Logits of the whole vocabulary, [V], for each mask of each sequence. */
export async function maskLogits(
  { model, info }: EncoderCore,
  batch: readonly MaskedSequence[],
  signal: AbortSignal,
): Promise<Float32Array[][]> {
  const request = encodeRequest(batch, { mlmPositions: positionsOf(batch) });
  const { mlmLogits } = await runTask(() => model.encode(request), signal);
  let row = 0;
  return batch.map(({ masks }) =>
    masks.map(() => mlmLogits!.subarray(row * info.vocabSize, ++row * info.vocabSize)),
  );
}

/** Positions of all masks in the ragged batch. */
function positionsOf(batch: readonly MaskedSequence[]): Int32Array {
  const positions: number[] = [];
  let start = 0;
  for (const { ids, masks } of batch) {
    for (const mask of masks) positions.push(start + mask);
    start += ids.length;
  }
  return Int32Array.from(positions);
}

/** Which candidates are asked for. */
export interface Selection {
  readonly topK: number;
  readonly temperature: number;
  /** Token ids; all when absent. */
  readonly targets?: Int32Array;
}

/** A token for a mask, with its probability over the whole vocabulary. */
export interface ScoredId {
  readonly token: number;
  readonly score: number;
}

/** The likeliest tokens, the likeliest first. */
export function bestTokens(logits: Float32Array, { topK, temperature, targets }: Selection): ScoredId[] {
  const best = targets ? topTargets(logits, targets, topK) : topIndices(logits, topK);
  const probability = softmax(logits, temperature);
  return Array.from(best, (token) => ({ token, score: probability(token) }));
}

/** The `k` targets with the largest logits, the largest first. */
function topTargets(logits: Float32Array, targets: Int32Array, k: number): Int32Array {
  const values = Float32Array.from(targets, (token) => logits[token]!);
  return topIndices(values, k).map((i) => targets[i]!);
}

/** The softmax of logits / temperature, in double precision; evaluated where asked for. */
function softmax(logits: Float32Array, temperature: number): (index: number) => number {
  const largest = largestOf(logits);
  let sum = 0;
  for (const logit of logits) sum += Math.exp((logit - largest) / temperature);
  return (index) => Math.exp((logits[index]! - largest) / temperature) / sum;
}

/** The logarithm of a token's probability, exact also where the probability is too small for a number. */
export function logProbability(logits: Float32Array, token: number): number {
  const largest = largestOf(logits);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return logits[token]! - largest - Math.log(sum);
}

function largestOf(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  return largest;
}
