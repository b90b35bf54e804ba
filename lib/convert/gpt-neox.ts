/** From a Hugging Face GPT-NeoX checkpoint (Pythia, Dolly) to GGUF: llama.cpp's names for `gptneox`. */
import { ModelFileError } from "../errors.js";
import { unsupportedKey } from "../gguf/model-keys.js";
import type { MetadataItem } from "../gguf/writer.js";
import { mapDecoderHeads } from "./decoder-heads.js";
import { requireActivation } from "./encoder-config.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const KIND = "gptneox";

interface GptNeoxConfig {
  vocabSize: number; // V
  hiddenSize: number; // H
  intermediateSize: number; // F
  layers: number; // L
  heads: number; // A
  positions: number;
  epsilon: number;
  activation: string;
  parallelResidual: boolean;
  attentionBias: boolean;
  /** Rotated values of a head. */
  ropeDimensions: number;
  ropeBase: number;
}

// ---- configuration

function readConfig(file: JsonFile): GptNeoxConfig {
  const H = file.integer("hidden_size", 1, 2 ** 20);
  const heads = file.integer("num_attention_heads", 1, 65_535);
  if (H % heads !== 0) throw file.error("num_attention_heads", "a divisor of hidden_size");
  // Absent entries have the defaults of the transformers library's GPTNeoXConfig.
  const given = file.value["layer_norm_eps"];
  const config: GptNeoxConfig = {
    vocabSize: file.integer("vocab_size", 1, 2 ** 31 - 1),
    hiddenSize: H,
    intermediateSize: file.integer("intermediate_size", 1, 2 ** 20),
    layers: file.integer("num_hidden_layers", 1, 65_535),
    heads,
    positions: file.optionalInteger("max_position_embeddings", 1, 2 ** 20) ?? 2048,
    epsilon: given === undefined ? 1e-5 : file.numberBetween("layer_norm_eps", 0, 1),
    activation: file.string("hidden_act", "gelu"),
    parallelResidual: file.boolean("use_parallel_residual", true),
    attentionBias: file.boolean("attention_bias", true),
    ...readRotation(file, H / heads),
  };
  requireActivation(file, "hidden_act", config.activation);
  return config;
}

/** Newer configurations have the rotation's entries in `rope_parameters`, older ones apart. */
function readRotation(file: JsonFile, D: number): Pick<GptNeoxConfig, "ropeDimensions" | "ropeBase"> {
  const parameters = ropeEntries(file, "rope_parameters");
  ropeEntries(file, "rope_scaling");
  const number = (entries: readonly string[], fallback: number, [least, most]: readonly [number, number]) => {
    const name = entries.find((entry) => file.value[entry] != null) ?? entries.at(-1)!;
    const value = parameters[entries[0]!] ?? file.value[name] ?? fallback;
    if (typeof value === "number" && value >= least && value <= most) return value;
    const message = `Expected a number from ${least} to ${most} for ${name} but found ${JSON.stringify(value)}`;
    throw new ModelFileError(`${message} in ${file.path}`, { path: file.path, field: name });
  };
  const share = number(["partial_rotary_factor", "rotary_pct"], 0.25, [0, 1]);
  const ropeBase = number(["rope_theta", "rotary_emb_base"], 10_000, [1, 1e12]);
  const ropeDimensions = Math.floor(D * share);
  if (ropeDimensions >= 2 && ropeDimensions % 2 === 0) return { ropeDimensions, ropeBase };
  throw file.error("rotary_pct", `a share that makes an even number of a head's ${D} values`);
}

/** A rotation may be stretched in many ways, none of which is computed. */
function ropeEntries(file: JsonFile, name: string): Readonly<Record<string, unknown>> {
  const value = file.value[name] ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw file.error(name, "an object");
  const entries = value as Record<string, unknown>;
  const type = entries["rope_type"] ?? entries["type"] ?? "default";
  if (type !== "default") throw unsupportedKey(file, name, value);
  return entries;
}

function metadataOf(config: GptNeoxConfig): MetadataItem[] {
  const u32 = (key: string, value: number): MetadataItem => ({ key: `${KIND}.${key}`, type: "u32", value });
  const f32 = (key: string, value: number): MetadataItem => ({ key: `${KIND}.${key}`, type: "f32", value });
  return [
    u32("block_count", config.layers),
    u32("context_length", config.positions),
    u32("embedding_length", config.hiddenSize),
    u32("feed_forward_length", config.intermediateSize),
    u32("attention.head_count", config.heads),
    f32("attention.layer_norm_epsilon", config.epsilon),
    u32("rope.dimension_count", config.ropeDimensions),
    f32("rope.freq_base", config.ropeBase),
    { key: `${KIND}.use_parallel_residual`, type: "bool", value: config.parallelResidual },
    { key: `${KIND}.hidden_activation`, type: "string", value: config.activation },
  ];
}

// ---- weights

function mapGptNeox(mapper: TensorMapper, file: JsonFile, className: string): MappedModel {
  const config = readConfig(file);
  const { vocabSize: V, hiddenSize: H, intermediateSize: F, heads, attentionBias } = config;
  mapper.map("embed_in.weight", "token_embd.weight", [V, H]);
  for (let i = 0; i < config.layers; i++) {
    const [from, to] = [`layers.${i}`, `blk.${i}`];
    mapper.norm(`${from}.input_layernorm`, `${to}.attn_norm`, H);
    mapper.interleaved(`${from}.attention.query_key_value`, `${to}.attn_qkv`, heads, H, attentionBias);
    mapper.map(`${from}.attention.dense.weight`, `${to}.attn_output.weight`, [H, H]);
    if (attentionBias) mapper.map(`${from}.attention.dense.bias`, `${to}.attn_output.bias`, [H]);
    mapper.norm(`${from}.post_attention_layernorm`, `${to}.ffn_norm`, H);
    mapper.linear(`${from}.mlp.dense_h_to_4h`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.mlp.dense_4h_to_h`, `${to}.ffn_down`, H, F);
  }
  mapper.norm("final_layer_norm", "output_norm", H);
  // The causal mask, its value and the rotation's frequencies, which older versions of the library stored.
  mapper.ignore(/(^|\.)layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/);
  mapper.ignore(/(^|\.)rotary_emb\.inv_freq$/);
  const tied = file.boolean("tie_word_embeddings", false);
  const settings = {
    architecture: KIND,
    className,
    output: "embed_out",
    tied,
    vocabSize: V,
    width: H,
  } as const;
  const metadata = [...metadataOf(config), ...mapDecoderHeads(mapper, file, settings)];
  return { metadata, vocabSize: V, contextLength: config.positions, hiddenSize: H };
}

export const GPT_NEOX: Architecture = {
  kind: KIND,
  classes: ["GPTNeoXModel", "GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification"],
  baseClasses: { gpt_neox: "GPTNeoXModel" },
  prefixes: ["gpt_neox.", ""],
  map: mapGptNeox,
};
