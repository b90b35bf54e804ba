/**
 * From a Hugging Face DistilBERT checkpoint to GGUF. It is BERT without segments and pooler, under other names, and
 * so becomes a `bert`, as with llama.cpp. Its sequence classifier has a hidden layer with another activation.
 */
import type { MetadataItem } from "../gguf/writer.js";
import { ignoreBuffers } from "./bert.js";
import { encoderMetadata, readEncoderConfig, type EncoderConfig } from "./encoder-config.js";
import { classesOf, labelMetadata, mapHeads, type HeadNames } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const CLASSES = classesOf(["DistilBert"], {
  Model: [],
  ForMaskedLM: ["mlm"],
  ForSequenceClassification: ["pooler", "sequence"],
  ForTokenClassification: ["token"],
  ForQuestionAnswering: ["qa"],
});

const HEADS: HeadNames = {
  mlm: {
    transform: "vocab_transform",
    norm: "vocab_layer_norm",
    output: "vocab_projector",
    bias: "vocab_projector.bias",
  },
  classifier: "classifier",
};

const ENTRIES = {
  hidden: "dim",
  intermediate: "hidden_dim",
  layers: "n_layers",
  heads: "n_heads",
  activation: "activation",
  // The library has no entry for it.
  epsilon: "",
};
const DEFAULTS = { positions: 512, segments: 0, epsilon: 1e-12, activation: "gelu" };

function mapLayers(mapper: TensorMapper, config: EncoderConfig): void {
  const { hiddenSize: H, intermediateSize: F } = config;
  for (let i = 0; i < config.layers; i++) {
    const [from, to] = [`transformer.layer.${i}`, `blk.${i}`];
    mapper.linear(`${from}.attention.q_lin`, `${to}.attn_q`, H, H);
    mapper.linear(`${from}.attention.k_lin`, `${to}.attn_k`, H, H);
    mapper.linear(`${from}.attention.v_lin`, `${to}.attn_v`, H, H);
    mapper.linear(`${from}.attention.out_lin`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.sa_layer_norm`, `${to}.attn_output_norm`, H);
    mapper.linear(`${from}.ffn.lin1`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.ffn.lin2`, `${to}.ffn_down`, H, F);
    mapper.norm(`${from}.output_layer_norm`, `${to}.layer_output_norm`, H);
  }
}

function mapDistilbert(mapper: TensorMapper, file: JsonFile, name: string): MappedModel {
  const config = readEncoderConfig(file, ENTRIES, DEFAULTS);
  const { vocabSize, hiddenSize, positions } = config;
  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [vocabSize, hiddenSize]);
  mapper.map("embeddings.position_embeddings.weight", "position_embd.weight", [positions, hiddenSize]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", hiddenSize);
  mapLayers(mapper, config);
  ignoreBuffers(mapper);

  const required = CLASSES[name]!;
  const sequence = required.includes("sequence");
  const heads = sequence ? { ...HEADS, pooler: "pre_classifier" } : HEADS;
  const labels = mapHeads(mapper, config, required, heads);
  const pooler: MetadataItem = { key: "bert.pooler_activation", type: "string", value: "relu" };
  const metadata = [
    ...encoderMetadata("bert", config, positions),
    ...(sequence ? [pooler] : []),
    ...labelMetadata("bert", file, labels),
  ];
  return { metadata, vocabSize, contextLength: positions, hiddenSize };
}

export const DISTILBERT: Architecture = {
  kind: "bert",
  classes: Object.keys(CLASSES),
  baseClasses: { distilbert: "DistilBertModel" },
  prefixes: ["distilbert.", ""],
  map: mapDistilbert,
};
