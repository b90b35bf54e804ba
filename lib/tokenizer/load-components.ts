/** Normalizers, pre-tokenizers and decoders from tokenizer.json. A component not known here is an error. */
import { BertNormalizer, type BertNormalizerSettings } from "./bert-normalizer.js";
import { Charsmap } from "./charsmap.js";
import { Precompiled } from "./charsmap-normalizer.js";
import {
  BpeDecoder,
  ByteFallbackDecoder,
  ByteLevelDecoder,
  DecoderSequence,
  FuseDecoder,
  MetaspaceDecoder,
  ReplaceDecoder,
  SpaceDecoder,
  StripDecoder,
  WordPieceDecoder,
  type Decoder,
} from "./decoders.js";
import { prepareGraphemes } from "./graphemes.js";
import {
  asArray,
  asBoolean,
  asIndex,
  asObject,
  asString,
  badField,
  field,
  typeOf,
  unknownComponent,
} from "./json-fields.js";
import type { Json, JsonObject } from "./json-slices.js";
import { Metaspace, type PrependScheme } from "./metaspace.js";
import {
  Lowercase,
  Nmt,
  NormalizerSequence,
  Prepend,
  Replace,
  Strip,
  StripAccents,
  UnicodeNormalizer,
  type Normalizer,
} from "./normalizers.js";
import { compileRegex, type Pattern } from "./patterns.js";
import type { PreTokenization } from "./pipeline.js";
import {
  BertPreTokenizer,
  CharDelimiterSplit,
  Digits,
  Gpt2Split,
  Punctuation,
  Split,
  Whitespace,
  WhitespaceSplit,
  type DelimiterBehavior,
} from "./pre-tokenizers.js";
import type { Steps } from "./time-slices.js";
import type { NormalizerChoice, PreTokenizerChoice } from "./tokenizer-parts.js";

type JsonValue = Json | undefined;

function pattern(value: JsonValue, path: string): Pattern {
  const object = asObject(value, path);
  const [kind, ...more] = object.keys();
  if (more.length > 0 || (kind !== "String" && kind !== "Regex")) {
    throw badField(`{"String": ..} or {"Regex": ..}`, path, value);
  }
  const text = asString(object.get(kind), `${path}.${kind}`);
  return kind === "String" ? { literal: text } : { regex: compileRegex(text, `${path}.Regex`) };
}

function bertNormalizer(object: JsonObject, path: string): BertNormalizerSettings {
  const lowercase = field(object, "lowercase", path, asBoolean, true);
  return {
    cleanText: field(object, "clean_text", path, asBoolean, true),
    spaceCjk: field(object, "handle_chinese_chars", path, asBoolean, true),
    // Absent or null: accents go exactly when case goes.
    stripAccents: field(object, "strip_accents", path, asBoolean, lowercase),
    lowercase,
  };
}

function* normalizer(value: JsonValue, path: string): Steps<Normalizer> {
  const object = asObject(value, path);
  const type = typeOf(object, path);
  if (type === "Precompiled") return yield* precompiled(object, path);
  if (type !== "Sequence") return plainNormalizer(object, type, path);
  const normalizers: Normalizer[] = [];
  for (const [i, item] of asArray(object.get("normalizers"), `${path}.normalizers`).entries()) {
    normalizers.push(yield* normalizer(item, `${path}.normalizers[${i}]`));
  }
  return new NormalizerSequence(normalizers);
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function* precompiled(object: JsonObject, path: string): Steps<Normalizer> {
  const at = `${path}.precompiled_charsmap`;
  const text = field(object, "precompiled_charsmap", path, asString);
  if (!BASE64.test(text)) throw badField("base64", at, text);
  yield* prepareGraphemes();
  return new Precompiled(yield* Charsmap.parse(Buffer.from(text, "base64"), at));
}

function plainNormalizer(object: JsonObject, type: string, path: string): Normalizer {
  switch (type) {
    case "BertNormalizer":
      return new BertNormalizer(bertNormalizer(object, path), false);
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return new UnicodeNormalizer(type);
    case "Lowercase":
      return new Lowercase();
    case "Nmt":
      return new Nmt();
    case "StripAccents":
      return new StripAccents();
    case "Strip":
      return new Strip(
        field(object, "strip_left", path, asBoolean, true),
        field(object, "strip_right", path, asBoolean, true),
      );
    case "Replace":
      return new Replace(
        pattern(object.get("pattern"), `${path}.pattern`),
        field(object, "content", path, asString),
      );
    case "Prepend":
      return new Prepend(field(object, "prepend", path, asString));
    default:
      throw unknownComponent("normalizer", type, path);
  }
}

function each<T>(
  object: JsonObject,
  key: string,
  path: string,
  read: (value: JsonValue, path: string) => T,
): T[] {
  return asArray(object.get(key), `${path}.${key}`).map((value, i) => read(value, `${path}.${key}[${i}]`));
}

/** The `normalizer` of tokenizer.json. */
export function* loadNormalizer(value: JsonValue): Steps<NormalizerChoice> {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, "normalizer");
  if (typeOf(object, "normalizer") === "BertNormalizer")
    return { bert: bertNormalizer(object, "normalizer") };
  return { normalizer: yield* normalizer(value, "normalizer") };
}

const BEHAVIORS: readonly DelimiterBehavior[] = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
];

