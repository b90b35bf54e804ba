/**
 * One input of an encoder: a text; a text with a second one (`[CLS] text [SEP] pair [SEP]`, segment ids 0 and
 * 1); or token ids, used exactly as they are (nothing is added, so bring `[CLS]` and `[SEP]`).
 */
export type EncoderInput =
  | string
  | { readonly text: string; readonly pair?: string }
  | { readonly ids: ArrayLike<number>; readonly segmentIds?: ArrayLike<number> };

/** What `onTruncate` is told about a text that lost tokens. */
export interface Truncation {
  /** Which input of the call, counted from 0. */
  readonly index: number;
  /** Tokens it would have had, special tokens included. */
  readonly length: number;
  /** Tokens it was cut to, special tokens included. */
  readonly limit: number;
}

/** How far a call over several inputs has come. */
export interface Progress {
  /** Inputs finished. */
  readonly done: number;
  /** Inputs in all. */
  readonly total: number;
}

/** Options that every method of an encoder takes. */
export interface InputOptions {
  /**
   * Most tokens per input, special tokens included; longer ones are cut, keeping the closing `[SEP]` (of a
   * pair, the longer text loses tokens first). May exceed the model's own limit, `info.maxLength`, but not
   * `info.contextLength`. Default: the method's own limit, and longer inputs are refused.
   */
  maxLength?: number;
  /**
   * Whether inputs over the limit are cut or refused with an `InputTooLongError`. Default: cut when
   * `maxLength` is given, else refuse; `truncate: true` alone cuts at the method's own limit.
   */
  truncate?: boolean;
  /** Called for every input that was cut, in order, before the method settles. */
  onTruncate?: (truncation: Truncation) => void;
  /** Aborts the call, also in the middle of the computation; it then rejects with an `AbortError`. */
  signal?: AbortSignal;
  /** Called as inputs are finished. */
  onProgress?: (progress: Progress) => void;
}
