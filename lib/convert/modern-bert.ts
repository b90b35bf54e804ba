/** From a Hugging Face ModernBERT checkpoint to GGUF: llama.cpp's names for `modern-bert`, and ours for the head. */
import { ModelFileError } from "../errors.js";
import { unsupportedKey } from "../gguf/model-keys.js";
import type { MetadataItem } from "../gguf/writer.js";
import { encoderMetadata, readEncoderConfig, requireEntry, type EncoderConfig } from "./encoder-config.js";
import { labelMetadata } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const CLASSES = [
  "ModernBertModel",
  "ModernBertForMaskedLM",
  "ModernBertForSequenceClassification",
  "ModernBertForTokenClassification",
  "ModernBertForQuestionAnswering",
];
/** What the file calls the last layer of each classifier. */
const CLASSIFIERS: Readonly<Record<string, string>> = {
  ModernBertForSequenceClassification: "cls.output",
  ModernBertForTokenClassification: "token_cls",
  ModernBertForQuestionAnswering: "qa",
};

const ENTRIES = {
  hidden: "hidden_size",
  intermediate: "intermediate_size",
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  activation: "hidden_activation",
  epsilon: "norm_eps",
};
const DEFAULTS = { positions: 8192, segments: 0, epsilon: 1e-5, activation: "gelu" };

/** Which layers look at everything: 0, n, 2n, …; `layer_types`, when there, has to say the same. */
function globalEvery(file: JsonFile, layers: number): number {
  const every = file.optionalInteger("global_attn_every_n_layers", 1, 1024) ?? 3;
  const types: unknown = file.value["layer_types"] ?? undefined;
  if (types === undefined) return every;
  const said = Array.isArray(types) ? (types as unknown[]) : [];
  const expected = Array.from({ length: layers }, (_, i) =>
    i % every === 0 ? "full_attention" : "sliding_attention",
  );
  if (said.length === layers && expected.every((type, i) => type === said[i])) return every;
  throw unsupportedKey(file, "layer_types", types);
}

/** The base of the rotation's frequencies: newer configurations have it in `rope_parameters`. */
function ropeBase(file: JsonFile, layerType: string, older: string, fallback: number): number {
  const all = file.value["rope_parameters"] as Record<string, unknown> | null | undefined;
  const own = (all?.[layerType] ?? undefined) as Record<string, unknown> | undefined;
  const type = own?.["rope_type"] ?? "default";
  if (type !== "default") throw unsupportedKey(file, `rope_parameters.${layerType}.rope_type`, type);
  const base = own?.["rope_theta"] ?? file.value[older] ?? fallback;
  if (typeof base === "number" && base >= 1 && base <= 1e12) return base;
  const message = `Expected a number from 1 to 1e12 for ${older} but found ${JSON.stringify(base)} in ${file.path}`;
  throw new ModelFileError(message, { path: file.path, field: older });
}

/** A weight without a bias beside it. */
function weight(mapper: TensorMapper, source: string, name: string, ...shape: number[]): void {
  mapper.map(`${source}.weight`, `${name}.weight`, shape);
}

function mapLayers(
  mapper: TensorMapper,
  { layers, hiddenSize: H, intermediateSize: F }: EncoderConfig,
): void {
  for (let i = 0; i < layers; i++) {
    const [from, to] = [`layers.${i}`, `blk.${i}`];
    // The embeddings are normalized already.
    if (i > 0) weight(mapper, `${from}.attn_norm`, `${to}.attn_norm`, H);
    weight(mapper, `${from}.attn.Wqkv`, `${to}.attn_qkv`, 3 * H, H);
    weight(mapper, `${from}.attn.Wo`, `${to}.attn_output`, H, H);
    weight(mapper, `${from}.mlp_norm`, `${to}.ffn_norm`, H);
    weight(mapper, `${from}.mlp.Wi`, `${to}.ffn_up`, 2 * F, H);
    weight(mapper, `${from}.mlp.Wo`, `${to}.ffn_down`, H, F);
  }
}