function behavior(value: JsonValue, path: string): DelimiterBehavior {
  const found = BEHAVIORS.find((name) => name === value);
  if (found === undefined) throw badField(`one of ${BEHAVIORS.join(", ")}`, path, value);
  return found;
}

/** Appends the stages of one pre-tokenizer; returns whether it asks for bytes. */
function preTokenizer(value: JsonValue, path: string, stages: PreTokenization[]): boolean {
  const object = asObject(value, path);
  const type = typeOf(object, path);
  switch (type) {
    case "ByteLevel":
      if (field(object, "add_prefix_space", path, asBoolean, true)) stages.push("add-prefix-space");
      if (field(object, "use_regex", path, asBoolean, true)) stages.push(new Gpt2Split());
      return true;
    case "Sequence":
      return preTokenizerSequence(object, path, stages);
    default:
      stages.push(plainPreTokenizer(object, type, path));
      return false;
  }
}

function preTokenizerSequence(object: JsonObject, path: string, stages: PreTokenization[]): boolean {
  const parts = asArray(object.get("pretokenizers"), `${path}.pretokenizers`);
  let byteLevel = false;
  for (const [i, part] of parts.entries()) {
    const partPath = `${path}.pretokenizers[${i}]`;
    // After it the text is in another alphabet, on which the others would have to work.
    if (byteLevel) throw badField("ByteLevel to be the last pre-tokenizer", partPath, part);
    byteLevel = preTokenizer(part, partPath, stages);
  }
  return byteLevel;
}

function plainPreTokenizer(object: JsonObject, type: string, path: string): PreTokenization {
  switch (type) {
    case "BertPreTokenizer":
      return new BertPreTokenizer();
    case "Whitespace":
      return new Whitespace();
    case "WhitespaceSplit":
      return new WhitespaceSplit();
    case "Punctuation":
      return new Punctuation(field(object, "behavior", path, behavior, "Isolated"));
    case "Digits":
      return new Digits(field(object, "individual_digits", path, asBoolean, false));
    case "CharDelimiterSplit":
      return new CharDelimiterSplit(field(object, "delimiter", path, character).codePointAt(0)!);
    case "Metaspace":
      return new Metaspace(
        metaspaceMark(object, path),
        prependScheme(object, path),
        field(object, "split", path, asBoolean, true),
      );
    case "Split":
      return new Split(
        pattern(object.get("pattern"), `${path}.pattern`),
        field(object, "behavior", path, behavior),
        field(object, "invert", path, asBoolean, false),
      );
    default:
      throw unknownComponent("pre-tokenizer", type, path);
  }
}

function character(value: JsonValue, path: string): string {
  const text = asString(value, path);
  if (Array.from(text).length !== 1) throw badField("one character", path, value);
  return text;
}

function metaspaceMark(object: JsonObject, path: string): string {
  return field(object, "replacement", path, character);
}

const PREPEND_SCHEMES: readonly PrependScheme[] = ["always", "first", "never"];

/** `prepend_scheme`, or the flag that was there before it. */
function prependScheme(object: JsonObject, path: string): PrependScheme {
  const scheme = object.get("prepend_scheme");
  const addsSpace = field(object, "add_prefix_space", path, asBoolean, true);
  if (scheme === undefined || scheme === null) return addsSpace ? "always" : "never";
  const found = PREPEND_SCHEMES.find((name) => name === scheme);
  if (found === undefined)
    throw badField(`one of ${PREPEND_SCHEMES.join(", ")}`, `${path}.prepend_scheme`, scheme);
  if (!addsSpace && found !== "never") throw badField(`"never"`, `${path}.prepend_scheme`, scheme);
  return found;
}

/** The `pre_tokenizer` of tokenizer.json. */
export function loadPreTokenizer(value: JsonValue): PreTokenizerChoice {
  const stages: PreTokenization[] = [];
  if (value === undefined || value === null) return { stages, byteLevel: false };
  return { byteLevel: preTokenizer(value, "pre_tokenizer", stages), stages };
}

function decoder(value: JsonValue, path: string): Decoder {
  const object = asObject(value, path);
  const type = typeOf(object, path);
  switch (type) {
    case "WordPiece":
      return new WordPieceDecoder(
        field(object, "prefix", path, asString, "##"),
        field(object, "cleanup", path, asBoolean, true),
      );
    case "ByteLevel":
      return new ByteLevelDecoder();
    case "BPEDecoder":
      return new BpeDecoder(field(object, "suffix", path, asString, "</w>"));
    case "Metaspace":
      return new MetaspaceDecoder(metaspaceMark(object, path), prependScheme(object, path) !== "never");
    case "ByteFallback":
      return new ByteFallbackDecoder();
    case "Fuse":
      return new FuseDecoder();
    case "Strip":
      return new StripDecoder(
        field(object, "content", path, asString),
        field(object, "start", path, asIndex, 0),
        field(object, "stop", path, asIndex, 0),
      );
    case "Replace":
      return new ReplaceDecoder(
        pattern(object.get("pattern"), `${path}.pattern`),
        field(object, "content", path, asString),
      );
    case "Sequence":
      return new DecoderSequence(each(object, "decoders", path, decoder));
    default:
      throw unknownComponent("decoder", type, path);
  }
}

/** The `decoder` of tokenizer.json. */
export function loadDecoder(value: JsonValue): Decoder {
  if (value === undefined || value === null) return new SpaceDecoder();
  return decoder(value, "decoder");
}
