/**
 * From a Hugging Face RoBERTa checkpoint to GGUF; XLM-R and CamemBERT are the same network. It is BERT but for
 * two things. Positions count from the padding token's id plus one: the rows before are never used and left out,
 * as llama.cpp does, which makes the file a `bert`. And a classifier has a hidden layer of its own instead of the
 * pooler, which computes the same.
 */
import { activationByName } from "../gguf/activation.js";
import { unsupportedKey } from "../gguf/model-keys.js";
import { ignoreBuffers, mapBertLayers } from "./bert.js";
import { BERT_DEFAULTS, BERT_ENTRIES, encoderMetadata, readEncoderConfig } from "./encoder-config.js";
import { classesOf, labelMetadata, mapHeads, type HeadNames } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

export const ROBERTA_CLASSES = {
  Model: [],
  ForMaskedLM: ["mlm"],
  ForSequenceClassification: ["pooler", "sequence"],
  ForTokenClassification: ["token"],
  ForQuestionAnswering: ["qa"],
} as const;
const CLASSES = classesOf(["Roberta", "XLMRoberta", "Camembert"], ROBERTA_CLASSES);

/** MPNet names its classes and heads alike. */
export const ROBERTA_HEADS: HeadNames = {
  pooler: "pooler.dense",
  mlm: {
    transform: "lm_head.dense",
    norm: "lm_head.layer_norm",
    output: "lm_head.decoder",
    bias: "lm_head.bias",
  },
  classifier: "classifier",
};
export const ROBERTA_SEQUENCE_HEADS: HeadNames = {
  pooler: "classifier.dense",
  classifier: "classifier.out_proj",
};

/** Refuses a masked-token head, whose activation is `gelu`, over layers with another one. */
export function requireGeluHead(file: JsonFile, mapper: TensorMapper, activation: string): void {
  if (mapper.find("lm_head.dense.weight") === undefined || activationByName(activation) === "gelu") return;
  throw unsupportedKey(file, "hidden_act (with a masked-token head)", activation);
}

function mapRoberta(mapper: TensorMapper, file: JsonFile, name: string): MappedModel {
  const config = readEncoderConfig(file, BERT_ENTRIES, BERT_DEFAULTS);
  const { vocabSize, hiddenSize, positions } = config;
  const offset = (file.optionalInteger("pad_token_id", 0, 2 ** 31 - 1) ?? 1) + 1;
  if (offset >= positions) throw file.error("pad_token_id", "less than max_position_embeddings - 1");
  requireGeluHead(file, mapper, config.activation);

  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [vocabSize, hiddenSize]);
  mapper.mapRowsFrom(offset, "embeddings.position_embeddings.weight", "position_embd.weight", [
    positions,
    hiddenSize,
  ]);
  mapper.map("embeddings.token_type_embeddings.weight", "token_types.weight", [config.segments, hiddenSize]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", hiddenSize);
  mapBertLayers(mapper, config);
  ignoreBuffers(mapper);

  const required = CLASSES[name]!;
  const labels = mapHeads(
    mapper,
    config,
    required,
    required.includes("sequence") ? ROBERTA_SEQUENCE_HEADS : ROBERTA_HEADS,
  );
  const context = positions - offset;
  const metadata = [...encoderMetadata("bert", config, context), ...labelMetadata("bert", file, labels)];
  return { metadata, vocabSize, contextLength: context, hiddenSize };
}

export const ROBERTA: Architecture = {
  kind: "bert",
  classes: Object.keys(CLASSES),
  baseClasses: { roberta: "RobertaModel", "xlm-roberta": "XLMRobertaModel", camembert: "CamembertModel" },
  prefixes: ["roberta.", ""],
  map: mapRoberta,
};
