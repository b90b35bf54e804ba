/** Models from tokenizer.json, and from lists of tokens and merges however they were stored. */
import { TokenizerError, UnsupportedError } from "../errors.js";
import { Bpe, type BpeSettings } from "./bpe.js";
import {
  asArray,
  asBoolean,
  asIndex,
  asObject,
  asString,
  badField,
  field,
  unknownComponent,
} from "./json-fields.js";
import type { Json, JsonObject } from "./json-slices.js";
import { unigramModel } from "./load-unigram.js";
import { MergeTable, type MergeList } from "./merge-table.js";
import type { Model } from "./model.js";
import type { Steps } from "./time-slices.js";
import { Vocabulary } from "./vocabulary.js";
import { WordPiece, type WordPieceSettings } from "./wordpiece.js";

/** Longer words are never split: what lies above is a hostile file. */
const LARGEST_WORD = 10_000;

/** The tokens of a JSON object from token to id. */
function* vocabularyOf(value: Json | undefined, path: string): Steps<Vocabulary> {
  const object = asObject(value, path);
  const tokens = object.keys();
  const ids = yield* idsOf(object, (token) => `${path}[${token}]`);
  return yield* Vocabulary.build(tokens, ids, path);
}

/** The ids of an object from token to id, in its order; `pathOf` names an entry in errors by its quoted token. */
export function* idsOf(object: JsonObject, pathOf: (token: string) => string): Steps<Float64Array> {
  const ids = new Float64Array(object.keys().length);
  let count = 0;
  for (const [token, id] of object) {
    if (typeof id !== "number") throw badField("an integer", pathOf(JSON.stringify(token)), id);
    ids[count++] = id;
    if (count % 1024 === 0) yield;
  }
  return ids;
}

/** Merges as pairs, or as strings with a space between the two. */
function mergesOf(value: Json | undefined, path: string): MergeList {
  const merges = asArray(value, path);
  return {
    length: merges.length,
    at(rank) {
      const merge = merges[rank];
      const parts = typeof merge === "string" ? merge.split(" ") : merge;
      const isPair =
        Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === "string");
      if (!isPair) throw badField("two tokens", `${path}[${rank}]`, merge);
      return parts as [string, string];
    },
  };
}

function* bpeModel(model: JsonObject, byteLevel: boolean): Steps<Bpe> {
  const dropout = model.get("dropout");
  if (dropout !== undefined && dropout !== null && dropout !== 0) {
    throw new UnsupportedError("BPE dropout makes tokenization random and is not supported", {
      field: "model.dropout",
    });
  }
  const unknown = model.get("unk_token");
  const settings: BpeSettings = {
    byteLevel,
    unknownToken:
      unknown === undefined || unknown === null ? undefined : asString(unknown, "model.unk_token"),
    fuseUnknown: field(model, "fuse_unk", "model", asBoolean, false),
    byteFallback: field(model, "byte_fallback", "model", asBoolean, false),
    ignoreMerges: field(model, "ignore_merges", "model", asBoolean, false),
    continuingPrefix: field(model, "continuing_subword_prefix", "model", asString, ""),
    endOfWordSuffix: field(model, "end_of_word_suffix", "model", asString, ""),
  };
  if (byteLevel && settings.continuingPrefix + settings.endOfWordSuffix !== "") {
    const message =
      "Prefixes or suffixes of subwords together with the ByteLevel pre-tokenizer are not supported";
    throw new UnsupportedError(message, { field: "model" });
  }
  const vocabulary = yield* vocabularyOf(model.get("vocab"), "model.vocab");
  return yield* buildBpe(vocabulary, mergesOf(model.get("merges"), "model.merges"), settings);
}

export function* buildBpe(vocabulary: Vocabulary, merges: MergeList, settings: BpeSettings): Steps<Bpe> {
  if (settings.byteLevel) requireByteAlphabet(vocabulary, settings);
  const table = yield* MergeTable.build(vocabulary, merges, settings.continuingPrefix);
  return new Bpe(vocabulary, table, settings);
}

/** Without an unknown token every byte must be a token, or text would be lost. */
function requireByteAlphabet(vocabulary: Vocabulary, settings: BpeSettings): void {
  if (settings.unknownToken !== undefined) return;
  const missing = Bpe.missingByte(vocabulary);
  if (missing < 0) return;
  const message = `Expected a token for every byte in model.vocab but byte ${missing} has none`;
  throw new TokenizerError(message, { field: "model.vocab", byte: missing });
}

function* wordPieceModel(model: JsonObject): Steps<WordPiece> {
  const limit = field(model, "max_input_chars_per_word", "model", asIndex, 100);
  if (limit < 1 || limit > LARGEST_WORD) {
    throw badField(`an integer from 1 to ${LARGEST_WORD}`, "model.max_input_chars_per_word", limit);
  }
  const settings: WordPieceSettings = {
    unknownToken: field(model, "unk_token", "model", asString, "[UNK]"),
    continuingPrefix: field(model, "continuing_subword_prefix", "model", asString, "##"),
    maxCharactersPerWord: limit,
  };
  const vocabulary = yield* vocabularyOf(model.get("vocab"), "model.vocab");
  return yield* WordPiece.build(vocabulary, settings);
}

/** The `type` of a model; older files leave it out. */
function modelType(model: JsonObject): string {
  if (model.has("type")) return asString(model.get("type"), "model.type");
  if (model.has("merges")) return "BPE";
  if (model.has("continuing_subword_prefix") || model.has("max_input_chars_per_word")) return "WordPiece";
  return Array.isArray(model.get("vocab")) ? "Unigram" : "WordLevel";
}

/** The `model` of tokenizer.json. `byteLevel`: the pre-tokenizer asks for bytes. */
export function* loadModel(value: Json | undefined, byteLevel: boolean): Steps<Model> {
  const model = asObject(value, "model");
  const type = modelType(model);
  switch (type) {
    case "BPE":
      return yield* bpeModel(model, byteLevel);
    case "WordPiece":
      if (byteLevel) {
        throw new UnsupportedError("WordPiece over bytes is not supported", { field: "pre_tokenizer" });
      }
      return yield* wordPieceModel(model);
    case "Unigram":
      if (byteLevel) {
        throw new UnsupportedError("Unigram over bytes is not supported", { field: "pre_tokenizer" });
      }
      return yield* unigramModel(model);
    case "WordLevel":
      throw new UnsupportedError(`${type} tokenizers are not supported`, { field: "model.type", type });
    default:
      throw unknownComponent("model", type, "model");
  }
}
