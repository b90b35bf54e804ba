import type { InputOptions } from "../inputs.js";

/** Options of {@link Encoder.fillMask}. */
export interface FillMaskOptions extends InputOptions {
  /** How many predictions per mask, the most likely first. Default: 5, or all `targets`. */
  topK?: number;
  /**
   * Score only these words. Each must be one token of the vocabulary, as it stands there or after the
   * tokenizer's normalization; those that are not are listed in `unknownTargets`. Scores remain probabilities
   * over the whole vocabulary.
   */
  targets?: readonly string[];
  /** Divides the logits before the softmax; above 0. Default: 1. */
  temperature?: number;
}

/** One candidate for a mask. */
export interface MaskPrediction {
  /** Probability over the whole vocabulary, in (0, 1]. */
  readonly score: number;
  /** Token id. */
  readonly token: number;
  /** The vocabulary's form of the token, for example `"ship"` or `"##s"`. */
  readonly tokenString: string;
  /** The text decoded with this mask filled in and any other mask left as it is. */
  readonly sequence: string;
}

/** The candidates for one mask. */
export interface MaskResult {
  /** Index of the mask among the tokens. */
  readonly position: number;
  /** Where the mask stands in the text: start and end in UTF-16 units. */
  readonly offset: readonly [start: number, end: number];
  /** The most likely first. */
  readonly predictions: readonly MaskPrediction[];
}

/** What {@link Encoder.fillMask} returns for one text. */
export interface FillMaskResult {
  /** One entry per mask, in the order of the text. */
  readonly masks: readonly MaskResult[];
  /** Those of `targets` that are not one token of the vocabulary, as given. */
  readonly unknownTargets: readonly string[];
}
