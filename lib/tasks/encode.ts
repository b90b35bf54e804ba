import type { InputOptions } from "../inputs.js";
import type { Tensor } from "../tensor.js";

/** Options of {@link Encoder.encode}. */
export interface EncodeOptions extends InputOptions {
  /** Return `lastHiddenState`. Default: true. */
  lastHiddenState?: boolean;
  /** Return `poolerOutput`; an `UnsupportedError` when true and the model has no pooler. Default: when it has one. */
  poolerOutput?: boolean;
  /** Return `hiddenStates`: the embedding's and every layer's output. Default: false. */
  hiddenStates?: boolean;
  /** Return `attentions`: every layer's attention probabilities. Default: false. */
  attentions?: boolean;
}

/** What an encoder computes for one input of `S` tokens (`L` layers, `H` hidden, `A` heads). */
export interface EncoderOutput {
  /** Token ids, [S]. */
  readonly ids: Int32Array;
  /** Segment ids, [S]: 0 for the first text, 1 for the second. */
  readonly segmentIds: Int32Array;
  /** The vocabulary's form of each token, [S]. */
  readonly tokens: readonly string[];
  /**
   * Where each token comes from, [S]: start (inclusive) and end (exclusive) in UTF-16 units of the text it
   * belongs to, `[0, 0]` for special tokens. Empty when the input was ids.
   */
  readonly offsets: readonly (readonly [start: number, end: number])[];
  /** Whether tokens were cut off. */
  readonly truncated: boolean;
  /** [S, H]. */
  readonly lastHiddenState?: Tensor;
  /** tanh(W h + b) of the first token's last hidden state h, [H]. */
  readonly poolerOutput?: Float32Array;
  /** [L + 1, S, H]: the embedding's output, then each layer's. */
  readonly hiddenStates?: Tensor;
  /** [L, A, S, S]: layer, head, query, key. */
  readonly attentions?: Tensor;
}
