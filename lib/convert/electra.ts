/** From a Hugging Face ELECTRA checkpoint to GGUF: BERT's names but for the embeddings' projection and the heads. */
import type { MetadataItem } from "../gguf/writer.js";
import { ignoreBuffers, mapBertLayers } from "./bert.js";
import { encoderMetadata, readEncoderConfig } from "./encoder-config.js";
import { classesOf, labelMetadata, mapHeads, type HeadNames } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const CLASSES = classesOf(["Electra"], {
  Model: [],
  ForPreTraining: ["rtd"],
  ForMaskedLM: ["mlm"],
  ForSequenceClassification: ["pooler", "sequence"],
  ForTokenClassification: ["token"],
  ForQuestionAnswering: ["qa"],
});

const HEADS: HeadNames = {
  mlm: {
    transform: "generator_predictions.dense",
    norm: "generator_predictions.LayerNorm",
    output: "generator_lm_head",
    bias: "generator_lm_head.bias",
  },
  rtd: {
    transform: "discriminator_predictions.dense",
    output: "discriminator_predictions.dense_prediction",
  },
  classifier: "classifier",
};
const SEQUENCE_HEADS: HeadNames = { pooler: "classifier.dense", classifier: "classifier.out_proj" };

function mapElectra(mapper: TensorMapper, file: JsonFile, name: string): MappedModel {
  const config = readEncoderConfig(file);
  const { vocabSize, hiddenSize, positions } = config;
  const E = file.optionalInteger("embedding_size", 1, 2 ** 20) ?? 128;
  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [vocabSize, E]);
  mapper.map("embeddings.position_embeddings.weight", "position_embd.weight", [positions, E]);
  mapper.map("embeddings.token_type_embeddings.weight", "token_types.weight", [config.segments, E]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", E);
  if (E !== hiddenSize) mapper.linear("embeddings_project", "token_embd_projection", hiddenSize, E);
  mapBertLayers(mapper, config);
  ignoreBuffers(mapper);

  const required = CLASSES[name]!;
  const sequence = required.includes("sequence");
  const heads = sequence ? SEQUENCE_HEADS : HEADS;
  const labels = mapHeads(mapper, { ...config, embeddingSize: E }, required, heads);
  const pooler: MetadataItem = { key: "electra.pooler_activation", type: "string", value: "gelu" };
  const metadata = [
    ...encoderMetadata("electra", config, positions),
    ...(sequence ? [pooler] : []),
    ...labelMetadata("electra", file, labels),
  ];
  return { metadata, vocabSize, contextLength: positions, hiddenSize };
}

export const ELECTRA: Architecture = {
  kind: "electra",
  classes: Object.keys(CLASSES),
  baseClasses: { electra: "ElectraModel" },
  prefixes: ["electra.", ""],
  map: mapElectra,
};
