/** An `albert` model in GGUF: named as BERT in llama.cpp, with narrower embeddings (E) and shared blocks. */
import type { AlbertHyperparameters } from "../native.js";
import { findHeads, readBertHyperparameters, requireBlocks, type EncoderHeads } from "./bert-file.js";
import type { ModelSource } from "./model-keys.js";
import { linear, norm } from "./tensor-rules.js";

export function readAlbertHyperparameters(source: ModelSource): AlbertHyperparameters {
  const hyper = readBertHyperparameters(source, "albert", "gelu_new");
  const key = "albert.group_count";
  const groupCount = source.keys.integer(key, 1, hyper.blockCount);
  if (hyper.blockCount % groupCount !== 0) {
    throw source.keys.error(key, `a divisor of ${hyper.blockCount}`, groupCount);
  }
  return { ...hyper, groupCount };
}

export function checkAlbertTensors({ tensors }: ModelSource, hyper: AlbertHyperparameters): EncoderHeads {
  const { vocabSize: V, contextLength, embeddingLength: H } = hyper;
  const [E] = tensors.matrix("token_embd.weight");
  tensors.require([
    { name: "token_embd.weight", shape: [E, V] },
    { name: "position_embd.weight", shape: [E, contextLength] },
    { name: "token_types.weight", shape: [E, hyper.segmentCount] },
    ...norm("token_embd_norm", E),
    ...linear("token_embd_projection", E, H),
  ]);
  requireBlocks({ tensors }, hyper, hyper.groupCount);
  const heads = findHeads({ tensors }, hyper);
  const sentenceOrder = tensors.optional(linear("sop", H, 2));
  return { ...heads, nextSentence: sentenceOrder && heads.pooler };
}
