/** The vocabulary of a checkpoint's folder, from whichever files it has. */
import { join } from "node:path";
import { ModelFileError, TokenizerError, UnsupportedError } from "../errors.js";
import { asArray, asIndex, asObject, asString, badField, field } from "../tokenizer/json-fields.js";
import { JsonObject, parseJsonInSteps, type Json } from "../tokenizer/json-slices.js";
import { runInSlices, type Steps } from "../tokenizer/time-slices.js";
import { readOptional, type JsonFile } from "./json-file.js";

/** A token that is matched as a whole. */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

export interface Vocabulary {
  kind: "wordpiece" | "byte-level-bpe" | "unigram";
  /** Token by id; holes are undefined. */
  tokens: (string | undefined)[];
  added: AddedToken[];
  /** Merges of a BPE, `"left right"`, by rank. */
  merges: string[];
  /** Log-probabilities of a Unigram's tokens, and the id of what it has no piece for. */
  scores?: Float32Array;
  unknownId?: number;
  /** A Unigram's compiled normalization rules. */
  charsmap?: Buffer;
  /** Of a Unigram: whether a space is put before texts, and whether superfluous ones are removed. */
  spaces?: { prefix: boolean; removesExtra: boolean };
  /** What the normalizer does with case and accents; undefined follows the case. */
  lowercase?: boolean;
  stripAccents?: boolean;
  /** `post_processor` of tokenizer.json. */
  postProcessor?: JsonObject;
  /** Whether every digit is a word of its own, as in StarCoder. */
  digitsApart?: boolean;
  /** The files it was read from, byte for byte, by the metadata key each is kept under. */
  files: { key: string; bytes: Buffer }[];
}

const SPECIAL_WORDPIECE = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const END_OF_TEXT = "<|endoftext|>";
/** Far above any vocabulary; bounds what a hostile id can make us allocate. */
const LARGEST_ID = 2 ** 24 - 1;
/** Tokens handled between two chances to give way. */
const TOKENS_PER_STEP = 512;

/** Reads tokenizer.json, else vocab.txt, else vocab.json with merges.txt. */
export async function readVocabulary(
  folder: string,
  tokenizerConfig: JsonFile | undefined,
  signal?: AbortSignal,
): Promise<Vocabulary> {
  const read = (name: string) => readOptional(join(folder, name));
  const fast = await read("tokenizer.json");
  if (fast !== undefined) return runInSlices(fromTokenizerJson(fast, folder), signal);
  const wordPiece = await read("vocab.txt");
  const bpe = await read("vocab.json");
  if (wordPiece === undefined && bpe === undefined) {
    const wanted = "tokenizer.json, vocab.txt, or vocab.json with merges.txt";
    throw missing(folder, "tokenizer.json", `a tokenizer (${wanted}) in ${folder}`);
  }
  await refuseUnwritable(folder, tokenizerConfig);
  if (wordPiece !== undefined) return withSpecialMap(folder, fromVocabTxt(wordPiece, tokenizerConfig));
  const merges = await read("merges.txt");
  if (merges === undefined)
    throw missing(join(folder, "merges.txt"), "merges.txt", `merges.txt in ${folder}`);
  return withSpecialMap(folder, await runInSlices(fromBpeFiles(bpe!, merges), signal));
}

/** The names of special tokens, which folders of older files give in a file of their own. */
async function withSpecialMap(folder: string, vocabulary: Vocabulary): Promise<Vocabulary> {
  const bytes = await readOptional(join(folder, "special_tokens_map.json"));
  if (bytes !== undefined) vocabulary.files.push({ key: "huggingface.special_tokens_map.json", bytes });
  return vocabulary;
}

function missing(path: string, name: string, what: string): ModelFileError {
  const message = `Expected ${what} but there is none`;
  return new ModelFileError(message, { path, field: name }, "MODEL_FILE_NOT_FOUND");
}

// ---- tokenizer.json

function* fromTokenizerJson(bytes: Buffer, folder: string): Steps<Vocabulary> {
  const root = asObject(yield* parseJsonInSteps(bytes, "tokenizer.json"), "tokenizer.json");
  const model = asObject(root.get("model"), "model");
  const kind = kindOf(root, model, folder);
  const unigram = kind === "unigram" ? yield* readPieces(model) : undefined;
  const tokens =
    unigram?.tokens ?? (yield* tokensById(asObject(model.get("vocab"), "model.vocab"), "model.vocab"));
  const added = field(root, "added_tokens", "", asArray, []).map(readAddedToken);
  for (const { id, content } of added) tokens[id] = content;
  const vocabulary: Vocabulary = {
    kind,
    tokens,
    added,
    merges: kind === "byte-level-bpe" ? yield* readMerges(asArray(model.get("merges"), "model.merges")) : [],
    ...(unigram && { scores: unigram.scores, unknownId: unigram.unknownId }),
    files: [{ key: "tokenizer.huggingface.json", bytes }],
  };
  const postProcessor = root.get("post_processor");
  if (postProcessor instanceof JsonObject) vocabulary.postProcessor = postProcessor;
  vocabulary.digitsApart = hasDigitsApart(root.get("pre_tokenizer"));
  readNormalizer(root.get("normalizer"), vocabulary);
  if (kind === "unigram") vocabulary.spaces = spacesOf(root);
  return vocabulary;
}

