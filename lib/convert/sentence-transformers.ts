/**
 * What a sentence-transformers folder says about embedding, as metadata. Its modules must be a transformer, a
 * pooling (of hidden states, or SPLADE's of logits), and perhaps `Dense` layers and a normalization; any other would
 * change the numbers and is refused by name.
 */
import { join, normalize, sep } from "node:path";
import { ModelFileError, UnsupportedError } from "../errors.js";
import type { MetadataItem } from "../gguf/writer.js";
import type { PoolingMode } from "../native.js";
import { readDenseModule, type DenseModule } from "./dense.js";
import { JsonFile, parse, readOptional } from "./json-file.js";

export interface SentenceTransformersFolder {
  /** The folder of the transformer itself: configuration, weights, tokenizer. */
  transformer: string;
  /** Most tokens per text that the folder states. */
  maxSequenceLength: number | undefined;
  /** Length of the vectors that are pooled, when the folder states it. */
  dimension: number | undefined;
  /** What pooled vectors go through, in order. */
  dense: DenseModule[];
  metadata: MetadataItem[];
}

/** Names of the pooling modes, old spelling (one flag each) and new (one word). */
const POOLING: readonly [flag: string, word: string, mode: PoolingMode | undefined][] = [
  ["pooling_mode_mean_tokens", "mean", "mean"],
  ["pooling_mode_cls_token", "cls", "cls"],
  ["pooling_mode_max_tokens", "max", "max"],
  ["pooling_mode_lasttoken", "lasttoken", "last"],
  ["pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", undefined],
  ["pooling_mode_weightedmean_tokens", "weightedmean", undefined],
];
/** llama.cpp's `pooling_type`, which has no number for `max`. */
const POOLING_TYPE: Partial<Record<PoolingMode, number>> = { mean: 1, cls: 2, last: 3 };

/** What a folder's modules may be. Since version 5.2 the transformer of SPLADE models goes by the general name. */
const KNOWN_MODULES = /^(Transformer,Pooling(,Dense)*(,Normalize)?|(MLM)?Transformer,SpladePooling)$/;
const KNOWN_KINDS = ["Transformer", "MLMTransformer", "Pooling", "SpladePooling", "Dense", "Normalize"];
/** What sentence-transformers' SpladePooling may be told, its defaults first. */
const SPLADE_POOLING = ["max", "sum"];
const SPLADE_ACTIVATION = ["relu", "log1p_relu"];

interface Module {
  kind: string;
  path: string;
}

/** Reads the folder's modules; undefined when it is not a sentence-transformers folder. */
export async function readSentenceTransformersFolder(
  folder: string,
): Promise<SentenceTransformersFolder | undefined> {
  const modules = await readModules(folder);
  if (modules === undefined) return undefined;
  const [transformer, pooling] = modules as [Module, Module, ...Module[]];
  const transformerFolder = inside(folder, transformer.path);
  const poolingFile = await JsonFile.read(inside(folder, pooling.path), "config.json");
  const prompts = await JsonFile.find(folder, "config_sentence_transformers.json");
  const limits = {
    transformer: transformerFolder,
    maxSequenceLength: await readMaxLength(transformerFolder),
  };
  if (pooling.kind === "SpladePooling") {
    const metadata = [...spladeMetadata(poolingFile), ...promptMetadata(prompts)];
    return { ...limits, dimension: undefined, dense: [], metadata };
  }
  const mode = readPoolingMode(poolingFile);
  if (poolingFile.value["include_prompt"] === false && hasPrompts(prompts)) {
    throw unsupported(poolingFile.path, "include_prompt", "pooling without the prompt's tokens");
  }
  const dense: DenseModule[] = [];
  for (const { kind, path } of modules) {
    if (kind === "Dense") dense.push(await readDenseModule(inside(folder, path)));
  }
  const normalized = modules.at(-1)!.kind === "Normalize";
  return {
    ...limits,
    dense,
    dimension: poolingFile.optionalInteger("word_embedding_dimension", 1, 2 ** 20),
    metadata: [...poolingMetadata(mode, normalized), ...promptMetadata(prompts)],
  };
}

/** The transformer, the pooling and what comes after it, in that order. */
async function readModules(folder: string): Promise<Module[] | undefined> {
  const path = join(folder, "modules.json");
  const bytes = await readOptional(path);
  if (bytes === undefined) return undefined;
  const list = parse(path, bytes);
  if (!Array.isArray(list) || !list.every(isModule)) {
    const message = `Expected a list of modules with type and path in ${path}`;
    throw new ModelFileError(message, { path, field: "modules.json" });
  }
  // "sentence_transformers.models.Transformer" and longer paths to the same classes.
  const modules = list.map(({ type, path: at }) => ({
    kind: type.slice(type.lastIndexOf(".") + 1),
    path: at,
  }));
  const kinds = modules.map(({ kind }) => kind);
  const foreign = kinds.find((kind) => !KNOWN_KINDS.includes(kind));
  if (foreign !== undefined) throw unsupported(path, foreign, `the module ${foreign}`);
  if (!KNOWN_MODULES.test(kinds.join(","))) {
    throw unsupported(path, "modules.json", `the modules ${kinds.join(", ")}`);
  }
  return modules;
}

