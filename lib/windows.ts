/** Texts that may be longer than the model can take, in overlapping windows. */
import type { EncoderCore } from "./encoder.js";
import { InputTooLongError } from "./errors.js";
import { inputOptions, refuseLength, segmentsOf, type InputOptions, type TokenizedInput } from "./inputs.js";
import { integer, oneOf } from "./options.js";
import type { Encoding, TruncationStrategy } from "./tokenizer/index.js";

/** Options of methods that take texts of any length. */
export interface WindowOptions extends Omit<InputOptions, "truncate"> {
  /**
   * Most tokens per window, special tokens included. Default: the method's own limit, which is never above
   * `info.contextLength`.
   */
  maxLength?: number;
  /**
   * What happens to texts that are longer: `"windows"` computes them in windows that overlap, `"truncate"` cuts
   * them (and tells `onTruncate`), `"refuse"` rejects with an {@link InputTooLongError}. Default: `"windows"`.
   */
  overflow?: "windows" | "truncate" | "refuse";
  /** Tokens that each window shares with the one before it. Default: a quarter of the window, at most 128. */
  stride?: number;
}

/** The checks for {@link WindowOptions}. */
export function windowOptions(core: EncoderCore, isPair = false) {
  const { truncate: _, ...shared } = inputOptions(core, isPair);
  return {
    ...shared,
    overflow: oneOf("windows", "truncate", "refuse"),
    stride: integer(0, core.info.contextLength),
  };
}

/** How texts are cut into windows. */
export interface WindowPolicy {
  /** Most tokens per window. */
  readonly limit: number;
  readonly overflow: "windows" | "truncate" | "refuse";
  readonly stride: number;
  /** Which text of a pair is cut. */
  readonly truncation: TruncationStrategy;
  readonly onTruncate?: InputOptions["onTruncate"];
}

/** The policy that the options of a method with its own limit amount to; of a pair, the second text is cut. */
export function windowPolicy(
  { tokenizer }: EncoderCore,
  options: WindowOptions,
  ownLimit: number,
  isPair: boolean,
): WindowPolicy {
  const { maxLength: limit = ownLimit, overflow = "windows", onTruncate } = options;
  const room = limit - tokenizer.countSpecialTokens(isPair);
  const stride = options.stride ?? Math.min(128, room >> 2);
  return { limit, overflow, stride, truncation: isPair ? "only_second" : "longest_first", onTruncate };
}

/** A window, tokenized. */
export interface Window extends TokenizedInput {
  readonly encoding: Encoding;
}

/** The windows of each input, the first of which is number `begin` of the call. */
export async function tokenizeWindows(
  core: EncoderCore,
  inputs: readonly { text: string; pair?: string }[],
  begin: number,
  policy: WindowPolicy,
  signal: AbortSignal,
): Promise<Window[][]> {
  const { limit, overflow, stride, truncation, onTruncate } = policy;
  const windows: Window[][] = [];
  for (const [i, { text, pair }] of inputs.entries()) {
    const index = begin + i;
    const encoding = await core.tokenizer
      .encodeAsync(text, { pair, maxLength: limit, truncation, stride, signal })
      .catch((error: unknown) => {
        throw error instanceof InputTooLongError ? firstTooLong(error, index) : error;
      });
    const length = encoding.length + encoding.truncated;
    if (overflow === "refuse" && length > limit)
      throw refuseLength(length, index, limit, "overflow says what else to do");
    if (overflow === "truncate" && length > limit) onTruncate?.({ index, length, limit });
    const all = overflow === "windows" ? [encoding, ...encoding.overflowing] : [encoding];
    windows.push(
      all.map((each) => ({
        index,
        ids: each.ids,
        segments: segmentsOf(core, each),
        encoding: each,
        truncated: each.truncated > 0,
      })),
    );
  }
  return windows;
}

/** Only the second text of a pair is cut into windows: the first leaves no room for it. */
function firstTooLong({ details }: InputTooLongError, index: number): InputTooLongError {
  const { length, limit } = details as { length: number; limit: number };
  return new InputTooLongError(
    `Expected a first text that leaves room for the second in ${limit} tokens for input ${index}, ` +
      `but together they have ${length}`,
    { length, limit, index } as { length: number; limit: number },
  );
}
