/**
 * A tokenizer from GGUF metadata: the original tokenizer.json where the file carries it, else the vocabulary under
 * llama.cpp's keys.
 */
import { TokenizerError, UnsupportedError } from "../errors.js";
import { LongText, StringArray } from "../gguf/metadata.js";
import type { AddedToken } from "./added-tokens.js";
import { asObject } from "./json-fields.js";
import { parseJsonInSteps } from "./json-slices.js";
import { loadConfig } from "./load-config.js";
import { loadTokenizerJson } from "./load-json.js";
import { loadBert, loadByteLevel } from "./load-vocabulary.js";
import type { MergeList } from "./merge-table.js";
import type { Steps } from "./time-slices.js";
import { NO_CONFIG, type SpecialRole, type TokenizerParts } from "./tokenizer-parts.js";
import { encodeUtf8InSteps } from "./utf8-slices.js";
import type { TokenList } from "./vocabulary.js";

/** GGUF keys and their values: strings, numbers, booleans, and arrays of them. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

const PHANTOM_SPACE = "\u2581";

/** Tokens looked at between two yields. */
const TOKENS_PER_STEP = 512;

/** llama.cpp's token types. */
const CONTROL = 3;
const USER_DEFINED = 4;

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

/** Names llama.cpp has for pre-tokenizers whose pattern is GPT-2's, and that of files older than the names. */
const GPT2_PRE = new Set(["gpt-2", "default", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de"]);
/** The same with RoBERTa's special tokens around the text. */
const ROBERTA_PRE = new Set(["roberta-bpe", "jina-v1-en", "jina-v2-code"]);

function bad(what: string, key: string, value: unknown): TokenizerError {
  const shown = typeof value === "object" ? "an object" : String(value).slice(0, 60);
  const received =
    value instanceof LongText ? `a text of ${value.bytes.length} bytes` : `${shown} of type ${typeof value}`;
  return new TokenizerError(`Expected ${what} for ${key} but received ${received}`, { field: key });
}

function text(metadata: GgufMetadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "string") return value;
  throw bad("a string", key, value);
}

/** The bytes of a text of any size, or undefined. */
function* textBytes(metadata: GgufMetadata, key: string): Steps<Buffer | undefined> {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (value instanceof LongText) return value.bytes;
  if (typeof value === "string") return yield* encodeUtf8InSteps(value);
  throw bad("a string", key, value);
}

function flag(metadata: GgufMetadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "boolean") return value;
  throw bad("a boolean", key, value);
}

