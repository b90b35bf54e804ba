import type { Layout } from "./layout.js";
import { runNow } from "./time-slices.js";

/**
 * The tokens of a text or a pair of texts. `S` is their number, special tokens and padding included.
 *
 * Offsets are UTF-16 units (what `slice` takes) into the text the token came from: the first or the second, as
 * `sequenceIds` says. Everything but `ids` is made when it is first read.
 */
export class Encoding {
  /** Token ids, [S]. */
  readonly ids: Int32Array;
  /** Tokens of the texts that were left out to fit `maxLength`; 0 when all are here. */
  readonly truncated: number;
  readonly #layout: Layout;
  #typeIds?: Int32Array;
  #offsets?: Int32Array;
  #wordIds?: Int32Array;
  #specialTokensMask?: Uint8Array;
  #attentionMask?: Uint8Array;
  #sequenceIds?: Int8Array;
  #tokens?: string[];
  #overflowing?: Encoding[];

  /** @internal Made by `Tokenizer`. */
  constructor(layout: Layout, ids: Int32Array) {
    this.#layout = layout;
    this.ids = ids;
    this.truncated = layout.truncated;
  }

  /** Number of tokens, S. */
  get length(): number {
    return this.ids.length;
  }

  /** Segment of each token (BERT's token type), [S]. */
  get typeIds(): Int32Array {
    return (this.#typeIds ??= this.#layout.typeIds());
  }

  /**
   * Where each token lies in its text, [2 S]: start and end of token i are `offsets[2 * i]` and `offsets[2 * i + 1]`.
   * Special tokens and padding have 0, 0. Tokens that share a character have the same offsets.
   */
  get offsets(): Int32Array {
    return (this.#offsets ??= this.#layout.offsets());
  }

  /** Index of the word each token belongs to, counted per text, [S]; -1 for special tokens and padding. */
  get wordIds(): Int32Array {
    return (this.#wordIds ??= this.#layout.wordIds());
  }

  /** 1 for special tokens that were added and for padding, else 0, [S]. */
  get specialTokensMask(): Uint8Array {
    return (this.#specialTokensMask ??= this.#layout.specialTokensMask());
  }

  /** 0 for padding, else 1, [S]. */
  get attentionMask(): Uint8Array {
    return (this.#attentionMask ??= this.#layout.attentionMask());
  }

  /** 0 for tokens of the first text, 1 of the second, -1 for special tokens and padding, [S]. */
  get sequenceIds(): Int8Array {
    return (this.#sequenceIds ??= this.#layout.sequenceIds());
  }

  /** The tokens as the vocabulary writes them, [S]. */
  get tokens(): readonly string[] {
    return (this.#tokens ??= this.#layout.tokens());
  }

  /**
   * What truncation left out, in windows of the same size that overlap by `stride` tokens, each with its special
   * tokens. For a pair, every combination of the windows of both.
   */
  get overflowing(): readonly Encoding[] {
    return (this.#overflowing ??= this.#layout
      .overflowing()
      .map((layout) => new Encoding(layout, runNow(layout.ids()))));
  }
}
