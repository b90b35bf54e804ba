/** The vocabulary of a checkpoint's folder, from whichever files it has. */
import { join } from "node:path";
import { ModelFileError, UnsupportedError } from "../errors.js";
import { breathe } from "../tokenizer/time-slices.js";
import { JsonFile, readOptional } from "./json-file.js";

/** A token that was added to the vocabulary, or is matched as a whole. */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

export interface Vocabulary {
  kind: "wordpiece" | "byte-level-bpe";
  /** Token by id; holes are undefined. */
  tokens: (string | undefined)[];
  added: AddedToken[];
  /** Merges of a BPE, `"left right"`, by rank. */
  merges: string[];
  /** What the normalizer does with case and accents; undefined follows the case. */
  lowercase?: boolean;
  stripAccents?: boolean;
  /** `post_processor` of tokenizer.json. */
  postProcessor?: Record<string, unknown>;
  /** The files it was read from, byte for byte, by the metadata key each is kept under. */
  files: { key: string; bytes: Buffer }[];
}

const SPECIAL_WORDPIECE = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/** Far above any vocabulary; bounds what a hostile id can make us allocate. */
const MAX_TOKENS = 2 ** 24;

/** Reads tokenizer.json, else vocab.txt, else vocab.json with merges.txt. */
export async function readVocabulary(
  folder: string,
  tokenizerConfig: JsonFile | undefined,
): Promise<Vocabulary> {
  const fast = await JsonFile.find(folder, "tokenizer.json");
  if (fast !== undefined) return readTokenizerJson(fast);
  const wordPiece = await readOptional(join(folder, "vocab.txt"));
  if (wordPiece !== undefined) return withAdded(folder, readVocabTxt(wordPiece, tokenizerConfig));
  const bpe = await JsonFile.find(folder, "vocab.json");
  if (bpe !== undefined) return withAdded(folder, await readBpeFiles(folder, bpe));
  const wanted = "tokenizer.json, vocab.txt, or vocab.json with merges.txt";
  const message = `Expected a tokenizer (${wanted}) in ${folder} but there is none`;
  throw new ModelFileError(message, { path: folder, field: "tokenizer.json" }, "MODEL_FILE_NOT_FOUND");
}

// ---- tokenizer.json

async function readTokenizerJson(file: JsonFile): Promise<Vocabulary> {
  const model = object(file, "model", file.value["model"]);
  const kind = kindOf(file, model);
  const added = readAddedTokens(file);
  const tokens = await tokensById(file, "model.vocab", object(file, "model.vocab", model["vocab"]));
  for (const { id, content } of added) tokens[id] = content;
  const vocabulary: Vocabulary = {
    kind,
    tokens,
    added,
    merges: kind === "wordpiece" ? [] : await readMerges(file, model["merges"]),
    files: [{ key: "tokenizer.huggingface.json", bytes: file.bytes }],
  };
  const postProcessor = file.value["post_processor"];
  if (postProcessor != null) vocabulary.postProcessor = object(file, "post_processor", postProcessor);
  readNormalizer(file.value["normalizer"], vocabulary);
  return vocabulary;
}

function kindOf(file: JsonFile, model: Record<string, unknown>): Vocabulary["kind"] {
  // Files from before the type was written have the entries of one of the two.
  const type = model["type"] ?? (Array.isArray(model["merges"]) ? "BPE" : "WordPiece");
  if (type === "WordPiece") return "wordpiece";
  if (type === "BPE" && hasByteLevel(file.value["pre_tokenizer"])) return "byte-level-bpe";
  const what = type === "BPE" ? "BPE without byte-level pre-tokenization" : JSON.stringify(type);
  const message = `Tokenizer of type ${what} is not converted (${file.path})`;
  throw new UnsupportedError(message, { path: file.path, field: "model.type", value: type });
}

function hasByteLevel(preTokenizer: unknown): boolean {
  const { type, pretokenizers } = (preTokenizer ?? {}) as Record<string, unknown>;
  if (type === "Sequence" && Array.isArray(pretokenizers)) return pretokenizers.some(hasByteLevel);
  return type === "ByteLevel";
}

function readAddedTokens(file: JsonFile): AddedToken[] {
  const list = file.value["added_tokens"] ?? [];
  if (!Array.isArray(list)) throw file.error("added_tokens", "a list");
  return list.map((entry: unknown) => {
    const { id, content, special } = object(file, "added_tokens", entry);
    if (typeof content !== "string") throw file.error("added_tokens", "entries with a string as content");
    return { id: tokenId(file, "added_tokens", id), content, special: special === true };
  });
}

