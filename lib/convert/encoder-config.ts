/** What the configurations of BERT and its kin have in common, and what a file says of it. */
import { UnsupportedError } from "../errors.js";
import { activationByName } from "../gguf/activation.js";
import { checkBertConfig } from "../gguf/bert-file.js";
import { unsupportedKey } from "../gguf/model-keys.js";
import type { MetadataItem } from "../gguf/writer.js";
import type { EncoderArchitecture } from "../native.js";
import type { JsonFile } from "./json-file.js";

export interface EncoderConfig {
  vocabSize: number; // V
  hiddenSize: number; // H
  intermediateSize: number; // F
  layers: number; // L
  heads: number; // A
  /** Rows of the checkpoint's position embedding. */
  positions: number;
  /** Rows of the segment embedding; 0 when there is none. */
  segments: number;
  epsilon: number;
  activation: string;
  tied: boolean;
}

/** How an architecture names the entries whose names differ. */
export interface EntryNames {
  hidden: string;
  intermediate: string;
  layers: string;
  heads: string;
  activation: string;
  epsilon: string;
}

export const BERT_ENTRIES: EntryNames = {
  hidden: "hidden_size",
  intermediate: "intermediate_size",
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  activation: "hidden_act",
  epsilon: "layer_norm_eps",
};

/** What the transformers library takes absent entries to be. */
export interface EntryDefaults {
  positions: number;
  /** 0: the architecture has no segments. */
  segments: number;
  epsilon: number;
  activation: string;
}

export const BERT_DEFAULTS: EntryDefaults = {
  positions: 512,
  segments: 2,
  epsilon: 1e-12,
  activation: "gelu",
};

/** Reads the configuration; refuses what no encoder here computes. */
export function readEncoderConfig(
  file: JsonFile,
  names: EntryNames = BERT_ENTRIES,
  defaults: EntryDefaults = BERT_DEFAULTS,
): EncoderConfig {
  checkBertConfig({ path: file.path }, file.value, "config.json");
  const { epsilon } = names;
  const config: EncoderConfig = {
    vocabSize: file.integer("vocab_size", 1, 2 ** 31 - 1),
    hiddenSize: file.integer(names.hidden, 1, 2 ** 20),
    intermediateSize: file.integer(names.intermediate, 1, 2 ** 20),
    layers: file.integer(names.layers, 1, 65_535),
    heads: file.integer(names.heads, 1, 65_535),
    positions: file.optionalInteger("max_position_embeddings", 1, 2 ** 20) ?? defaults.positions,
    segments:
      defaults.segments === 0
        ? 0
        : (file.optionalInteger("type_vocab_size", 1, 2 ** 20) ?? defaults.segments),
    epsilon: file.value[epsilon] === undefined ? defaults.epsilon : file.numberBetween(epsilon, 0, 1),
    activation: file.string(names.activation, defaults.activation),
    tied: file.boolean("tie_word_embeddings", true),
  };
  if (config.hiddenSize % config.heads !== 0) throw file.error(names.heads, `a divisor of ${names.hidden}`);
  requireActivation(file, names.activation, config.activation);
  return config;
}

export function requireActivation(file: JsonFile, field: string, activation: string): void {
  if (activationByName(activation) !== undefined) return;
  const message = `Activation ${JSON.stringify(activation)} is not computed (${file.path})`;
  throw new UnsupportedError(message, { path: file.path, field, value: activation });
}

/** Refuses an entry that has another value than the only one the graph computes. */
export function requireEntry(file: JsonFile, name: string, only: unknown): void {
  const value = file.value[name] ?? only;
  if (value !== only) throw unsupportedKey(file, name, value);
}

/** The keys every encoder's file has; `context` is the longest sequence. */
export function encoderMetadata(
  architecture: EncoderArchitecture,
  config: EncoderConfig,
  context: number,
): MetadataItem[] {
  const u32 = (key: string, value: number): MetadataItem => {
    return { key: `${architecture}.${key}`, type: "u32", value };
  };
  const segments: MetadataItem[] = [
    { key: "tokenizer.ggml.token_type_count", type: "u32", value: config.segments },
  ];
  return [
    u32("block_count", config.layers),
    u32("context_length", context),
    u32("embedding_length", config.hiddenSize),
    u32("feed_forward_length", config.intermediateSize),
    u32("attention.head_count", config.heads),
    { key: `${architecture}.attention.layer_norm_epsilon`, type: "f32", value: config.epsilon },
    { key: `${architecture}.attention.causal`, type: "bool", value: false },
    { key: `${architecture}.hidden_activation`, type: "string", value: config.activation },
    ...(config.segments > 0 ? segments : []),
  ];
}
