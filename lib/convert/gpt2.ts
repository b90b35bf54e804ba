/** From a Hugging Face GPT-2 checkpoint to GGUF: configuration and weights. */
import { UnsupportedError } from "../errors.js";
import { activationByName } from "../gguf/activation.js";
import { checkGpt2Config } from "../gguf/gpt2-file.js";
import type { MetadataItem } from "../gguf/writer.js";
import { mapDecoderHeads } from "./decoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

interface Gpt2Config {
  vocabSize: number; // V
  hiddenSize: number; // H
  intermediateSize: number; // F
  layers: number; // L
  heads: number; // A
  positions: number;
  epsilon: number;
  activation: string;
  scaleWeights: boolean;
  scaleByInverseLayer: boolean;
  tied: boolean;
}

// ---- configuration

/** Reads a configuration with GPT-2's entries; `activation` is what an absent one means. */
export function readGpt2Config(file: JsonFile, activation = "gelu_new"): Gpt2Config {
  checkGpt2Config({ path: file.path }, file.value, "config.json");
  const hiddenSize = file.integer("n_embd", 1, 2 ** 20);
  const config: Gpt2Config = {
    vocabSize: file.integer("vocab_size", 1, 2 ** 31 - 1),
    hiddenSize,
    intermediateSize: file.optionalInteger("n_inner", 1, 2 ** 20) ?? 4 * hiddenSize,
    layers: file.integer("n_layer", 1, 65_535),
    heads: file.integer("n_head", 1, 65_535),
    // Absent entries have the defaults of the transformers library's GPT2Config.
    positions: file.optionalInteger("n_positions", 1, 2 ** 20) ?? 1024,
    epsilon:
      file.value["layer_norm_epsilon"] === undefined ? 1e-5 : file.numberBetween("layer_norm_epsilon", 0, 1),
    activation: file.string("activation_function", activation),
    scaleWeights: file.boolean("scale_attn_weights", true),
    scaleByInverseLayer: file.boolean("scale_attn_by_inverse_layer_idx", false),
    tied: file.boolean("tie_word_embeddings", true),
  };
  if (config.hiddenSize % config.heads !== 0) throw file.error("n_head", "a divisor of n_embd");
  requireActivation(file, config.activation);
  return config;
}

/** Refuses an `activation_function` that is not computed. */
export function requireActivation({ path }: JsonFile, activation: string): void {
  if (activationByName(activation) !== undefined) return;
  const message = `Activation ${JSON.stringify(activation)} is not computed (${path})`;
  throw new UnsupportedError(message, { path, field: "activation_function", value: activation });
}

/** What a file of GPT-2's architecture, or of one that computes the same, says about the model. */
export function gpt2Metadata(
  config: Omit<Gpt2Config, "vocabSize" | "tied">,
  architecture: "gpt2" | "starcoder" = "gpt2",
): MetadataItem[] {
  const key = (name: string) => `${architecture}.${name}`;
  const u32 = (name: string, value: number): MetadataItem => ({ key: key(name), type: "u32", value });
  const bool = (name: string, value: boolean): MetadataItem => ({ key: key(name), type: "bool", value });
  return [
    u32("block_count", config.layers),
    u32("context_length", config.positions),
    u32("embedding_length", config.hiddenSize),
    u32("feed_forward_length", config.intermediateSize),
    u32("attention.head_count", config.heads),
    { key: key("attention.layer_norm_epsilon"), type: "f32", value: config.epsilon },
    { key: key("hidden_activation"), type: "string", value: config.activation },
    bool("attention.scale_weights", config.scaleWeights),
    bool("attention.scale_by_inverse_layer", config.scaleByInverseLayer),
  ];
}

// ---- weights

function mapGpt2(mapper: TensorMapper, configFile: JsonFile, className: string): MappedModel {
  const config = readGpt2Config(configFile);
  const { vocabSize: V, hiddenSize: H, intermediateSize: F } = config;
  mapper.map("wte.weight", "token_embd.weight", [V, H]);
  mapper.map("wpe.weight", "position_embd.weight", [config.positions, H]);
  for (let i = 0; i < config.layers; i++) {
    const [from, to] = [`h.${i}`, `blk.${i}`];
    mapper.norm(`${from}.ln_1`, `${to}.attn_norm`, H);
    mapper.conv1d(`${from}.attn.c_attn`, `${to}.attn_qkv`, H, 3 * H);
    mapper.conv1d(`${from}.attn.c_proj`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.ln_2`, `${to}.ffn_norm`, H);
    mapper.conv1d(`${from}.mlp.c_fc`, `${to}.ffn_up`, H, F);
    mapper.conv1d(`${from}.mlp.c_proj`, `${to}.ffn_down`, F, H);
  }
  mapper.norm("ln_f", "output_norm", H);
  // The causal mask and its value, which older versions of the library stored.
  mapper.ignore(/(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/);
  const { tied } = config;
  const settings = {
    architecture: "gpt2",
    className,
    output: "lm_head",
    tied,
    vocabSize: V,
    width: H,
  } as const;
  const metadata = [...gpt2Metadata(config), ...mapDecoderHeads(mapper, configFile, settings)];
  return { metadata, vocabSize: V, contextLength: config.positions, hiddenSize: H };
}

export const GPT2: Architecture = {
  kind: "gpt2",
  classes: ["GPT2Model", "GPT2LMHeadModel", "GPT2ForSequenceClassification"],
  baseClasses: { gpt2: "GPT2Model" },
  prefixes: ["transformer.", ""],
  map: mapGpt2,
};