/** Merges are `"left right"`, or pairs in newer files. */
async function readMerges(file: JsonFile, merges: unknown): Promise<string[]> {
  if (!Array.isArray(merges)) throw file.error("model.merges", "a list");
  const list: string[] = [];
  for (const merge of merges as unknown[]) {
    if (list.length % 4096 === 0) await breathe();
    list.push(mergeText(file, merge));
  }
  return list;
}

function mergeText(file: JsonFile, merge: unknown): string {
  if (typeof merge === "string") return merge;
  if (!Array.isArray(merge) || merge.length !== 2 || !merge.every((part) => typeof part === "string")) {
    throw file.error("model.merges", 'a list of "left right" or [left, right]');
  }
  // A space inside a part would read as the separator; byte-level text spells it Ġ.
  return (merge as string[]).map((part) => part.replaceAll(" ", "Ġ")).join(" ");
}

function readNormalizer(normalizer: unknown, vocabulary: Vocabulary): void {
  const {
    type,
    lowercase,
    strip_accents: strip,
    normalizers,
  } = (normalizer ?? {}) as Record<string, unknown>;
  if (type === "Sequence" && Array.isArray(normalizers)) {
    for (const part of normalizers) readNormalizer(part, vocabulary);
  }
  if (type === "Lowercase") vocabulary.lowercase = true;
  if (type === "StripAccents") vocabulary.stripAccents = true;
  if (type !== "BertNormalizer") return;
  if (typeof lowercase === "boolean") vocabulary.lowercase = lowercase;
  if (typeof strip === "boolean") vocabulary.stripAccents = strip;
}

// ---- older files

function readVocabTxt(bytes: Buffer, config: JsonFile | undefined): Vocabulary {
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

async function readBpeFiles(folder: string, vocab: JsonFile): Promise<Vocabulary> {
  const path = join(folder, "merges.txt");
  const bytes = await readOptional(path);
  if (bytes === undefined) {
    const message = `Expected merges.txt beside ${vocab.path} but there is none`;
    throw new ModelFileError(message, { path, field: "merges.txt" }, "MODEL_FILE_NOT_FOUND");
  }
  const lines = bytes.toString("utf8").split(/\r?\n/);
  const merges = lines.filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
  const bad = merges.find((line) => line.split(" ").length !== 2);
  if (bad !== undefined) {
    const message = `Expected lines of two parts in ${path} but found ${JSON.stringify(bad)}`;
    throw new ModelFileError(message, { path, field: "merges.txt" });
  }
  const tokens = await tokensById(vocab, "vocab.json", vocab.value);
  const end = tokens.indexOf("<|endoftext|>");
  return {
    kind: "byte-level-bpe",
    tokens,
    added: end < 0 ? [] : [{ id: end, content: "<|endoftext|>", special: true }],
    merges,
    files: [
      { key: "huggingface.vocab.json", bytes: vocab.bytes },
      { key: "huggingface.merges.txt", bytes },
    ],
  };
}

/** Tokens that a slow tokenizer was given later, and its special tokens' names: kept beside the vocabulary. */
async function withAdded(folder: string, vocabulary: Vocabulary): Promise<Vocabulary> {
  const added = await JsonFile.find(folder, "added_tokens.json");
  for (const [content, value] of Object.entries(added?.value ?? {})) {
    const id = tokenId(added!, content, value);
    vocabulary.tokens[id] = content;
    vocabulary.added.push({ id, content, special: false });
  }
  if (added !== undefined)
    vocabulary.files.push({ key: "huggingface.added_tokens.json", bytes: added.bytes });
  const special = await JsonFile.find(folder, "special_tokens_map.json");
  if (special !== undefined) {
    vocabulary.files.push({ key: "huggingface.special_tokens_map.json", bytes: special.bytes });
  }
  return vocabulary;
}

// ---- shared

async function tokensById(
  file: JsonFile,
  key: string,
  vocab: Record<string, unknown>,
): Promise<Vocabulary["tokens"]> {
  const tokens: Vocabulary["tokens"] = [];
  let read = 0;
  for (const token in vocab) {
    if (read++ % 4096 === 0) await breathe();
    const id = tokenId(file, key, vocab[token]);
    if (tokens[id] !== undefined) {
      throw file.error(key, `one token for id ${id} (it has ${tokens[id]} and ${token})`);
    }
    tokens[id] = token;
  }
  return tokens;
}

function tokenId(file: JsonFile, key: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_TOKENS)
    return value as number;
  throw file.error(key, `token ids from 0 to ${MAX_TOKENS - 1}, and not ${String(value)},`);
}

function object(file: JsonFile, key: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw file.error(key, "an object");
}
