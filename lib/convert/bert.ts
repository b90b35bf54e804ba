/** From a Hugging Face BERT checkpoint to GGUF: configuration, weights, heads. */
import { UnsupportedError } from "../errors.js";
import { activationByName } from "../gguf/activation.js";
import { checkBertConfig } from "../gguf/bert-file.js";
import { crossEncoderActivation, PROBLEM_TYPES, problemTypeByName } from "../gguf/classifier.js";
import type { MetadataItem } from "../gguf/writer.js";
import type { JsonFile } from "./json-file.js";
import type { MappedModel, TensorMapper } from "./tensor-mapper.js";

export const BERT_PREFIXES = ["bert.", ""];

/** The heads each class of the transformers library has; others may be there too and are kept. */
const REQUIRED_HEADS: Readonly<Record<string, readonly Head[]>> = {
  BertModel: [],
  BertForPreTraining: ["pooler", "mlm", "nsp"],
  BertForMaskedLM: ["mlm"],
  BertForNextSentencePrediction: ["pooler", "nsp"],
  BertForSequenceClassification: ["pooler", "sequence"],
  BertForTokenClassification: ["token"],
  BertForQuestionAnswering: ["qa"],
};

type Head = "pooler" | "mlm" | "nsp" | "sequence" | "token" | "qa";

export const BERT_ARCHITECTURES: readonly string[] = Object.keys(REQUIRED_HEADS);

interface BertConfig {
  vocabSize: number; // V
  hiddenSize: number; // H
  intermediateSize: number; // F
  layers: number; // L
  heads: number; // A
  positions: number;
  segments: number;
  epsilon: number;
  activation: string;
  tied: boolean;
}

// ---- configuration

function readConfig(file: JsonFile): BertConfig {
  checkBertConfig({ path: file.path }, file.value, "config.json");
  const config: BertConfig = {
    vocabSize: file.integer("vocab_size", 1, 2 ** 31 - 1),
    hiddenSize: file.integer("hidden_size", 1, 2 ** 20),
    intermediateSize: file.integer("intermediate_size", 1, 2 ** 20),
    layers: file.integer("num_hidden_layers", 1, 65_535),
    heads: file.integer("num_attention_heads", 1, 65_535),
    // Absent entries have the defaults of the transformers library's BertConfig.
    positions: file.optionalInteger("max_position_embeddings", 1, 2 ** 20) ?? 512,
    segments: file.optionalInteger("type_vocab_size", 1, 2 ** 20) ?? 2,
    epsilon: file.value["layer_norm_eps"] === undefined ? 1e-12 : file.numberBetween("layer_norm_eps", 0, 1),
    activation: file.string("hidden_act", "gelu"),
    tied: file.boolean("tie_word_embeddings", true),
  };
  if (config.hiddenSize % config.heads !== 0)
    throw file.error("num_attention_heads", "a divisor of hidden_size");
  if (activationByName(config.activation) === undefined) {
    const message = `Activation ${JSON.stringify(config.activation)} is not computed (${file.path})`;
    throw new UnsupportedError(message, { path: file.path, field: "hidden_act", value: config.activation });
  }
  return config;
}

function makeMetadata(config: BertConfig): MetadataItem[] {
  const u32 = (key: string, value: number): MetadataItem => ({ key: `bert.${key}`, type: "u32", value });
  return [
    u32("block_count", config.layers),
    u32("context_length", config.positions),
    u32("embedding_length", config.hiddenSize),
    u32("feed_forward_length", config.intermediateSize),
    u32("attention.head_count", config.heads),
    { key: "bert.attention.layer_norm_epsilon", type: "f32", value: config.epsilon },
    { key: "bert.attention.causal", type: "bool", value: false },
    { key: "bert.hidden_activation", type: "string", value: config.activation },
    { key: "tokenizer.ggml.token_type_count", type: "u32", value: config.segments },
  ];
}

// ---- weights

