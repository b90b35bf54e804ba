/** What goes into an encoder: checked, tokenized, and kept to a limit. */
import { InputTooLongError } from "./errors.js";
import type { EncoderCore } from "./encoder.js";
import type { Sequence } from "./batches.js";
import {
  boolean,
  callback,
  expected,
  integer,
  integers,
  isObject,
  signal as abortSignal,
  string,
  tokenIds,
  type Check,
} from "./options.js";
import type { Encoding, TruncationStrategy } from "./tokenizer/index.js";
import { breathe } from "./tokenizer/time-slices.js";

/**
 * One input of an encoder: a text; a text with a second one (`[CLS] text [SEP] pair [SEP]`, segment ids 0 and
 * 1); or token ids, used exactly as they are (nothing is added, so bring `[CLS]` and `[SEP]`).
 */
export type EncoderInput =
  | string
  | {
      /** The text, or the first of two. */
      readonly text: string;
      /** The second text. */
      readonly pair?: string;
    }
  | {
      /** Token ids, [S]: from 0 and below V. */
      readonly ids: ArrayLike<number>;
      /** Segment of each token, [S], below `info.segmentCount`. Default: all 0. */
      readonly segmentIds?: ArrayLike<number>;
    };

/** What `onTruncate` is told about an input that lost tokens. */
export interface Truncation {
  /** Which input of the call, counted from 0. */
  readonly index: number;
  /** Tokens it has, special tokens included. */
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
   * pair, the longer text loses tokens first). May exceed `info.maxLength`, but not `info.contextLength`.
   * Default: the method's own limit, and longer inputs are refused with an {@link InputTooLongError}.
   */
  maxLength?: number;
  /**
   * Whether inputs over the limit are cut (true) or refused (false). Default: true when `maxLength` is given,
   * else false. `truncate: true` alone cuts at the method's own limit.
   */
  truncate?: boolean;
  /** Called for every input that was cut, in order, before the method settles. */
  onTruncate?: (truncation: Truncation) => void;
  /** Aborts the call, also in the middle of the computation; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
  /** Called whenever a batch of inputs is finished. */
  onProgress?: (progress: Progress) => void;
}

/** The checks for {@link InputOptions}; of pairs, special tokens alone are more. */
export function inputOptions({ info, tokenizer }: EncoderCore, isPair = false) {
  return {
    maxLength: integer(Math.max(1, tokenizer.countSpecialTokens(isPair)), info.contextLength),
    truncate: boolean,
    onTruncate: callback<(truncation: Truncation) => void>(),
    signal: abortSignal,
    onProgress: callback<(progress: Progress) => void>(),
  };
}

/** An input whose types are right, with ids in range. */
export type CheckedInput =
  | { readonly text: string; readonly pair?: string }
  | { readonly ids: Int32Array; readonly segmentIds?: Int32Array };

/** Checks for an {@link EncoderInput}. */
function encoderInput({ info }: EncoderCore): Check<CheckedInput> {
  const ids = tokenIds(info.vocabSize);
  const segments = integers(0, Math.max(0, info.segmentCount - 1), "segment ids");
  return (value, name) => {
    if (typeof value === "string") return { text: value };
    if (isObject(value) && "ids" in value) {
      onlyKeys(value, name, ["ids", "segmentIds"]);
      return checkIds(ids(value.ids, `${name}.ids`), value.segmentIds, name, segments);
    }
    if (isObject(value) && "text" in value) {
      onlyKeys(value, name, ["text", "pair"]);
      const text = string(value.text, `${name}.text`);
      return value.pair === undefined ? { text } : { text, pair: string(value.pair, `${name}.pair`) };
    }
    throw expected("a string, { text, pair } or { ids, segmentIds }", name, value);
  };
}

function checkIds(
  ids: Int32Array,
  segmentIds: unknown,
  name: string,
  check: Check<Int32Array>,
): CheckedInput {
  if (ids.length === 0) throw expected("at least one token id", `${name}.ids`, ids);
  if (segmentIds === undefined) return { ids };
  const segments = check(segmentIds, `${name}.segmentIds`);
  if (segments.length === ids.length) return { ids, segmentIds: segments };
  throw expected(`${ids.length} segment ids, one per token id,`, `${name}.segmentIds`, segmentIds);
}

function onlyKeys(value: Record<string, unknown>, name: string, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw expected(`only ${known.join(" and ")}`, name, unknown);
}

/** One input, or an array of them: what to compute, and whether to return one result or an array. */
export interface OneOrMany<T> {
  readonly items: readonly T[];
  readonly isArray: boolean;
}

