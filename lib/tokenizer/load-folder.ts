/** A tokenizer from a file or folder: tokenizer.json, vocab.txt, or vocab.json with merges.txt. */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ModelFileError, TokenizerError } from "../errors.js";
import type { AddedToken } from "./added-tokens.js";
import { asBoolean, asIndex, asObject, badField, field } from "./json-fields.js";
import { JsonObject, parseJsonInSteps } from "./json-slices.js";
import { loadAddedTokensDecoder, loadConfig } from "./load-config.js";
import { loadTokenizerJson } from "./load-json.js";
import { idsOf } from "./load-model.js";
import { loadBert, loadByteLevel } from "./load-vocabulary.js";
import type { MergeList } from "./merge-table.js";
import { breathe, runInSlices, type Steps } from "./time-slices.js";
import type { TokenizerParts } from "./tokenizer-parts.js";

/** No tokenizer file is larger. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

async function readIfThere(path: string, signal?: AbortSignal): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      const message = `Expected at most ${MAX_FILE_BYTES} bytes for ${path} but it has ${size}`;
      throw new TokenizerError(message, { field: path, size });
    }
    return await readFile(path, { signal });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    // An abort comes out typed.
    await breathe(signal);
    if (error instanceof TokenizerError) throw error;
    const message = `Cannot read ${path}: ${(error as Error).message}`;
    throw new ModelFileError(message, { path }, "MODEL_FILE_INVALID", { cause: error });
  }
}

async function readJsonObject(path: string, signal?: AbortSignal): Promise<JsonObject | undefined> {
  const bytes = await readIfThere(path, signal);
  if (bytes === undefined) return undefined;
  const name = basename(path);
  return asObject(await runInSlices(parseJsonInSteps(bytes, name), signal), name);
}

/** Reads a tokenizer from a tokenizer.json, a vocab.txt, or a folder that has one of the forms. */
export async function loadFromPath(path: string, signal?: AbortSignal): Promise<TokenizerParts> {
  const kind = await stat(path).catch((cause: unknown) => {
    const message = `Expected a tokenizer at ${path} but there is nothing that can be read`;
    throw new ModelFileError(message, { path }, "MODEL_FILE_NOT_FOUND", { cause });
  });
  const folder = kind.isDirectory() ? path : dirname(path);
  const config = await readJsonObject(join(folder, "tokenizer_config.json"), signal);
  if (kind.isDirectory()) return loadFromFolder(folder, config, signal);
  if (path.endsWith(".txt")) return loadVocabTxt(path, config, signal);
  return loadJsonFile(path, config, signal);
}

async function loadFromFolder(
  folder: string,
  config: JsonObject | undefined,
  signal?: AbortSignal,
): Promise<TokenizerParts> {
  const has = (name: string): Promise<boolean> =>
    stat(join(folder, name)).then(
      (s) => s.isFile(),
      () => false,
    );
  if (await has("tokenizer.json")) return loadJsonFile(join(folder, "tokenizer.json"), config, signal);
  if (await has("vocab.txt")) return loadVocabTxt(join(folder, "vocab.txt"), config, signal);
  if ((await has("vocab.json")) && (await has("merges.txt"))) return loadVocabJson(folder, config, signal);
  const message = `Expected tokenizer.json, vocab.txt, or vocab.json and merges.txt in ${folder} but it has none of them`;
  throw new ModelFileError(message, { path: folder }, "MODEL_FILE_NOT_FOUND");
}

async function required(path: string, signal?: AbortSignal): Promise<Buffer> {
  const bytes = await readIfThere(path, signal);
  if (bytes !== undefined) return bytes;
  throw new ModelFileError(`Expected a file at ${path} but there is none`, { path }, "MODEL_FILE_NOT_FOUND");
}

async function loadJsonFile(
  path: string,
  config: JsonObject | undefined,
  signal?: AbortSignal,
): Promise<TokenizerParts> {
  return runInSlices(loadTokenizerJson(await required(path, signal), loadConfig(config)), signal);
}

