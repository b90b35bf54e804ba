/** A `gpt2` model in GGUF: llama.cpp's keys and tensor names, and ours where it has none. */
import type { Gpt2Hyperparameters } from "../native.js";
import { readActivation, readSharedHyperparameters, unsupportedKey, type ModelSource } from "./model-keys.js";
import { linear, norm } from "./tensor-rules.js";

// ---- hyper-parameters

export function readGpt2Hyperparameters(source: ModelSource): Gpt2Hyperparameters {
  const { keys, config } = source;

  // What would be another model.
  if (keys.optionalBoolean("gpt2.attention.causal") === false) {
    throw unsupportedKey(source, "gpt2.attention.causal", false);
  }
  checkGpt2Config(source, config ?? {}, "huggingface.config.json");

  return {
    ...readSharedHyperparameters(source, "gpt2"),
    activation: readActivation(source, "gpt2", "activation_function", "gelu_new"),
    scaleAttention: readFlag(source, "gpt2.attention.scale_weights", "scale_attn_weights", true),
    scaleAttentionByInverseLayer: readFlag(
      source,
      "gpt2.attention.scale_by_inverse_layer",
      "scale_attn_by_inverse_layer_idx",
      false,
    ),
  };
}

/** Refuses a Hugging Face configuration that asks for more than the graph computes. */
export function checkGpt2Config(
  source: { path: string },
  config: Readonly<Record<string, unknown>>,
  origin: string,
): void {
  if (config["add_cross_attention"] === true) {
    throw unsupportedKey(source, `${origin}: add_cross_attention`, true);
  }
}

function readFlag(
  { keys, config }: ModelSource,
  key: string,
  configName: string,
  fallback: boolean,
): boolean {
  const configured = config?.[configName];
  return keys.optionalBoolean(key) ?? (typeof configured === "boolean" ? configured : fallback);
}

// ---- weights

/** Checks the tensors of the decoder. `output.weight` is absent when the head is tied to the embedding. */
export function checkGpt2Tensors(
  { tensors }: ModelSource,
  hyper: Gpt2Hyperparameters,
): { tiedHead: boolean; sequenceLabels: number } {
  const { vocabSize: V, contextLength, embeddingLength: H, feedForwardLength: F } = hyper;
  tensors.require([
    { name: "token_embd.weight", shape: [H, V] },
    { name: "position_embd.weight", shape: [H, contextLength] },
  ]);
  for (let i = 0; i < hyper.blockCount; i++) {
    const block = `blk.${i}`;
    tensors.require(norm(`${block}.attn_norm`, H));
    const fused = tensors.optional(linear(`${block}.attn_qkv`, H, 3 * H));
    if (!fused) for (const part of ["q", "k", "v"]) tensors.require(linear(`${block}.attn_${part}`, H, H));
    tensors.require(linear(`${block}.attn_output`, H, H));
    tensors.require(norm(`${block}.ffn_norm`, H));
    tensors.require(linear(`${block}.ffn_up`, H, F));
    tensors.require(linear(`${block}.ffn_down`, F, H));
  }
  tensors.require(norm("output_norm", H));
  const classifier = "cls.output.weight";
  const sequenceLabels = tensors.has(classifier) ? tensors.matrix(classifier)[1] : 0;
  tensors.optional([{ name: classifier, shape: [H, sequenceLabels] }]);
  return { tiedHead: !tensors.optional([{ name: "output.weight", shape: [H, V] }]), sequenceLabels };
}