function isModule(value: unknown): value is { type: string; path: string } {
  const { type, path } = (value ?? {}) as Record<string, unknown>;
  return typeof type === "string" && typeof path === "string";
}

/** The folder of a module, which lies inside the model's. */
function inside(folder: string, path: string): string {
  const relative = normalize(path || ".");
  if (!relative.startsWith("..") && !relative.startsWith(sep) && !/^[A-Za-z]:/.test(relative)) {
    return join(folder, relative);
  }
  const message = `Expected the path of a module inside ${folder} but found ${JSON.stringify(path)}`;
  throw new ModelFileError(message, { path: folder, field: "modules.json" });
}

function readPoolingMode(file: JsonFile): PoolingMode {
  const word = file.value["pooling_mode"];
  const chosen = POOLING.filter(([flag, name]) =>
    word === undefined ? file.value[flag] === true : word === name,
  );
  if (chosen.length !== 1) {
    const modes =
      word === undefined ? chosen.map(([flag]) => flag).join(" with ") || "no mode" : JSON.stringify(word);
    throw unsupported(file.path, "pooling_mode", `pooling by ${modes}`);
  }
  const [, name, mode] = chosen[0]!;
  if (mode === undefined) throw unsupported(file.path, "pooling_mode", `pooling by ${name}`);
  return mode;
}

function poolingMetadata(mode: PoolingMode, normalized: boolean): MetadataItem[] {
  const metadata: MetadataItem[] = [
    { key: "sentence_transformers.pooling", type: "string", value: mode },
    { key: "sentence_transformers.normalize", type: "bool", value: normalized },
  ];
  const number = POOLING_TYPE[mode];
  if (number !== undefined) metadata.push({ key: "bert.pooling_type", type: "u32", value: number });
  return metadata;
}

function spladeMetadata(file: JsonFile): MetadataItem[] {
  const choice = (field: string, known: readonly string[]): string => {
    const value = file.value[field] ?? known[0]!;
    if (typeof value === "string" && known.includes(value)) return value;
    throw unsupported(file.path, field, `SPLADE pooling with ${field} ${JSON.stringify(value)}`);
  };
  const pooling = choice("pooling_strategy", SPLADE_POOLING);
  const activation = choice("activation_function", SPLADE_ACTIVATION);
  return [
    { key: "sentence_transformers.sparse_pooling", type: "string", value: pooling },
    { key: "sentence_transformers.sparse_activation", type: "string", value: activation },
  ];
}

async function readMaxLength(folder: string): Promise<number | undefined> {
  const file = await JsonFile.find(folder, "sentence_bert_config.json");
  const value = file?.optionalInteger("max_seq_length", 1, 2 ** 31 - 1);
  // sentence-transformers would lower-case the text before the tokenizer sees it.
  if (file?.boolean("do_lower_case", false)) {
    const tokenizer = await JsonFile.find(folder, "tokenizer_config.json");
    if (tokenizer?.value["do_lower_case"] !== true) {
      throw unsupported(file.path, "do_lower_case", "lower-casing before a tokenizer that keeps case");
    }
  }
  return value;
}

function hasPrompts(file: JsonFile | undefined): boolean {
  return Object.values((file?.value["prompts"] ?? {}) as Record<string, string>).some(
    (prompt) => prompt !== "",
  );
}

function promptMetadata(file: JsonFile | undefined): MetadataItem[] {
  const prompts = file?.value["prompts"];
  if (file === undefined || prompts === undefined || prompts === null) return [];
  if (typeof prompts !== "object" || !Object.values(prompts).every((prompt) => typeof prompt === "string")) {
    throw file.error("prompts", "an object of strings");
  }
  const value = JSON.stringify(prompts);
  const metadata: MetadataItem[] = [{ key: "sentence_transformers.prompts", type: "string", value }];
  const name = file.value["default_prompt_name"];
  if (typeof name === "string") {
    if (!Object.hasOwn(prompts, name)) throw file.error("default_prompt_name", "the name of a prompt");
    metadata.push({ key: "sentence_transformers.default_prompt_name", type: "string", value: name });
  }
  return metadata;
}

function unsupported(path: string, field: string, what: string): UnsupportedError {
  return new UnsupportedError(`sentence-transformers model with ${what} is not computed (${path})`, {
    path,
    field,
  });
}