function kindOf(root: JsonObject, model: JsonObject, folder: string): Vocabulary["kind"] {
  // Files from before the type was written have the entries of one of the two.
  const type = model.get("type") ?? untyped(model);
  if (type === "WordPiece") return "wordpiece";
  if (type === "Unigram") return "unigram";
  if (type === "BPE" && hasByteLevel(root.get("pre_tokenizer"))) return "byte-level-bpe";
  const what = type === "BPE" ? "BPE without byte-level pre-tokenization" : JSON.stringify(type);
  const details = { path: join(folder, "tokenizer.json"), field: "model.type", value: type };
  throw new UnsupportedError(`Tokenizer of type ${what} is not converted (${details.path})`, details);
}

/** The type of a model that does not say it, by its entries. */
function untyped(model: JsonObject): string {
  if (model.has("merges")) return "BPE";
  return Array.isArray(model.get("vocab")) ? "Unigram" : "WordPiece";
}

/** A Unigram's pieces with their scores; where they stand is their id. */
function* readPieces(
  model: JsonObject,
): Steps<{ tokens: string[]; scores: Float32Array; unknownId?: number }> {
  const entries = asArray(model.get("vocab"), "model.vocab");
  const tokens: string[] = [];
  const scores = new Float32Array(entries.length);
  for (const [id, entry] of entries.entries()) {
    if (id % TOKENS_PER_STEP === 0) yield;
    const [token, score] = asArray(entry, `model.vocab[${id}]`);
    tokens.push(asString(token, `model.vocab[${id}][0]`));
    if (typeof score !== "number") throw badField("a score", `model.vocab[${id}][1]`, score);
    scores[id] = score;
  }
  const unknown = model.get("unk_id");
  return {
    tokens,
    scores,
    ...(typeof unknown === "number" && { unknownId: asIndex(unknown, "model.unk_id") }),
  };
}

function hasByteLevel(preTokenizer: Json | undefined): boolean {
  if (!(preTokenizer instanceof JsonObject)) return false;
  const parts = preTokenizer.get("pretokenizers");
  return preTokenizer.get("type") === "ByteLevel" || (Array.isArray(parts) && parts.some(hasByteLevel));
}

/** What a Unigram's components do to spaces, in llama.cpp's terms. */
function spacesOf(root: JsonObject): Vocabulary["spaces"] {
  const pre = components(root.get("pre_tokenizer"), "pretokenizers");
  const normalizers = components(root.get("normalizer"), "normalizers");
  const marks = pre.find((part) => part.get("type") === "Metaspace");
  const collapses = normalizers.some((part) => {
    const pattern = part.get("pattern");
    return pattern instanceof JsonObject && pattern.get("Regex") === " {2,}";
  });
  return {
    prefix: marks?.get("prepend_scheme") !== "never" && marks?.get("add_prefix_space") !== false,
    removesExtra: collapses || pre.some((part) => part.get("type") === "WhitespaceSplit"),
  };
}

/** A component, or those of a sequence. */
function components(value: Json | undefined, key: string): JsonObject[] {
  if (!(value instanceof JsonObject)) return [];
  const parts = value.get(key);
  return Array.isArray(parts) ? parts.flatMap((part) => components(part, key)) : [value];
}

function readAddedToken(value: Json, index: number): AddedToken {
  const path = `added_tokens[${index}]`;
  const entry = asObject(value, path);
  return {
    id: tokenId(entry.get("id"), `${path}.id`),
    content: asString(entry.get("content"), `${path}.content`),
    special: entry.get("special") === true,
  };
}

function* readMerges(merges: Json[]): Steps<string[]> {
  const list: string[] = [];
  for (const merge of merges) {
    if (list.length % TOKENS_PER_STEP === 0) yield;
    list.push(mergeText(merge, `model.merges[${list.length}]`));
  }
  return list;
}

/** Merges are `"left right"`, or pairs in newer files. */
function mergeText(merge: Json, path: string): string {
  if (typeof merge === "string") return merge;
  const parts = asArray(merge, path);
  if (parts.length !== 2) throw badField('"left right" or [left, right]', path, merge);
  // A space inside a part would read as the separator; byte-level text spells it Ġ.
  return parts.map((part) => asString(part, path).replaceAll(" ", "Ġ")).join(" ");
}

