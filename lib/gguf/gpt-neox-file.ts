/** A `gptneox` model in GGUF: llama.cpp's keys and tensor names, and ours where it has none. */
import type { GptNeoxHyperparameters } from "../native.js";
import { readActivation, readSharedHyperparameters, unsupportedKey, type ModelSource } from "./model-keys.js";
import { linear, norm } from "./tensor-rules.js";

const PREFIX = "gptneox";
/** Where the file does not say. */
const ROPE_BASE = 10_000;

// ---- hyper-parameters

export function readGptNeoxHyperparameters(source: ModelSource): GptNeoxHyperparameters {
  const { keys } = source;
  const key = (name: string) => `${PREFIX}.${name}`;
  if (keys.optionalBoolean(key("attention.causal")) === false) {
    throw unsupportedKey(source, key("attention.causal"), false);
  }
  refuseScaledRotation(source);

  const shared = readSharedHyperparameters(source, PREFIX);
  const head = shared.embeddingLength / shared.headCount;
  const dimensions = keys.optionalInteger(key("rope.dimension_count"), 1, head) ?? head;
  if (dimensions % 2 !== 0) throw keys.error(key("rope.dimension_count"), "an even number", dimensions);
  const base = key("rope.freq_base");
  return {
    ...shared,
    // llama.cpp does not write it, and computes the tanh form whatever the model has.
    activation: readActivation(source, PREFIX, "hidden_act", "gelu"),
    parallelResidual: keys.optionalBoolean(key("use_parallel_residual")) ?? true,
    ropeDimensions: dimensions,
    ropeBase: keys.has(base) ? keys.numberBetween(base, 0, 1e13) : ROPE_BASE,
  };
}

/** Ways to stretch the rotation over a longer context than the model was trained on. */
function refuseScaledRotation(source: ModelSource): void {
  const { keys } = source;
  const type = keys.optionalString(`${PREFIX}.rope.scaling.type`) ?? "none";
  if (type !== "none") throw unsupportedKey(source, `${PREFIX}.rope.scaling.type`, type);
  for (const name of ["rope.scale_linear", "rope.scaling.factor"]) {
    const key = `${PREFIX}.${name}`;
    if (!keys.has(key)) continue;
    const factor = keys.numberBetween(key, 0, 1e13);
    if (factor !== 1) throw unsupportedKey(source, key, factor);
  }
}

// ---- weights

/** Checks the tensors of the decoder, but for its heads. */
export function checkGptNeoxTensors({ tensors }: ModelSource, hyper: GptNeoxHyperparameters): void {
  const { vocabSize: V, embeddingLength: H, feedForwardLength: F } = hyper;
  tensors.require([{ name: "token_embd.weight", shape: [H, V] }]);
  for (let i = 0; i < hyper.blockCount; i++) {
    const block = `blk.${i}`;
    tensors.require(norm(`${block}.attn_norm`, H));
    // Attention may have no biases.
    for (const [weight, bias] of [
      linear(`${block}.attn_qkv`, H, 3 * H),
      linear(`${block}.attn_output`, H, H),
    ]) {
      tensors.require([weight!]);
      tensors.optional([bias!]);
    }
    tensors.require(norm(`${block}.ffn_norm`, H));
    tensors.require(linear(`${block}.ffn_up`, H, F));
    tensors.require(linear(`${block}.ffn_down`, F, H));
  }
  tensors.require(norm("output_norm", H));
}
