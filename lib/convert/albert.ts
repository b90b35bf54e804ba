/** From a Hugging Face ALBERT checkpoint to GGUF: factorized embeddings, and one set of weights per group of layers. */
import { encoderMetadata, readEncoderConfig, requireEntry, BERT_ENTRIES } from "./encoder-config.js";
import { ignoreBuffers } from "./bert.js";
import { classesOf, labelMetadata, mapHeads, type HeadNames } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const CLASSES = classesOf(["Albert"], {
  Model: [],
  ForPreTraining: ["pooler", "mlm", "sop"],
  ForMaskedLM: ["mlm"],
  ForSequenceClassification: ["pooler", "sequence"],
  ForTokenClassification: ["token"],
  ForQuestionAnswering: ["qa"],
});

const HEADS: HeadNames = {
  pooler: "pooler",
  mlm: {
    transform: "predictions.dense",
    norm: "predictions.LayerNorm",
    output: "predictions.decoder",
    bias: "predictions.bias",
  },
  sop: "sop_classifier.classifier",
  classifier: "classifier",
};

const DEFAULTS = { positions: 512, segments: 2, epsilon: 1e-12, activation: "gelu_new" };

function mapGroups(mapper: TensorMapper, groups: number, H: number, F: number): void {
  for (let i = 0; i < groups; i++) {
    const [from, to] = [`encoder.albert_layer_groups.${i}.albert_layers.0`, `blk.${i}`];
    mapper.linear(`${from}.attention.query`, `${to}.attn_q`, H, H);
    mapper.linear(`${from}.attention.key`, `${to}.attn_k`, H, H);
    mapper.linear(`${from}.attention.value`, `${to}.attn_v`, H, H);
    mapper.linear(`${from}.attention.dense`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.attention.LayerNorm`, `${to}.attn_output_norm`, H);
    mapper.linear(`${from}.ffn`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.ffn_output`, `${to}.ffn_down`, H, F);
    mapper.norm(`${from}.full_layer_layer_norm`, `${to}.layer_output_norm`, H);
  }
}

function mapAlbert(mapper: TensorMapper, file: JsonFile, name: string): MappedModel {
  const config = readEncoderConfig(file, BERT_ENTRIES, DEFAULTS);
  const { vocabSize, hiddenSize, intermediateSize, positions } = config;
  const E = file.optionalInteger("embedding_size", 1, 2 ** 20) ?? 128;
  const groups = file.optionalInteger("num_hidden_groups", 1, config.layers) ?? 1;
  if (config.layers % groups !== 0) throw file.error("num_hidden_groups", "a divisor of num_hidden_layers");
  requireEntry(file, "inner_group_num", 1);

  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [vocabSize, E]);
  mapper.map("embeddings.position_embeddings.weight", "position_embd.weight", [positions, E]);
  mapper.map("embeddings.token_type_embeddings.weight", "token_types.weight", [config.segments, E]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", E);
  mapper.linear("encoder.embedding_hidden_mapping_in", "token_embd_projection", hiddenSize, E);
  mapGroups(mapper, groups, hiddenSize, intermediateSize);
  ignoreBuffers(mapper);

  const labels = mapHeads(mapper, { ...config, embeddingSize: E }, CLASSES[name]!, HEADS);
  return {
    metadata: [
      ...encoderMetadata("albert", config, positions),
      { key: "albert.group_count", type: "u32", value: groups },
      ...labelMetadata("albert", file, labels),
    ],
    vocabSize,
    contextLength: positions,
    hiddenSize,
  };
}

export const ALBERT: Architecture = {
  kind: "albert",
  classes: Object.keys(CLASSES),
  baseClasses: { albert: "AlbertModel" },
  prefixes: ["albert.", ""],
  map: mapAlbert,
};
