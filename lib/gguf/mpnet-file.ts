/** An `mpnet` model in GGUF: named as BERT in llama.cpp, with T5's name there for the bias of distances. */
import type { BertHyperparameters } from "../native.js";
import { findHeads, readBertHyperparameters, requireBlocks, type EncoderHeads } from "./bert-file.js";
import type { ModelSource } from "./model-keys.js";
import { norm } from "./tensor-rules.js";

/** Of distances between tokens. */
const BUCKETS = 32;

export function readMpnetHyperparameters(source: ModelSource): BertHyperparameters {
  return { ...readBertHyperparameters(source, "mpnet"), segmentCount: 0 };
}

export function checkMpnetTensors({ tensors }: ModelSource, hyper: BertHyperparameters): EncoderHeads {
  const { vocabSize: V, contextLength, embeddingLength: H, headCount: A } = hyper;
  tensors.require([
    { name: "token_embd.weight", shape: [H, V] },
    { name: "position_embd.weight", shape: [H, contextLength] },
    { name: "attn_rel_b.weight", shape: [A, BUCKETS] },
    ...norm("token_embd_norm", H),
  ]);
  requireBlocks({ tensors }, hyper, hyper.blockCount);
  return findHeads({ tensors }, hyper);
}
