/** From a classifier's logits to scores with names. */
import { topIndices } from "../top-k.js";

/**
 * How logits become scores: `"softmax"` over all labels, which then exclude each other; `"sigmoid"` for each
 * on its own; `"none"` leaves the logits as they are.
 */
export type ScoreActivation = "softmax" | "sigmoid" | "none";

/** One label of a classifier with its score. */
export interface LabelScore {
  /** Its name. */
  readonly label: string;
  /** Number of the label. */
  readonly index: number;
  /** As `activation` says: for the softmax and the sigmoid a probability, from 0 to 1. */
  readonly score: number;
}

/** Scores by label number, in double precision. */
export function activate(logits: ArrayLike<number>, activation: ScoreActivation): Float64Array {
  const scores = Float64Array.from(logits);
  if (activation === "softmax") return softmaxInPlace(scores);
  if (activation === "sigmoid") return scores.map((logit) => 1 / (1 + Math.exp(-logit)));
  return scores;
}

/** The softmax of a row, in place. */
export function softmaxInPlace(row: Float64Array): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of row) if (value > largest) largest = value;
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i] = Math.exp(row[i]! - largest);
  for (let i = 0; i < row.length; i++) row[i]! /= sum;
  return row;
}

/** The `topK` labels with the largest logits, the largest first. Every activation keeps their order. */
export function bestLabels(
  logits: Float32Array,
  labels: readonly string[],
  activation: ScoreActivation,
  topK: number,
): LabelScore[] {
  const scores = activate(logits, activation);
  return Array.from(topIndices(logits, topK), (index) => ({
    label: labels[index]!,
    index,
    score: scores[index]!,
  }));
}
