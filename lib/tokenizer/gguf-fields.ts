/** What GGUF metadata says about a tokenizer, checked key by key. */
import { TokenizerError } from "../errors.js";
import { LongText, StringArray } from "../gguf/metadata.js";
import type { AddedToken } from "./added-tokens.js";
import type { Steps } from "./time-slices.js";
import type { SpecialRole } from "./tokenizer-parts.js";
import { encodeUtf8InSteps } from "./utf8-slices.js";
import type { TokenList } from "./vocabulary.js";

/** GGUF keys and their values: strings, numbers, booleans, and arrays of them. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

/** Tokens looked at between two yields. */
export const TOKENS_PER_STEP = 512;

/** llama.cpp's token types. */
export const TOKEN_TYPE = { unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Keys of special ids; `seperator` is llama.cpp's spelling. */
const SPECIAL_KEYS: readonly (readonly [string, SpecialRole])[] = [
  ["tokenizer.ggml.bos_token_id", "bos"],
  ["tokenizer.ggml.eos_token_id", "eos"],
  ["tokenizer.ggml.unknown_token_id", "unk"],
  ["tokenizer.ggml.seperator_token_id", "sep"],
  ["tokenizer.ggml.separator_token_id", "sep"],
  ["tokenizer.ggml.padding_token_id", "pad"],
  ["tokenizer.ggml.cls_token_id", "cls"],
  ["tokenizer.ggml.mask_token_id", "mask"],
];

export function bad(what: string, key: string, value: unknown): TokenizerError {
  const shown = typeof value === "object" ? "an object" : String(value).slice(0, 60);
  const received =
    value instanceof LongText ? `a text of ${value.bytes.length} bytes` : `${shown} of type ${typeof value}`;
  return new TokenizerError(`Expected ${what} for ${key} but received ${received}`, { field: key });
}

export function text(metadata: GgufMetadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "string") return value;
  throw bad("a string", key, value);
}

/** The bytes of a text of any size, or undefined. */
export function* textBytes(metadata: GgufMetadata, key: string): Steps<Buffer | undefined> {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (value instanceof LongText) return value.bytes;
  if (typeof value === "string") return yield* encodeUtf8InSteps(value);
  throw bad("a string", key, value);
}

export function flag(metadata: GgufMetadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "boolean") return value;
  throw bad("a boolean", key, value);
}

/** Strings of an array; those of a file are decoded one at a time, when asked for. */
export function* strings(metadata: GgufMetadata, key: string): Steps<TokenList> {
  const value = metadata.get(key);
  if (value instanceof StringArray) return value;
  const isIterable = typeof value === "object" && value !== null && Symbol.iterator in value;
  if (!isIterable) throw bad("an array of strings", key, value);
  const result: string[] = [];
  for (const item of value as Iterable<unknown>) {
    if (typeof item !== "string") throw bad("a string", `${key}[${result.length}]`, item);
    result.push(item);
    if (result.length % TOKENS_PER_STEP === 0) yield;
  }
  return result;
}

/** Numbers of an array of that length; undefined when the file has none. */
export function numbers(metadata: GgufMetadata, key: string, count: number): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  if (!isArray || (value as ArrayLike<unknown>).length !== count)
    throw bad(`an array of ${count} numbers`, key, value);
  return value as ArrayLike<number>;
}

/** Token types, all normal when the file has none. */
export function tokenTypes(metadata: GgufMetadata, count: number): ArrayLike<number> {
  return numbers(metadata, "tokenizer.ggml.token_type", count) ?? new Int32Array(count).fill(1);
}

/** Special ids by role. */
export function specialIds(metadata: GgufMetadata, tokens: TokenList): Partial<Record<SpecialRole, number>> {
  const ids: Partial<Record<SpecialRole, number>> = {};
  for (const [key, role] of SPECIAL_KEYS) {
    const id = metadata.get(key);
    if (id === undefined) continue;
    const isId = Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokens.length;
    if (!isId) throw bad(`an id below ${tokens.length}`, key, id);
    ids[role] = id as number;
  }
  return ids;
}

/** The tokens that special ids name. */
export function specialTokens(
  ids: Partial<Record<SpecialRole, number>>,
  tokens: TokenList,
): Partial<Record<SpecialRole, string>> {
  return Object.fromEntries(Object.entries(ids).map(([role, id]) => [role, tokens.at(id)]));
}

/** Control and user-defined tokens are matched in the text. */
export function* addedTokens(tokens: TokenList, types: ArrayLike<number>): Steps<AddedToken[]> {
  const added: AddedToken[] = [];
  for (let id = 0; id < tokens.length; id++) {
    if (id % TOKENS_PER_STEP === 0) yield;
    const type = types[id];
    if (type !== TOKEN_TYPE.control && type !== TOKEN_TYPE.userDefined) continue;
    const content = tokens.at(id)!;
    if (content === "") continue;
    const special = type === TOKEN_TYPE.control;
    added.push({ id, content, special, singleWord: false, lstrip: false, rstrip: false, normalized: false });
  }
  return added;
}
