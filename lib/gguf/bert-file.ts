/** A `bert` model in GGUF: llama.cpp's keys and tensor names, and ours where it has none. */
import type { BertHyperparameters, EncoderArchitecture } from "../native.js";
import { isObject } from "../options.js";
import { activationByName } from "./activation.js";
import { readActivation, readSharedHyperparameters, unsupportedKey, type ModelSource } from "./model-keys.js";
import { linear, norm, type TensorRule } from "./tensor-rules.js";

/** The heads an encoder's file has. */
export interface EncoderHeads {
  /** tanh(W h_[CLS] + b). */
  pooler: boolean;
  /** Masked-token logits. */
  mlm: boolean;
  /** Next-sentence logits; needs the pooler. */
  nextSentence: boolean;
  /** Labels of a classifier over the pooler's output; 0 when there is none. */
  sequenceLabels: number;
  /** Labels of a classifier over every token; 0 when there is none. */
  tokenLabels: number;
  /** Start and end logits of an answer. */
  questionAnswering: boolean;
  /** Tells for each token whether it was replaced. */
  replacedTokens: boolean;
}

// ---- hyper-parameters

export function readBertHyperparameters(
  source: ModelSource,
  architecture: EncoderArchitecture = "bert",
  activation = "gelu",
): BertHyperparameters {
  const { tensors } = source;
  refuseOtherModels(source, architecture);
  const shared = readSharedHyperparameters(source, architecture);
  const segmentCount = tensors.has("token_types.weight") ? tensors.matrix("token_types.weight")[1] : 0;
  return {
    ...shared,
    segmentCount,
    activation: readActivation(source, architecture, "hidden_act", activation),
    poolerActivation: readPoolerActivation(source, architecture),
  };
}

/** What no graph of an encoder computes. */
export function refuseOtherModels(source: ModelSource, architecture: EncoderArchitecture): void {
  const causal = `${architecture}.attention.causal`;
  if (source.keys.optionalBoolean(causal) === true) throw unsupportedKey(source, causal, true);
  checkBertConfig(source, source.config ?? {}, "huggingface.config.json");
}

function readPoolerActivation(source: ModelSource, architecture: EncoderArchitecture) {
  const key = `${architecture}.pooler_activation`;
  const name = source.keys.optionalString(key) ?? "tanh";
  const activation = activationByName(name);
  if (activation === undefined) throw unsupportedKey(source, key, name);
  return activation;
}

/** Refuses a Hugging Face configuration that asks for more than the graph computes. */
export function checkBertConfig(
  source: { path: string },
  config: Readonly<Record<string, unknown>>,
  origin: string,
): void {
  const positions = config["position_embedding_type"] ?? "absolute";
  if (positions !== "absolute") throw unsupportedKey(source, `${origin}: position_embedding_type`, positions);
  for (const flag of ["is_decoder", "add_cross_attention"]) {
    if (config[flag] === true) throw unsupportedKey(source, `${origin}: ${flag}`, true);
  }
  // Layers of fewer heads than the rest.
  const pruned = config["pruned_heads"] ?? {};
  if (!isObject(pruned) || Object.keys(pruned).length > 0)
    throw unsupportedKey(source, `${origin}: pruned_heads`, pruned);
}

// ---- weights

/** Checks the tensors of the encoder and finds its heads. */
export function checkBertTensors({ tensors }: ModelSource, hyper: BertHyperparameters): EncoderHeads {
  const { vocabSize: V, contextLength, embeddingLength: H, segmentCount } = hyper;
  tensors.require([
    { name: "token_embd.weight", shape: [H, V] },
    { name: "position_embd.weight", shape: [H, contextLength] },
    ...norm("token_embd_norm", H),
  ]);
  if (segmentCount > 0) tensors.require([{ name: "token_types.weight", shape: [H, segmentCount] }]);

  requireBlocks({ tensors }, hyper, hyper.blockCount);
  return findHeads({ tensors }, hyper);
}

/** So many post-LN blocks. */
export function requireBlocks(
  { tensors }: Pick<ModelSource, "tensors">,
  { embeddingLength: H, feedForwardLength: F }: BertHyperparameters,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const block = `blk.${i}`;
    const fused = tensors.optional(linear(`${block}.attn_qkv`, H, 3 * H));
    if (!fused) for (const part of ["q", "k", "v"]) tensors.require(linear(`${block}.attn_${part}`, H, H));
    tensors.require(linear(`${block}.attn_output`, H, H));
    tensors.require(norm(`${block}.attn_output_norm`, H));
    tensors.require(linear(`${block}.ffn_up`, H, F));
    tensors.require(linear(`${block}.ffn_down`, F, H));
    tensors.require(norm(`${block}.layer_output_norm`, H));
  }
}

/** The heads in the file; E is the width of the token embedding, to which the masked-token head returns. */
export function findHeads(
  { tensors }: Pick<ModelSource, "tensors">,
  { embeddingLength: H, vocabSize: V }: { embeddingLength: number; vocabSize: number },
): EncoderHeads {
  const [E] = tensors.matrix("token_embd.weight");
  const pooler = tensors.optional(linear("cls", H, H));
  const mlm = tensors.optional(mlmHead(H, E, V));
  if (mlm) tensors.optional([{ name: "mlm.output.weight", shape: [E, V] }]);
  const nextSentence = tensors.optional(linear("nsp", H, 2));
  return {
    pooler,
    mlm,
    nextSentence: nextSentence && pooler,
    sequenceLabels: countLabels({ tensors }, "cls.output", H),
    tokenLabels: countLabels({ tensors }, "token_cls", H),
    questionAnswering: tensors.optional(linear("qa", H, 2)),
    replacedTokens: tensors.optional([...linear("rtd.transform", H, H), ...linear("rtd.output", H, 1)]),
  };
}

/** A classifier has as many labels as its weight has rows; 0 when it is not there. */
export function countLabels({ tensors }: Pick<ModelSource, "tensors">, name: string, H: number): number {
  const labels = tensors.has(`${name}.weight`) ? tensors.matrix(`${name}.weight`)[1] : undefined;
  return tensors.optional(linear(name, H, labels)) ? labels! : 0;
}

function mlmHead(H: number, E: number, V: number): TensorRule[] {
  return [
    ...linear("mlm.transform", H, E),
    ...norm("mlm.transform_norm", E),
    { name: "mlm.output.bias", shape: [V] },
  ];
}