function mapModernBert(mapper: TensorMapper, file: JsonFile, className: string): MappedModel {
  const config = readEncoderConfig(file, ENTRIES, DEFAULTS);
  const { vocabSize: V, hiddenSize: H, positions } = config;
  for (const flag of ["norm_bias", "attention_bias", "mlp_bias"]) requireEntry(file, flag, false);
  requireEntry(file, "rope_scaling", null);
  if ((H / config.heads) % 2 !== 0)
    throw file.error("num_attention_heads", "heads of an even number of values");
  const every = globalEvery(file, config.layers);
  const window = file.optionalInteger("local_attention", 1, 2 ** 20) ?? 128;

  weight(mapper, "embeddings.tok_embeddings", "token_embd", V, H);
  weight(mapper, "embeddings.norm", "token_embd_norm", H);
  mapLayers(mapper, config);
  weight(mapper, "final_norm", "output_norm", H);
  const classifier = CLASSIFIERS[className];
  const masked = className === "ModernBertForMaskedLM" || mapper.find("head.dense.weight") !== undefined;
  const labels = classifier === undefined ? 0 : mapClassifier(mapper, file, classifier, H);
  if (classifier === undefined && masked) mapHead(mapper, file, V, H);

  const f32 = (key: string, value: number) => ({ key: `modern-bert.${key}`, type: "f32" as const, value });
  const u32 = (key: string, value: number) => ({ key: `modern-bert.${key}`, type: "u32" as const, value });
  const metadata = [
    ...encoderMetadata("modern-bert", config, positions),
    u32("attention.sliding_window", window),
    u32("attention.sliding_window_pattern", every),
    f32("rope.freq_base", ropeBase(file, "full_attention", "global_rope_theta", 160_000)),
    f32("rope.freq_base_swa", ropeBase(file, "sliding_attention", "local_rope_theta", 10_000)),
    ...classifierMetadata(file, classifier, labels),
  ];
  return { metadata, vocabSize: V, contextLength: positions, hiddenSize: H };
}

function mapHead(mapper: TensorMapper, file: JsonFile, V: number, H: number): void {
  requireEntry(file, "classifier_activation", "gelu");
  requireEntry(file, "classifier_bias", false);
  requireEntry(file, "decoder_bias", true);
  weight(mapper, "head.dense", "mlm.transform", H, H);
  weight(mapper, "head.norm", "mlm.transform_norm", H);
  mapper.map("decoder.bias", "mlm.output.bias", [V]);
  if (file.boolean("tie_word_embeddings", true)) mapper.ignoreName("decoder.weight");
  else mapper.map("decoder.weight", "mlm.output.weight", [V, H]);
}

/** A head of dense, GELU and norm before the last layer, over the pooled text or over every token. */
function mapClassifier(mapper: TensorMapper, file: JsonFile, name: string, H: number): number {
  requireEntry(file, "classifier_activation", "gelu");
  requireEntry(file, "classifier_bias", false);
  const labels = mapper.find("classifier.weight")?.shape[0] ?? 1;
  weight(mapper, "head.dense", "cls", H, H);
  weight(mapper, "head.norm", "cls.norm", H);
  mapper.linear("classifier", name, name === "qa" ? 2 : labels, H);
  return name === "qa" ? 0 : labels;
}

function classifierMetadata(file: JsonFile, classifier: string | undefined, labels: number): MetadataItem[] {
  if (classifier === undefined) return [];
  const value = file.value["classifier_pooling"] ?? "cls";
  if (value !== "cls" && value !== "mean") throw unsupportedKey(file, "classifier_pooling", value);
  const pooling: MetadataItem = { key: "modern-bert.classifier.pooling", type: "string", value };
  return [pooling, ...labelMetadata("modern-bert", file, labels)];
}

export const MODERN_BERT: Architecture = {
  kind: "modern-bert",
  classes: CLASSES,
  baseClasses: { modernbert: "ModernBertModel" },
  prefixes: ["model.", ""],
  map: mapModernBert,
};
