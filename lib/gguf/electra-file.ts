/** An `electra` model in GGUF: named as BERT in llama.cpp, with narrower embeddings (E). */
import type { BertHyperparameters } from "../native.js";
import { findHeads, readBertHyperparameters, requireBlocks, type EncoderHeads } from "./bert-file.js";
import type { ModelSource } from "./model-keys.js";
import { linear, norm } from "./tensor-rules.js";

export function readElectraHyperparameters(source: ModelSource): BertHyperparameters {
  return readBertHyperparameters(source, "electra");
}

export function checkElectraTensors({ tensors }: ModelSource, hyper: BertHyperparameters): EncoderHeads {
  const { vocabSize: V, contextLength, embeddingLength: H, segmentCount } = hyper;
  const [E] = tensors.matrix("token_embd.weight");
  tensors.require([
    { name: "token_embd.weight", shape: [E, V] },
    { name: "position_embd.weight", shape: [E, contextLength] },
    ...norm("token_embd_norm", E),
    ...(E === H ? [] : linear("token_embd_projection", E, H)),
  ]);
  if (segmentCount > 0) tensors.require([{ name: "token_types.weight", shape: [E, segmentCount] }]);
  requireBlocks({ tensors }, hyper, hyper.blockCount);
  return findHeads({ tensors }, hyper);
}
