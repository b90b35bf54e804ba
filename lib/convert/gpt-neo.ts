/**
 * From a Hugging Face GPT-Neo checkpoint to GGUF. GPT-Neo (Black et al., 2021) computes what GPT-2 computes, with
 * projections apart, scores that are not scaled, and layers that look back only so far: its files are of GPT-2's
 * architecture.
 */
import { unsupportedKey } from "../gguf/model-keys.js";
import type { MetadataItem } from "../gguf/writer.js";
import { mapDecoderHeads } from "./decoder-heads.js";
import { gpt2Metadata, requireActivation } from "./gpt2.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

type Reach = "global" | "local";

/** `attention_types` is a list of [kinds, times], for example [[["global", "local"], 12]]. */
function readReaches(file: JsonFile, layers: number): Reach[] {
  const expected = (): Error => {
    return file.error(
      "attention_types",
      `"global" and "local" for ${layers} layers, as [[kinds, times], ...]`,
    );
  };
  const groups = file.value["attention_types"] ?? [[["global", "local"], 12]];
  if (!Array.isArray(groups)) throw expected();
  const reaches: Reach[] = [];
  for (const group of groups as unknown[]) {
    const [kinds, times] = Array.isArray(group) ? (group as unknown[]) : [];
    if (!Array.isArray(kinds) || !Number.isInteger(times)) throw expected();
    for (let i = 0; i < Number(times) && reaches.length <= layers; i++) {
      for (const kind of kinds as unknown[]) {
        if (kind !== "global" && kind !== "local") throw expected();
        reaches.push(kind);
      }
    }
  }
  if (reaches.length !== layers) throw expected();
  return reaches;
}

function localMetadata(file: JsonFile, layers: number): MetadataItem[] {
  const value = readReaches(file, layers);
  const window = file.optionalInteger("window_size", 1, 2 ** 20) ?? 256;
  if (!value.includes("local")) return [];
  return [
    { key: "gpt2.attention.sliding_window", type: "u32", value: window },
    { key: "gpt2.attention.layers", type: "array", itemType: "string", value },
  ];
}

function mapGptNeo(mapper: TensorMapper, file: JsonFile, className: string): MappedModel {
  const V = file.integer("vocab_size", 1, 2 ** 31 - 1);
  const H = file.integer("hidden_size", 1, 2 ** 20);
  const F = file.optionalInteger("intermediate_size", 1, 2 ** 20) ?? 4 * H;
  const layers = file.integer("num_layers", 1, 65_535);
  const heads = file.integer("num_heads", 1, 65_535);
  const positions = file.integer("max_position_embeddings", 1, 2 ** 20);
  const activation = file.string("activation_function", "gelu_new");
  const given = file.value["layer_norm_epsilon"];
  const epsilon = given === undefined ? 1e-5 : file.numberBetween("layer_norm_epsilon", 0, 1);
  if (H % heads !== 0) throw file.error("num_heads", "a divisor of hidden_size");
  requireActivation(file, activation);
  if (file.value["attention_layers"] !== undefined && file.value["attention_types"] === undefined) {
    throw unsupportedKey(file, "attention_layers", file.value["attention_layers"]);
  }

  mapper.map("wte.weight", "token_embd.weight", [V, H]);
  mapper.map("wpe.weight", "position_embd.weight", [positions, H]);
  for (let i = 0; i < layers; i++) {
    const [from, to] = [`h.${i}`, `blk.${i}`];
    mapper.norm(`${from}.ln_1`, `${to}.attn_norm`, H);
    for (const part of ["q", "k", "v"]) {
      mapper.map(`${from}.attn.attention.${part}_proj.weight`, `${to}.attn_${part}.weight`, [H, H]);
    }
    mapper.linear(`${from}.attn.attention.out_proj`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.ln_2`, `${to}.ffn_norm`, H);
    mapper.linear(`${from}.mlp.c_fc`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.mlp.c_proj`, `${to}.ffn_down`, H, F);
  }
  mapper.norm("ln_f", "output_norm", H);
  // The causal mask and its value, which older versions of the library stored.
  mapper.ignore(/(^|\.)h\.\d+\.attn\.attention\.(bias|masked_bias)$/);
  const sizes = { hiddenSize: H, intermediateSize: F, layers, heads, positions, epsilon, activation };
  const metadata = gpt2Metadata({ ...sizes, scaleWeights: false, scaleByInverseLayer: false });
  metadata.push(...localMetadata(file, layers));
  const tied = file.boolean("tie_word_embeddings", true);
  const settings = {
    architecture: "gpt2",
    className,
    output: "lm_head",
    tied,
    vocabSize: V,
    width: H,
  } as const;
  metadata.push(...mapDecoderHeads(mapper, file, settings));
  return { metadata, vocabSize: V, contextLength: positions, hiddenSize: H };
}

export const GPT_NEO: Architecture = {
  kind: "gpt2",
  classes: ["GPTNeoModel", "GPTNeoForCausalLM", "GPTNeoForSequenceClassification"],
  baseClasses: { gpt_neo: "GPTNeoModel" },
  prefixes: ["transformer.", ""],
  map: mapGptNeo,
};
