/** What a sentence-transformers model says about embedding: pooling, normalization, length, prompts. */
import type { PoolingMode, SparseActivation, SparsePooling } from "../native.js";
import type { MetadataReader } from "./metadata.js";

export interface SentenceTransformersInfo {
  /** How token vectors become one; absent when the file does not say or says none. */
  pooling?: PoolingMode;
  /** How token logits become the weights of a sparse embedding; absent when the file does not say. */
  sparsePooling?: SparsePooling;
  sparseActivation?: SparseActivation;
  /** Whether embeddings are scaled to unit length; absent when the file does not say. */
  normalize?: boolean;
  /** Most tokens per text, special tokens included; never above the context length. */
  maxSequenceLength?: number;
  /** Texts to put before an input, by name. */
  prompts: Readonly<Record<string, string>>;
  /** Name of the prompt that is used when none is asked for. */
  defaultPromptName?: string;
}

const POOLING_MODES: readonly PoolingMode[] = ["mean", "cls", "max", "last"];
/** llama.cpp's numbers: 0 none, 1 mean, 2 [CLS], 3 last, 4 rank (a classifier instead of an embedding). */
const POOLING_TYPES: readonly (PoolingMode | undefined)[] = [undefined, "mean", "cls", "last", undefined];

export function readSentenceTransformers(
  keys: MetadataReader,
  contextLength: number,
): SentenceTransformersInfo {
  const limit = keys.optionalInteger("sentence_transformers.max_seq_length", 1, 2 ** 32 - 1);
  const prompts = readPrompts(keys);
  return {
    pooling: readPooling(keys),
    sparsePooling: readWord(keys, "sentence_transformers.sparse_pooling", ["max", "sum"]),
    sparseActivation: readWord(keys, "sentence_transformers.sparse_activation", ["relu", "log1p_relu"]),
    normalize: keys.optionalBoolean("sentence_transformers.normalize"),
    maxSequenceLength: limit === undefined ? undefined : Math.min(limit, contextLength),
    prompts,
    defaultPromptName: readDefaultPrompt(keys, prompts),
  };
}

/** Ours, which knows every mode, before llama.cpp's, which has no number for `max`. */
function readPooling(keys: MetadataReader): PoolingMode | undefined {
  const mode = readWord(keys, "sentence_transformers.pooling", POOLING_MODES);
  const type = keys.optionalInteger("bert.pooling_type", 0, POOLING_TYPES.length - 1);
  return mode ?? (type === undefined ? undefined : POOLING_TYPES[type]);
}

function readWord<T extends string>(keys: MetadataReader, key: string, words: readonly T[]): T | undefined {
  const value = keys.optionalString(key);
  const word = words.find((candidate) => candidate === value);
  if (value !== undefined && word === undefined) throw keys.error(key, `one of ${words.join(", ")}`, value);
  return word;
}

function readPrompts(keys: MetadataReader): Record<string, string> {
  const key = "sentence_transformers.prompts";
  const prompts = keys.optionalJsonObject(key) ?? {};
  for (const [name, prompt] of Object.entries(prompts)) {
    if (typeof prompt !== "string") throw keys.error(key, `a string for the prompt ${name}`, prompt);
  }
  return prompts as Record<string, string>;
}

function readDefaultPrompt(keys: MetadataReader, prompts: Record<string, string>): string | undefined {
  const key = "sentence_transformers.default_prompt_name";
  const name = keys.optionalString(key);
  if (name !== undefined && !Object.hasOwn(prompts, name))
    throw keys.error(key, "the name of a prompt", name);
  return name;
}