/** Checks for a text or an array of texts. */
export async function oneOrManyTexts(value: unknown): Promise<OneOrMany<string>> {
  if (Array.isArray(value)) return { items: await checkEach(value, "texts", string), isArray: true };
  if (typeof value !== "string") throw expected("a string or an array of strings", "text", value);
  return { items: [value], isArray: false };
}

/** Checks for an {@link EncoderInput} or an array of them. */
export async function oneOrManyInputs(core: EncoderCore, value: unknown): Promise<OneOrMany<CheckedInput>> {
  const item = encoderInput(core);
  if (Array.isArray(value)) return { items: await checkEach(value, "inputs", item), isArray: true };
  return { items: [item(value, "input")], isArray: false };
}

/** Checks the elements of an array of any length, letting the event loop turn in between. */
export async function checkEach<T>(values: readonly unknown[], name: string, item: Check<T>): Promise<T[]> {
  const checked: T[] = [];
  for (let i = 0; i < values.length; i++) {
    checked.push(item(values[i], `${name}[${i}]`));
    if (i % 1024 === 1023) await breathe();
  }
  return checked;
}

/** A tokenized input; `encoding` is absent when it came as ids. */
export interface TokenizedInput extends Sequence {
  readonly encoding?: Encoding;
  readonly truncated: boolean;
}

/** Which inputs are too long, and what happens to them. */
export interface LengthPolicy {
  /** Most tokens per input. */
  readonly limit: number;
  readonly truncate: boolean;
  /** Which text of a pair loses tokens. Default: the longer one first. */
  readonly truncation?: TruncationStrategy;
  readonly onTruncate?: (truncation: Truncation) => void;
}

/** The policy that the options of a method with its own limit amount to. */
export function lengthPolicy(options: InputOptions, ownLimit: number): LengthPolicy {
  const { maxLength, truncate, onTruncate } = options;
  return { limit: maxLength ?? ownLimit, truncate: truncate ?? maxLength !== undefined, onTruncate };
}

/** A text's segment ids: none where the model has no two segments, whatever its tokenizer numbers. */
export function segmentsOf({ info }: EncoderCore, { typeIds }: Encoding): Int32Array | undefined {
  return info.segmentCount > 1 ? typeIds : undefined;
}

/** Tokenizes inputs, the first of which is number `begin` of the call. */
export async function tokenizeInputs(
  core: EncoderCore,
  inputs: readonly CheckedInput[],
  begin: number,
  policy: LengthPolicy,
  signal: AbortSignal,
): Promise<TokenizedInput[]> {
  const tokenized: TokenizedInput[] = [];
  for (const [i, input] of inputs.entries()) {
    const index = begin + i;
    if ("ids" in input) {
      tokenized.push(takeIds(input, index, policy));
      continue;
    }
    const encoding = await core.tokenizer.encodeAsync(input.text, {
      pair: input.pair,
      maxLength: policy.limit,
      truncation: policy.truncation,
      signal,
    });
    const truncated = encoding.truncated > 0;
    if (truncated) allowTruncation(encoding.length + encoding.truncated, index, policy);
    const segments = segmentsOf(core, encoding);
    tokenized.push({ index, ids: encoding.ids, segments, encoding, truncated });
  }
  return tokenized;
}

/** Ids are cut at their end, but for the last one, which closes the sequence. */
function takeIds(
  { ids, segmentIds }: { ids: Int32Array; segmentIds?: Int32Array },
  index: number,
  policy: LengthPolicy,
): TokenizedInput {
  if (ids.length <= policy.limit) return { index, ids, segments: segmentIds, truncated: false };
  allowTruncation(ids.length, index, policy);
  const cut = (values: Int32Array) => {
    const kept = values.slice(0, policy.limit);
    kept[policy.limit - 1] = values.at(-1)!;
    return kept;
  };
  return { index, ids: cut(ids), segments: segmentIds && cut(segmentIds), truncated: true };
}

function allowTruncation(length: number, index: number, policy: LengthPolicy): void {
  const { limit } = policy;
  if (policy.truncate) return policy.onTruncate?.({ index, length, limit });
  throw refuseLength(length, index, limit, "maxLength or truncate: true cuts it");
}

/** The error for an input over the limit; `remedy` says what lets it through. */
export function refuseLength(
  length: number,
  index: number,
  limit: number,
  remedy: string,
): InputTooLongError {
  const details = { length, limit, index };
  return new InputTooLongError(
    `Expected at most ${limit} tokens for input ${index} but it has ${length}: ${remedy}`,
    details,
  );
}
