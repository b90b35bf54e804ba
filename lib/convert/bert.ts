/** From a Hugging Face BERT checkpoint to GGUF: configuration, weights, heads. */
import { encoderMetadata, readEncoderConfig, type EncoderConfig } from "./encoder-config.js";
import { classesOf, labelMetadata, mapHeads, type HeadNames } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const CLASSES = classesOf(["Bert"], {
  Model: [],
  ForPreTraining: ["pooler", "mlm", "nsp"],
  ForMaskedLM: ["mlm"],
  ForNextSentencePrediction: ["pooler", "nsp"],
  ForSequenceClassification: ["pooler", "sequence"],
  ForTokenClassification: ["token"],
  ForQuestionAnswering: ["qa"],
});

const HEADS: HeadNames = {
  pooler: "pooler.dense",
  mlm: {
    transform: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    output: "cls.predictions.decoder",
    bias: "cls.predictions.bias",
  },
  nsp: "cls.seq_relationship",
  classifier: "classifier",
};

/** The layers, which several architectures name as BERT does. */
export function mapBertLayers(mapper: TensorMapper, config: EncoderConfig): void {
  const { hiddenSize: H, intermediateSize: F } = config;
  for (let i = 0; i < config.layers; i++) {
    const [from, to] = [`encoder.layer.${i}`, `blk.${i}`];
    mapper.linear(`${from}.attention.self.query`, `${to}.attn_q`, H, H);
    mapper.linear(`${from}.attention.self.key`, `${to}.attn_k`, H, H);
    mapper.linear(`${from}.attention.self.value`, `${to}.attn_v`, H, H);
    mapper.linear(`${from}.attention.output.dense`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.attention.output.LayerNorm`, `${to}.attn_output_norm`, H);
    mapper.linear(`${from}.intermediate.dense`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.output.dense`, `${to}.ffn_down`, H, F);
    mapper.norm(`${from}.output.LayerNorm`, `${to}.layer_output_norm`, H);
  }
}

/** Buffers of older versions of the library, which count from 0 or are all 0. */
export function ignoreBuffers(mapper: TensorMapper): void {
  mapper.ignore(/(^|\.)embeddings\.position_ids$/);
  mapper.ignore(/(^|\.)embeddings\.token_type_ids$/);
}

function mapBert(mapper: TensorMapper, file: JsonFile, name: string): MappedModel {
  const config = readEncoderConfig(file);
  const { vocabSize, hiddenSize, positions } = config;
  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [vocabSize, hiddenSize]);
  mapper.map("embeddings.position_embeddings.weight", "position_embd.weight", [positions, hiddenSize]);
  mapper.map("embeddings.token_type_embeddings.weight", "token_types.weight", [config.segments, hiddenSize]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", hiddenSize);
  mapBertLayers(mapper, config);
  ignoreBuffers(mapper);
  const labels = mapHeads(mapper, config, CLASSES[name]!, HEADS);
  const metadata = [...encoderMetadata("bert", config, positions), ...labelMetadata("bert", file, labels)];
  return { metadata, vocabSize, contextLength: positions, hiddenSize };
}

export const BERT: Architecture = {
  kind: "bert",
  classes: Object.keys(CLASSES),
  baseClasses: { bert: "BertModel" },
  prefixes: ["bert.", ""],
  map: mapBert,
};