/** Tokens added to a vocabulary by the files beside it. */
async function addedTokensBeside(
  folder: string,
  config: JsonObject | undefined,
  signal?: AbortSignal,
): Promise<AddedToken[]> {
  const tokens = config === undefined ? [] : loadAddedTokensDecoder(config);
  const added = await readJsonObject(join(folder, "added_tokens.json"), signal);
  for (const [content, id] of added ?? []) {
    if (tokens.some((token) => token.content === content)) continue;
    const index = asIndex(id, `added_tokens.json ${JSON.stringify(content)}`);
    tokens.push({
      id: index,
      content,
      special: false,
      singleWord: false,
      lstrip: false,
      rstrip: false,
      normalized: true,
    });
  }
  return tokens;
}

async function loadVocabTxt(
  path: string,
  config: JsonObject | undefined,
  signal?: AbortSignal,
): Promise<TokenizerParts> {
  const bytes = await required(path, signal);
  const addedTokens = await addedTokensBeside(dirname(path), config, signal);
  const settings = config ?? new JsonObject();
  const lowercase = field(settings, "do_lower_case", "tokenizer_config.json", asBoolean, true);
  const normalizer = {
    cleanText: true,
    spaceCjk: field(settings, "tokenize_chinese_chars", "tokenizer_config.json", asBoolean, true),
    stripAccents: field(settings, "strip_accents", "tokenizer_config.json", asBoolean, lowercase),
    lowercase,
  };
  function* steps(): Steps<TokenizerParts> {
    const tokens = yield* linesOf(bytes);
    return yield* loadBert(
      { tokens, field: basename(path), addedTokens, config: loadConfig(config) },
      normalizer,
    );
  }
  return runInSlices(steps(), signal);
}

async function loadVocabJson(
  folder: string,
  config: JsonObject | undefined,
  signal?: AbortSignal,
): Promise<TokenizerParts> {
  const vocabulary = await readJsonObject(join(folder, "vocab.json"), signal);
  const mergeBytes = await required(join(folder, "merges.txt"), signal);
  const addedTokens = await addedTokensBeside(folder, config, signal);
  const settings = config ?? new JsonObject();
  const addPrefixSpace = field(settings, "add_prefix_space", "tokenizer_config.json", asBoolean, false);
  const roberta = isRoberta(settings, await readJsonObject(join(folder, "config.json"), signal), vocabulary!);
  function* steps(): Steps<TokenizerParts> {
    const ids = yield* idsOf(vocabulary!, (token) => `vocab.json ${token}`);
    const source = {
      tokens: vocabulary!.keys(),
      ids,
      field: "vocab.json",
      addedTokens,
      config: loadConfig(config),
    };
    return yield* loadByteLevel(source, yield* mergesOf(mergeBytes), { roberta, addPrefixSpace });
  }
  return runInSlices(steps(), signal);
}

/** Whether byte-level files are RoBERTa's: the configuration says so, or else the vocabulary has its special tokens. */
function isRoberta(config: JsonObject, model: JsonObject | undefined, vocabulary: JsonObject): boolean {
  const name = config.get("tokenizer_class") ?? model?.get("model_type");
  if (typeof name === "string") return /roberta|bart|longformer|led/i.test(name);
  return ["<s>", "</s>", "<mask>"].every((token) => vocabulary.has(token));
}

/** Lines without their ends; a last line that is empty does not count. */
function* linesOf(bytes: Buffer): Steps<string[]> {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(0x0a, at);
    const next = newline < 0 ? bytes.length : newline;
    const end = next > at && bytes[next - 1] === 0x0d ? next - 1 : next;
    lines.push(bytes.toString("utf8", at, end));
    at = next + 1;
    if (lines.length % 1024 === 0) yield;
  }
  return lines;
}

/** The merges of merges.txt: two tokens a line, after a line that tells the version. */
function* mergesOf(bytes: Buffer): Steps<MergeList> {
  const merges: string[] = [];
  const lines = yield* linesOf(bytes);
  for (const [i, line] of lines.entries()) {
    if (i % 1024 === 0) yield;
    if (line.startsWith("#version") || line === "") continue;
    if (line.split(" ").length !== 2) throw badField("two tokens", `merges.txt line ${i + 1}`, line);
    merges.push(line);
  }
  return { length: merges.length, at: (rank) => merges[rank]!.split(" ") as [string, string] };
}
