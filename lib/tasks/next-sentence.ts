import type { InputOptions } from "../inputs.js";

/** Options of {@link Encoder.nextSentence}. */
export type NextSentenceOptions = InputOptions;

/** What {@link Encoder.nextSentence} returns for one pair. */
export interface NextSentenceResult {
  /** Probability that the second text follows the first, from 0 to 1. */
  readonly probability: number;
  /** The head's two logits: is next, not next. */
  readonly logits: readonly [isNext: number, notNext: number];
}
