/**
 * A `gpt2` model in GGUF, or a `starcoder`, which is one whose heads share keys and values: llama.cpp's keys and tensor
 * names, and ours where it has none.
 */
import type { Gpt2Hyperparameters } from "../native.js";
import { readActivation, readSharedHyperparameters, unsupportedKey, type ModelSource } from "./model-keys.js";
import { linear, norm, type TensorChecker } from "./tensor-rules.js";

// ---- hyper-parameters

export function readGpt2Hyperparameters(
  source: ModelSource,
  architecture: "gpt2" | "starcoder",
): Gpt2Hyperparameters {
  const { keys, config } = source;
  const key = (name: string) => `${architecture}.attention.${name}`;

  // What would be another model.
  if (keys.optionalBoolean(key("causal")) === false) throw unsupportedKey(source, key("causal"), false);
  checkGpt2Config(source, config ?? {}, "huggingface.config.json");

  const sharesKeys = architecture === "starcoder";
  const shared = readSharedHyperparameters(source, architecture, { sharesKeys });
  return {
    ...shared,
    ...readLocalAttention(source, architecture, shared.blockCount),
    activation: readActivation(source, architecture, "activation_function", "gelu_new"),
    scaleAttention: readFlag(source, key("scale_weights"), "scale_attn_weights", true),
    scaleAttentionByInverseLayer: readFlag(
      source,
      key("scale_by_inverse_layer"),
      "scale_attn_by_inverse_layer_idx",
      false,
    ),
  };
}

/** Which layers look back only so far, and how far. */
function readLocalAttention(
  source: ModelSource,
  architecture: string,
  blockCount: number,
): Pick<Gpt2Hyperparameters, "localLayers" | "localWindow"> {
  const { keys } = source;
  const layersKey = `${architecture}.attention.layers`;
  const windowKey = `${architecture}.attention.sliding_window`;
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
  const refuse = (entry: string) => unsupportedKey(source, `${origin}: ${entry}`, config[entry]);
  if (config["add_cross_attention"] === true) throw refuse("add_cross_attention");
  // Of Cerebras' own classes, which are GPT-2 otherwise: scales by width, and slopes for positions.
  for (const [entry, value] of Object.entries(config)) {
    if (entry.startsWith("mup_") && value !== 1 && value !== false && value !== null) throw refuse(entry);
  }
  const positions = config["position_embedding_type"] ?? "learned";
  if (positions !== "learned" && positions !== "absolute") throw refuse("position_embedding_type");
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
function checkProjection(tensors: TensorChecker, name: string, width: number, outputs: number): void {
  const [weight, bias] = linear(name, width, outputs);
  tensors.require([weight!]);
  tensors.optional([bias!]);
}

/** Checks the tensors of the decoder, but for its heads. */
export function checkGpt2Tensors({ tensors }: ModelSource, hyper: Gpt2Hyperparameters): void {
  const { vocabSize: V, contextLength, embeddingLength: H, feedForwardLength: F } = hyper;
  const { headCount: A, keyValueHeadCount = A } = hyper;
  const G = (H / A) * keyValueHeadCount;
  // As in the OPT of 350 million: embeddings that are narrower than the layers, and norms that come after.
  const projection = "token_embd_projection";
  const projected = tensors.has(`${projection}.weight`);
  const E = projected ? tensors.matrix(`${projection}.weight`)[0] : H;
  const normsAfter = tensors.has("blk.0.attn_output_norm.weight");
  const [attentionNorm, feedForwardNorm] = normsAfter
    ? ["attn_output_norm", "layer_output_norm"]
    : ["attn_norm", "ffn_norm"];
  tensors.require([
    { name: "token_embd.weight", shape: [E, V] },
    { name: "position_embd.weight", shape: [H, contextLength] },
  ]);
  if (projected) {
    checkProjection(tensors, projection, E, H);
    checkProjection(tensors, "output_projection", H, E);
  }
  for (let i = 0; i < hyper.blockCount; i++) {
    const block = `blk.${i}`;
    tensors.require(norm(`${block}.${attentionNorm}`, H));
    if (!tensors.optional(linear(`${block}.attn_qkv`, H, H + 2 * G))) {
      checkProjection(tensors, `${block}.attn_q`, H, H);
      for (const part of ["k", "v"]) checkProjection(tensors, `${block}.attn_${part}`, H, G);
    }
    tensors.require(linear(`${block}.attn_output`, H, H));
    tensors.require(norm(`${block}.${feedForwardNorm}`, H));
    tensors.require(linear(`${block}.ffn_up`, H, F));
    tensors.require(linear(`${block}.ffn_down`, F, H));
  }
  if (!normsAfter) tensors.require(norm("output_norm", H));
}
