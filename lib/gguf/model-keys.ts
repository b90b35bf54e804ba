/** The metadata keys that files of all architectures share, and what their values may be. */
import { UnsupportedError } from "../errors.js";
import type { Activation } from "../native.js";
import { activationByName } from "./activation.js";
import type { MetadataReader } from "./metadata.js";
import type { TensorChecker } from "./tensor-rules.js";

/** Wider than any model; keeps every product of two sizes exact and every count a 32-bit integer. */
const MAX_SIZE = 2 ** 20;
const MAX_VOCABULARY = 2 ** 31 - 1;

/** Sizes every transformer has. */
export interface SharedHyperparameters {
  vocabSize: number;
  contextLength: number;
  embeddingLength: number;
  feedForwardLength: number;
  blockCount: number;
  headCount: number;
  /** Where heads share keys and values: how many there are of these. */
  keyValueHeadCount?: number;
  layerNormEpsilon: number;
}

/** A file being read: its path, its keys, its tensors and the configuration it carries. */
export interface ModelSource {
  path: string;
  keys: MetadataReader;
  tensors: TensorChecker;
  /** `huggingface.config.json`, parsed. */
  config: Readonly<Record<string, unknown>> | undefined;
}

/** Reads and cross-checks the sizes of `architecture`; `sharesKeys`: whether its heads may share keys and values. */
export function readSharedHyperparameters(
  source: ModelSource,
  architecture: string,
  { sharesKeys = false } = {},
): SharedHyperparameters {
  const { keys, tensors } = source;
  const key = (name: string) => `${architecture}.${name}`;

  // Sizes.
  const embeddingLength = keys.integer(key("embedding_length"), 1, MAX_SIZE);
  const feedForwardLength = keys.integer(key("feed_forward_length"), 1, MAX_SIZE);
  const blockCount = keys.integer(key("block_count"), 1, MAX_SIZE);
  const contextLength = keys.integer(key("context_length"), 1, MAX_SIZE);
  const layerNormEpsilon = keys.numberBetween(key("attention.layer_norm_epsilon"), 0, 1);

  // Heads divide the embedding; those of keys and values divide the heads.
  const headCount = keys.integer(key("attention.head_count"), 1, embeddingLength);
  if (embeddingLength % headCount !== 0) {
    throw keys.error(key("attention.head_count"), `a divisor of ${embeddingLength}`, headCount);
  }
  const sharedKey = key("attention.head_count_kv");
  const keyValueHeads = keys.optionalInteger(sharedKey, 1, MAX_SIZE) ?? headCount;
  if (keyValueHeads !== headCount && !sharesKeys) throw unsupportedKey(source, sharedKey, keyValueHeads);
  if (headCount % keyValueHeads !== 0)
    throw keys.error(sharedKey, `a divisor of ${headCount}`, keyValueHeads);
  const experts = keys.optionalInteger(key("expert_count"), 0, MAX_SIZE) ?? 0;
  if (experts > 0) throw unsupportedKey(source, key("expert_count"), experts);

  // The vocabulary is as large as its embedding.
  const [, vocabSize] = tensors.matrix("token_embd.weight");
  if (vocabSize > MAX_VOCABULARY) throw keys.error("token_embd.weight", "fewer than 2^31 rows", vocabSize);
  return {
    vocabSize,
    contextLength,
    embeddingLength,
    feedForwardLength,
    blockCount,
    headCount,
    ...(keyValueHeads !== headCount && { keyValueHeadCount: keyValueHeads }),
    layerNormEpsilon,
  };
}

/** The activation the file names, else the one its configuration names, else the architecture's own. */
export function readActivation(
  source: ModelSource,
  architecture: string,
  configName: string,
  fallback: string,
): Activation {
  const key = `${architecture}.hidden_activation`;
  const named = source.keys.optionalString(key);
  const configured = source.config?.[configName];
  const name = named ?? (typeof configured === "string" ? configured : fallback);
  const activation = activationByName(name);
  if (activation === undefined) throw unsupportedKey(source, key, name);
  return activation;
}

/** The file is sound, but this value of a key asks for something the engine does not compute. */
export function unsupportedKey({ path }: { path: string }, field: string, value: unknown): UnsupportedError {
  return new UnsupportedError(`${field} = ${JSON.stringify(value)} is not computed (${path})`, {
    path,
    field,
    value,
  });
}