function readNormalizer(normalizer: Json | undefined, vocabulary: Vocabulary): void {
  if (!(normalizer instanceof JsonObject)) return;
  const type = normalizer.get("type");
  const parts = normalizer.get("normalizers");
  if (type === "Sequence" && Array.isArray(parts)) for (const part of parts) readNormalizer(part, vocabulary);
  if (type === "Lowercase") vocabulary.lowercase = true;
  if (type === "StripAccents") vocabulary.stripAccents = true;
  if (type === "Precompiled") {
    const map = asString(normalizer.get("precompiled_charsmap"), "normalizer.precompiled_charsmap");
    vocabulary.charsmap = Buffer.from(map, "base64");
  }
  if (type !== "BertNormalizer") return;
  const [lowercase, strip] = [normalizer.get("lowercase"), normalizer.get("strip_accents")];
  if (typeof lowercase === "boolean") vocabulary.lowercase = lowercase;
  if (typeof strip === "boolean") vocabulary.stripAccents = strip;
}

// ---- older files

/** Refuses settings of the older files that llama.cpp's keys cannot say; tokenizer.json says everything. */
async function refuseUnwritable(folder: string, config: JsonFile | undefined): Promise<void> {
  const added = await readOptional(join(folder, "added_tokens.json"));
  const decoder = Object.values((config?.value["added_tokens_decoder"] ?? {}) as Record<string, unknown>);
  const odd = decoder.some((token) => {
    const { special, lstrip, rstrip, single_word: word } = (token ?? {}) as Record<string, unknown>;
    return special !== true || lstrip === true || rstrip === true || word === true;
  });
  let setting: string | undefined;
  if (added !== undefined) setting = "added_tokens.json";
  else if (odd) setting = "added_tokens_decoder";
  else if (config?.value["tokenize_chinese_chars"] === false) setting = "tokenize_chinese_chars";
  if (setting === undefined) return;
  const advice = "save the tokenizer again so that there is a tokenizer.json";
  const message = `${setting} is not converted without a tokenizer.json: ${advice} (${folder})`;
  throw new UnsupportedError(message, { path: folder, field: setting });
}

function fromVocabTxt(bytes: Buffer, config: JsonFile | undefined): Vocabulary {
  const tokens = bytes.toString("utf8").split(/\r?\n/);
  if (tokens.at(-1) === "") tokens.pop();
  const added = SPECIAL_WORDPIECE.map((content) => ({ id: tokens.indexOf(content), content, special: true }));
  // As the transformers library: lower case unless the configuration says otherwise.
  const vocabulary: Vocabulary = {
    kind: "wordpiece",
    tokens,
    added: added.filter(({ id }) => id >= 0),
    merges: [],
    lowercase: config?.boolean("do_lower_case", true) ?? true,
    files: [{ key: "huggingface.vocab.txt", bytes }],
  };
  const strip = config?.value["strip_accents"];
  if (typeof strip === "boolean") vocabulary.stripAccents = strip;
  return vocabulary;
}

function* fromBpeFiles(vocabBytes: Buffer, mergesBytes: Buffer): Steps<Vocabulary> {
  const vocab = asObject(yield* parseJsonInSteps(vocabBytes, "vocab.json"), "vocab.json");
  const tokens = yield* tokensById(vocab, "vocab.json");
  const lines = mergesBytes.toString("utf8").split(/\r?\n/);
  const merges = lines.filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
  const bad = merges.find((line) => line.split(" ").length !== 2);
  if (bad !== undefined) throw badField("lines of two parts", "merges.txt", bad);
  const end = vocab.get(END_OF_TEXT);
  return {
    kind: "byte-level-bpe",
    tokens,
    added: typeof end === "number" ? [{ id: end, content: END_OF_TEXT, special: true }] : [],
    merges,
    files: [
      { key: "huggingface.vocab.json", bytes: vocabBytes },
      { key: "huggingface.merges.txt", bytes: mergesBytes },
    ],
  };
}

// ---- shared

function* tokensById(vocab: JsonObject, path: string): Steps<Vocabulary["tokens"]> {
  const tokens: Vocabulary["tokens"] = [];
  let read = 0;
  for (const [token, value] of vocab) {
    if (read++ % TOKENS_PER_STEP === 0) yield;
    const id = tokenId(value, path);
    if (tokens[id] !== undefined) {
      const both = `${JSON.stringify(tokens[id])} and ${JSON.stringify(token)}`;
      throw new TokenizerError(`Expected one token per id in ${path} but id ${id} has ${both}`, {
        field: path,
        id,
      });
    }
    tokens[id] = token;
  }
  return tokens;
}

function tokenId(value: Json | undefined, path: string): number {
  const id = asIndex(value, path);
  if (id > LARGEST_ID) throw badField(`ids of at most ${LARGEST_ID}`, path, value);
  return id;
}

function hasDigitsApart(preTokenizer: Json | undefined): boolean {
  if (!(preTokenizer instanceof JsonObject)) return false;
  if (preTokenizer.get("type") === "Digits") return preTokenizer.get("individual_digits") === true;
  const parts = preTokenizer.get("pretokenizers");
  return Array.isArray(parts) && parts.some(hasDigitsApart);
}