function mapEncoder(mapper: TensorMapper, config: BertConfig): void {
  const { vocabSize: V, hiddenSize: H, intermediateSize: F } = config;
  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [V, H]);
  mapper.map("embeddings.position_embeddings.weight", "position_embd.weight", [config.positions, H]);
  mapper.map("embeddings.token_type_embeddings.weight", "token_types.weight", [config.segments, H]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", H);
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
  mapper.ignore(/(^|\.)embeddings\.position_ids$/);
  mapper.ignore(/(^|\.)embeddings\.token_type_ids$/);
}

/** Maps each head that the architecture has or the checkpoint brings; returns the number of labels. */
function mapHeads(mapper: TensorMapper, config: BertConfig, architecture: string): number {
  const { vocabSize: V, hiddenSize: H, tied } = config;
  const required = REQUIRED_HEADS[architecture]!;
  const present = (head: Head, source: string) =>
    required.includes(head) || mapper.find(`${source}.weight`) !== undefined;

  if (present("pooler", "pooler.dense")) mapper.linear("pooler.dense", "cls", H, H);
  if (present("mlm", "cls.predictions.transform.dense")) {
    mapper.linear("cls.predictions.transform.dense", "mlm.transform", H, H);
    mapper.norm("cls.predictions.transform.LayerNorm", "mlm.transform_norm", H);
    // The decoder's bias is the same parameter as this one; older checkpoints have either or both.
    const own = mapper.find("cls.predictions.bias") !== undefined;
    mapper.map(own ? "cls.predictions.bias" : "cls.predictions.decoder.bias", "mlm.output.bias", [V]);
    mapper.ignore(/^cls\.predictions\.decoder\.bias$/);
    if (tied) mapper.ignore(/^cls\.predictions\.decoder\.weight$/);
    else mapper.map("cls.predictions.decoder.weight", "mlm.output.weight", [V, H]);
  }
  if (present("nsp", "cls.seq_relationship")) mapper.linear("cls.seq_relationship", "nsp", 2, H);
  if (present("qa", "qa_outputs")) mapper.linear("qa_outputs", "qa", 2, H);
  const classifier = required.includes("sequence")
    ? "cls.output"
    : required.includes("token")
      ? "token_cls"
      : "";
  if (classifier === "") return 0;
  const labels = mapper.find("classifier.weight")?.shape[0] ?? 1;
  mapper.linear("classifier", classifier, labels, H);
  return labels;
}

/** The names in `id2label`, or the numbered ones the transformers library gives. */
function labelNames(config: JsonFile, count: number): string[] {
  const named = config.value["id2label"] as Record<string, unknown> | null | undefined;
  return Array.from({ length: count }, (_, i) => String(named?.[i] ?? `LABEL_${i}`));
}

/** How the classifier's logits become scores, as far as the configuration says. */
function classifierMetadata(file: JsonFile): MetadataItem[] {
  const stated = file.value["problem_type"] ?? undefined;
  const problemType = problemTypeByName(stated);
  if (stated !== undefined && problemType === undefined) {
    throw file.error("problem_type", `one of ${PROBLEM_TYPES.join(", ")}`);
  }
  const entries = { problem_type: problemType, activation: crossEncoderActivation(file.value) };
  return Object.entries(entries).flatMap(([name, value]): MetadataItem[] => {
    return value === undefined ? [] : [{ key: `bert.classifier.${name}`, type: "string", value }];
  });
}

/** Maps the whole checkpoint; returns what the file says about the model. */
export function mapBert(mapper: TensorMapper, configFile: JsonFile, architecture: string): MappedModel {
  const config = readConfig(configFile);
  mapEncoder(mapper, config);
  const labels = mapHeads(mapper, config, architecture);
  const metadata = makeMetadata(config);
  if (labels > 0) {
    const value = labelNames(configFile, labels);
    metadata.push({ key: "bert.classifier.output_labels", type: "array", itemType: "string", value });
    metadata.push(...classifierMetadata(configFile));
  }
  return {
    metadata,
    vocabSize: config.vocabSize,
    contextLength: config.positions,
    hiddenSize: config.hiddenSize,
  };
}
