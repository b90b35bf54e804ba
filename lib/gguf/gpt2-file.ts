/** A `gpt2` model in GGUF: llama.cpp's keys and tensor names, and ours where it has none. */
import type { Gpt2Hyperparameters } from "../native.js";
import { readActivation, readSharedHyperparameters, unsupportedKey, type ModelSource } from "./model-keys.js";
import { linear, norm, type TensorChecker } from "./tensor-rules.js";

// ---- hyper-parameters

export function readGpt2Hyperparameters(source: ModelSource): Gpt2Hyperparameters {
  const { keys, config } = source;

  // What would be another model.
  if (keys.optionalBoolean("gpt2.attention.causal") === false) {
    throw unsupportedKey(source, "gpt2.attention.causal", false);
  }
  checkGpt2Config(source, config ?? {}, "huggingface.config.json");

  const shared = readSharedHyperparameters(source, "gpt2");
  return {
    ...shared,
    ...readLocalAttention(source, shared.blockCount),
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

/** Which layers look back only so far, and how far. */
function readLocalAttention(
  source: ModelSource,
  blockCount: number,
): Pick<Gpt2Hyperparameters, "localLayers" | "localWindow"> {
  const { keys } = source;
  const [layersKey, windowKey] = ["gpt2.attention.layers", "gpt2.attention.sliding_window"];
  const layers = keys.optionalStrings(layersKey);
  const window = keys.optionalInteger(windowKey, 0, 2 ** 20) ?? 0;
  if (layers === undefined) {
    // It does not say which layers are meant.
    if (window > 0) throw unsupportedKey(source, windowKey, window);
    return {};
  }
  if (layers.length !== blockCount || layers.some((each) => each !== "global" && each !== "local")) {
    throw keys.error(layersKey, `"global" or "local" for each of ${blockCount} blocks`, layers);
  }
  if (!layers.includes("local")) return {};
  if (window === 0) throw keys.error(windowKey, "an integer of at least 1", window);
  return { localLayers: layers.map((each) => (each === "local" ? "1" : "0")).join(""), localWindow: window };
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

/** One of three projections apart, with a bias or, as in GPT-Neo, without. */
function checkProjection(tensors: TensorChecker, name: string, H: number): void {
  const [weight, bias] = linear(name, H, H);
  tensors.require([weight!]);
  tensors.optional([bias!]);
}

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
    if (!fused) for (const part of ["q", "k", "v"]) checkProjection(tensors, `${block}.attn_${part}`, H);
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
