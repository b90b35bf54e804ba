/**
 * A tokenizer from GGUF metadata: the original tokenizer.json where the file carries it, else the vocabulary under
 * llama.cpp's keys.
 */
import { TokenizerError, UnsupportedError } from "../errors.js";
import {
  addedTokens,
  bad,
  flag,
  specialIds,
  specialTokens,
  strings,
  text,
  textBytes,
  TOKEN_TYPE,
  TOKENS_PER_STEP,
  tokenTypes,
  type GgufMetadata,
} from "./gguf-fields.js";
import { asObject } from "./json-fields.js";
import { parseJsonInSteps } from "./json-slices.js";
import { loadConfig } from "./load-config.js";
import { loadGgufUnigram } from "./load-gguf-unigram.js";
import { loadTokenizerJson } from "./load-json.js";
import { loadBert, loadByteLevel } from "./load-vocabulary.js";
import type { MergeList } from "./merge-table.js";
import type { Steps } from "./time-slices.js";
import { NO_CONFIG, type SpecialRole, type TokenizerParts } from "./tokenizer-parts.js";
import type { TokenList } from "./vocabulary.js";

export type { GgufMetadata } from "./gguf-fields.js";

const PHANTOM_SPACE = "\u2581";

/** Names llama.cpp has for pre-tokenizers whose pattern is GPT-2's, and that of files older than the names. */
const GPT2_PRE = new Set([
  "gpt-2",
  "default",
  "phi-2",
  "mpt",
  "olmo",
  "jais",
  "jina-es",
  "jina-de",
  "jina-v2-es",
  "jina-v2-de",
]);
/** The same after every digit was set apart. */
const DIGITS_PRE = new Set(["starcoder", "refact", "codeshell", "command-r", "smollm"]);
/** The same with RoBERTa's special tokens around the text. */
const ROBERTA_PRE = new Set(["roberta-bpe", "jina-v1-en", "jina-v2-code"]);

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
  if (model === "t5") return yield* loadGgufUnigram(metadata);
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
    if (forms.cased || types[id] === TOKEN_TYPE.control || !/[A-Z]/.test(token)) continue;
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
      return types[id] === TOKEN_TYPE.control || isBracketed(token) ? token : `##${token}`;
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
  if (![GPT2_PRE, DIGITS_PRE, ROBERTA_PRE].some((names) => names.has(pre))) {
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
    digitsApart: DIGITS_PRE.has(pre),
    addPrefixSpace: flag(metadata, "tokenizer.ggml.add_space_prefix") ?? false,
    before: flag(metadata, "tokenizer.ggml.add_bos_token") === true ? idOf("bos") : [],
    after: flag(metadata, "tokenizer.ggml.add_eos_token") === true ? idOf("eos") : [],
  });
}