/** Strings of an array; those of a file are decoded one at a time, when asked for. */
function* strings(metadata: GgufMetadata, key: string): Steps<TokenList> {
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

/** Token types, all normal when the file has none. */
function tokenTypes(metadata: GgufMetadata, count: number): ArrayLike<number> {
  const key = "tokenizer.ggml.token_type";
  const value = metadata.get(key);
  if (value === undefined) return new Int32Array(count).fill(1);
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  if (!isArray || (value as ArrayLike<unknown>).length !== count)
    throw bad(`an array of ${count} numbers`, key, value);
  return value as ArrayLike<number>;
}

/** Special ids by role. */
function specialIds(metadata: GgufMetadata, tokens: TokenList): Partial<Record<SpecialRole, number>> {
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
function specialTokens(
  ids: Partial<Record<SpecialRole, number>>,
  tokens: TokenList,
): Partial<Record<SpecialRole, string>> {
  return Object.fromEntries(Object.entries(ids).map(([role, id]) => [role, tokens.at(id)]));
}

/** Control and user-defined tokens are matched in the text. */
function* addedTokens(tokens: TokenList, types: ArrayLike<number>): Steps<AddedToken[]> {
  const added: AddedToken[] = [];
  for (let id = 0; id < tokens.length; id++) {
    if (id % TOKENS_PER_STEP === 0) yield;
    const type = types[id];
    if (type !== CONTROL && type !== USER_DEFINED) continue;
    const content = tokens.at(id)!;
    if (content === "") continue;
    const special = type === CONTROL;
    added.push({ id, content, special, singleWord: false, lstrip: false, rstrip: false, normalized: false });
  }
  return added;
}

/** Reads the tokenizer of a GGUF file. */
export function* loadGguf(metadata: GgufMetadata): Steps<TokenizerParts> {
  const json = yield* textBytes(metadata, "tokenizer.huggingface.json");
  if (json !== undefined) return yield* loadOriginal(metadata, json);
  const model = text(metadata, "tokenizer.ggml.model");
  if (model === undefined) {
    throw new TokenizerError("Expected a tokenizer in the file but it has no tokenizer.ggml.model", {
      field: "tokenizer.ggml.model",
    });
  }
  if (model === "bert") return yield* loadGgufBert(metadata);
  if (model === "gpt2") return yield* loadGgufByteLevel(metadata);
  throw new UnsupportedError(`Tokenizers of the kind ${JSON.stringify(model)} are not supported`, {
    field: "tokenizer.ggml.model",
    model,
  });
}

function* loadOriginal(metadata: GgufMetadata, json: Buffer): Steps<TokenizerParts> {
  const config = yield* textBytes(metadata, "huggingface.tokenizer_config.json");
  const parsed = config === undefined ? undefined : yield* parseJsonInSteps(config, "tokenizer_config.json");
  const settings = parsed === undefined ? NO_CONFIG : loadConfig(asObject(parsed, "tokenizer_config.json"));
  return yield* loadTokenizerJson(json, settings);
}

/** What a BERT vocabulary shows of how it was written. */
interface BertForms {
  /** Tokens that begin with U+2581. */
  marked: number;
  /** Tokens that begin with `##`. */
  hashed: number;
  /** Whether an ordinary token has a Latin capital: those of an uncased model have none. */
  cased: boolean;
}

function* bertForms(tokens: TokenList, types: ArrayLike<number>): Steps<BertForms> {
  const forms = { marked: 0, hashed: 0, cased: false };
  for (let id = 0; id < tokens.length; id++) {
    if (id % TOKENS_PER_STEP === 0) yield;
    const token = tokens.at(id)!;
    const isMarked = token.startsWith(PHANTOM_SPACE);
    if (isMarked) forms.marked++;
    else if (token.startsWith("##")) forms.hashed++;
    if (forms.cased || types[id] === CONTROL || !/[A-Z]/.test(token)) continue;
    forms.cased = !isBracketed(isMarked ? token.slice(1) : token);
  }
  return forms;
}

function isBracketed(token: string): boolean {
  return token.startsWith("[") && token.endsWith("]");
}

/**
 * llama.cpp marks the first piece of a word with U+2581 and leaves continuations bare; control tokens (and in older
 * files everything in brackets) are as they were. Files with `##` are taken as they are.
 */
function plainTokens(stored: TokenList, types: ArrayLike<number>, { marked, hashed }: BertForms): TokenList {
  if (hashed >= marked) return stored;
  return {
    length: stored.length,
    at(id) {
      const token = stored.at(id);
      if (token === undefined) return undefined;
      if (token.startsWith(PHANTOM_SPACE)) return token.slice(1);
      return types[id] === CONTROL || isBracketed(token) ? token : `##${token}`;
    },
  };
}

function* loadGgufBert(metadata: GgufMetadata): Steps<TokenizerParts> {
  const stored = yield* strings(metadata, "tokenizer.ggml.tokens");
  const types = tokenTypes(metadata, stored.length);
  const forms = yield* bertForms(stored, types);
  const tokens = plainTokens(stored, types, forms);
  const names = specialTokens(specialIds(metadata, tokens), tokens);
  // For BERT, llama.cpp writes [CLS] and [SEP] under the names of other models' tokens.
  if (names.bos === "[CLS]") delete names.bos;
  if (names.eos === "[SEP]") delete names.eos;
  const lowercase = flag(metadata, "tokenizer.ggml.normalizer.lowercase") ?? !forms.cased;
  const normalizer = {
    cleanText: true,
    spaceCjk: true,
    stripAccents: flag(metadata, "tokenizer.ggml.normalizer.strip_accents") ?? lowercase,
    lowercase,
  };
  const source = {
    tokens,
    field: "tokenizer.ggml.tokens",
    addedTokens: yield* addedTokens(tokens, types),
    config: { ...NO_CONFIG, specialTokens: names },
  };
  return yield* loadBert(source, normalizer);
}

/** Merges as pairs: two tokens with a space between, of which the first may begin with one. */
function mergesOf(stored: TokenList): MergeList {
  return {
    length: stored.length,
    at(rank) {
      const merge = stored.at(rank)!;
      const space = merge.indexOf(" ", 1);
      if (space < 0) throw bad("two tokens", `tokenizer.ggml.merges[${rank}]`, merge);
      return [merge.slice(0, space), merge.slice(space + 1)];
    },
  };
}

function* loadGgufByteLevel(metadata: GgufMetadata): Steps<TokenizerParts> {
  const pre = text(metadata, "tokenizer.ggml.pre") ?? "gpt-2";
  if (!GPT2_PRE.has(pre) && !ROBERTA_PRE.has(pre)) {
    throw new UnsupportedError(`The pre-tokenizer ${JSON.stringify(pre)} is not supported`, {
      field: "tokenizer.ggml.pre",
      pre,
    });
  }
  const tokens = yield* strings(metadata, "tokenizer.ggml.tokens");
  const types = tokenTypes(metadata, tokens.length);
  const ids = specialIds(metadata, tokens);
  const merges = mergesOf(yield* strings(metadata, "tokenizer.ggml.merges"));
  const idOf = (role: SpecialRole): number[] => (ids[role] === undefined ? [] : [ids[role]]);
  const source = {
    tokens,
    field: "tokenizer.ggml.tokens",
    addedTokens: yield* addedTokens(tokens, types),
    config: { ...NO_CONFIG, specialTokens: specialTokens(ids, tokens) },
  };
  return yield* loadByteLevel(source, merges, {
    roberta: ROBERTA_PRE.has(pre),
    addPrefixSpace: flag(metadata, "tokenizer.ggml.add_space_prefix") ?? false,
    before: flag(metadata, "tokenizer.ggml.add_bos_token") === true ? idOf("bos") : [],
    after: flag(metadata, "tokenizer.ggml.add_eos_token") === true ? idOf("eos") : [],
  });
}
