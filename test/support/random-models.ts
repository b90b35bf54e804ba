/**
 * Writes checkpoints with random weights in Hugging Face's folder layout: any BERT or GPT-2 shape, any head,
 * any float type, sharded or not, with a vocabulary to match. The same options give the same files.
 */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gaussian, random } from "./random.js";
import { count, writeSafetensors, type CheckpointTensor, type FloatType } from "./safetensors.js";
import { byteLevelVocabulary, wordPieceVocabulary } from "./vocabularies.js";

export interface SharedOptions {
  /** Default: 1. */
  seed?: number;
  /** L. Default: 2. */
  layers?: number;
  /** H. Default: 64. */
  hidden?: number;
  /** A. Default: 4. */
  heads?: number;
  /** F. Default: 4 H. */
  intermediate?: number;
  /** V. Default: 400 for BERT, 400 for GPT-2, or the size of `tokenizerFrom`'s. */
  vocabSize?: number;
  /** Rows of the position embedding. Default: 128. */
  positions?: number;
  /** Hugging Face's name. Default: the architecture's own. */
  activation?: string;
  /** Type of the stored weights. Default: F32. */
  dtype?: FloatType;
  /** Standard deviation of the matrices. Default: 0.08, which makes attention and logits far from uniform. */
  std?: number;
  /** Number of safetensors files; above 1 there is an index. Default: 1. */
  shards?: number;
  /** Folder to copy the tokenizer from, instead of a made-up vocabulary. */
  tokenizerFrom?: string;
  /** Which vocabulary files to write. Default: `"json"` (tokenizer.json, tokenizer_config.json). */
  tokenizerFormat?: "json" | "files" | "both" | "none";
  /** Entries that go over the generated `config.json`. */
  config?: Record<string, unknown>;
  /** Return the weights. Default: true; false for models that do not fit in memory twice. */
  keepWeights?: boolean;
}

export type BertArchitecture =
  | "BertModel"
  | "BertForPreTraining"
  | "BertForMaskedLM"
  | "BertForNextSentencePrediction"
  | "BertForSequenceClassification"
  | "BertForTokenClassification"
  | "BertForQuestionAnswering";

export interface RandomBertOptions extends SharedOptions {
  /** Default: BertForPreTraining. */
  architecture?: BertArchitecture;
  /** Rows of the segment embedding. Default: 2. */
  segments?: number;
  /** Labels of a classifier, or their number. Default: 3, called `label 0` and so on. */
  labels?: number | readonly string[];
  /** Whether the masked-token head shares the token embedding. Default: true. */
  tied?: boolean;
  /** Adds the files of a sentence-transformers folder. */
  sentenceTransformers?: {
    /** Default: mean. */
    pooling?: "mean" | "cls" | "max" | "last";
    /** Default: true. */
    normalize?: boolean;
    maxSequenceLength?: number;
    prompts?: Record<string, string>;
    defaultPromptName?: string;
  };
}

export interface RandomGpt2Options extends SharedOptions {
  /** Default: GPT2LMHeadModel. */
  architecture?: "GPT2Model" | "GPT2LMHeadModel" | "GPT2ForSequenceClassification";
  /** Labels of a classifier. Default: 3, called `label 0` and so on. */
  labels?: number;
  /** Whether the head shares the token embedding. Default: true. */
  tied?: boolean;
}

/** What was written. */
export interface RandomModel {
  dir: string;
  /** `config.json`. */
  config: Record<string, unknown>;
  /** The weights as stored (before narrowing), by the checkpoint's names; PyTorch's shapes. Empty without `keepWeights`. */
  weights: Map<string, { shape: readonly number[]; data: Float32Array }>;
}

/** Writes a BERT checkpoint into `dir`, which is created. */
export async function writeRandomBert(dir: string, options: RandomBertOptions = {}): Promise<RandomModel> {
  const architecture = options.architecture ?? "BertForPreTraining";
  const vocabSize = await writeTokenizer(dir, "bert", options);
  const hidden = options.hidden ?? 64;
  const config: Record<string, unknown> = {
    architectures: [architecture],
    model_type: "bert",
    vocab_size: vocabSize,
    hidden_size: hidden,
    num_hidden_layers: options.layers ?? 2,
    num_attention_heads: options.heads ?? 4,
    intermediate_size: options.intermediate ?? 4 * hidden,
    hidden_act: options.activation ?? "gelu",
    max_position_embeddings: options.positions ?? 128,
    type_vocab_size: options.segments ?? 2,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: "absolute",
    tie_word_embeddings: options.tied ?? true,
    ...options.config,
  };
  const { labels = 3 } = options;
  const names = typeof labels === "number" ? Array.from({ length: labels }, (_, i) => `label ${i}`) : labels;
  if (/Classification/.test(architecture)) config["id2label"] = Object.fromEntries(names.entries());
  const tensors = bertTensors(config, architecture, names.length, weightMaker(options), options.tied ?? true);
  if (options.sentenceTransformers)
    await writeSentenceTransformers(dir, hidden, options.sentenceTransformers);
  return writeModel(dir, config, tensors, options);
}

/** Writes a GPT-2 checkpoint into `dir`, which is created. */
export async function writeRandomGpt2(dir: string, options: RandomGpt2Options = {}): Promise<RandomModel> {
  const architecture = options.architecture ?? "GPT2LMHeadModel";
  const vocabSize = await writeTokenizer(dir, "gpt2", options);
  const hidden = options.hidden ?? 64;
  const positions = options.positions ?? 128;
  const config: Record<string, unknown> = {
    architectures: [architecture],
    model_type: "gpt2",
    vocab_size: vocabSize,
    n_embd: hidden,
    n_layer: options.layers ?? 2,
    n_head: options.heads ?? 4,
    n_inner: options.intermediate ?? null,
    n_positions: positions,
    n_ctx: positions,
    activation_function: options.activation ?? "gelu_new",
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: options.tied ?? true,
    bos_token_id: vocabSize - 1,
    eos_token_id: vocabSize - 1,
    ...options.config,
  };
  const make = weightMaker(options);
  const tensors = gpt2Tensors(config, architecture, make, options.tied ?? true);
  if (architecture === "GPT2ForSequenceClassification") {
    const { labels = 3 } = options;
    config["id2label"] = Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `label ${i}`]));
    tensors.push(make.matrix("score.weight", labels, hidden));
  }
  return writeModel(dir, config, tensors, options);
}

// ---- weights

export interface WeightMaker {
  matrix(name: string, rows: number, width: number): CheckpointTensor;
  bias(name: string, size: number): CheckpointTensor;
  /** Scales around 1. */
  scale(name: string, size: number): CheckpointTensor;
}

export function weightMaker(options: SharedOptions): WeightMaker {
  const normal = gaussian(random(options.seed ?? 1));
  const std = options.std ?? 0.08;
  const make = (name: string, shape: number[], mean: number, deviation: number): CheckpointTensor => ({
    name,
    shape,
    write: (data) => {
      for (let i = 0; i < data.length; i++) data[i] = mean + deviation * normal();
    },
  });
  return {
    matrix: (name, rows, width) => make(name, [rows, width], 0, std),
    bias: (name, size) => make(name, [size], 0, 0.05),
    scale: (name, size) => make(name, [size], 1, 0.1),
  };
}

function bertTensors(
  config: Record<string, unknown>,
  architecture: BertArchitecture,
  labels: number,
  make: WeightMaker,
  tied: boolean,
): CheckpointTensor[] {
  const sizes = config as Record<string, number>;
  const H = sizes["hidden_size"]!;
  const F = sizes["intermediate_size"]!;
  const V = sizes["vocab_size"]!;
  const prefix = architecture === "BertModel" ? "" : "bert.";
  const linear = (name: string, rows: number, width: number) => [
    make.matrix(`${name}.weight`, rows, width),
    make.bias(`${name}.bias`, rows),
  ];
  const norm = (name: string) => [make.scale(`${name}.weight`, H), make.bias(`${name}.bias`, H)];
  const embeddings = `${prefix}embeddings`;
  const tensors = [
    make.matrix(`${embeddings}.word_embeddings.weight`, V, H),
    make.matrix(`${embeddings}.position_embeddings.weight`, sizes["max_position_embeddings"]!, H),
    make.matrix(`${embeddings}.token_type_embeddings.weight`, sizes["type_vocab_size"]!, H),
    ...norm(`${embeddings}.LayerNorm`),
  ];
  for (let i = 0; i < sizes["num_hidden_layers"]!; i++) {
    const layer = `${prefix}encoder.layer.${i}`;
    for (const part of ["query", "key", "value"])
      tensors.push(...linear(`${layer}.attention.self.${part}`, H, H));
    tensors.push(...linear(`${layer}.attention.output.dense`, H, H));
    tensors.push(...norm(`${layer}.attention.output.LayerNorm`));
    tensors.push(...linear(`${layer}.intermediate.dense`, F, H));
    tensors.push(...linear(`${layer}.output.dense`, H, F));
    tensors.push(...norm(`${layer}.output.LayerNorm`));
  }
  if (!/MaskedLM|TokenClassification|QuestionAnswering/.test(architecture)) {
    tensors.push(...linear(`${prefix}pooler.dense`, H, H));
  }
  if (/PreTraining|MaskedLM/.test(architecture)) {
    tensors.push(make.bias("cls.predictions.bias", V));
    tensors.push(...linear("cls.predictions.transform.dense", H, H));
    tensors.push(...norm("cls.predictions.transform.LayerNorm"));
    if (!tied) tensors.push(make.matrix("cls.predictions.decoder.weight", V, H));
  }
  if (/PreTraining|NextSentence/.test(architecture)) tensors.push(...linear("cls.seq_relationship", 2, H));
  if (/Classification/.test(architecture)) tensors.push(...linear("classifier", labels, H));
  if (/QuestionAnswering/.test(architecture)) tensors.push(...linear("qa_outputs", 2, H));
  return tensors;
}

function gpt2Tensors(
  config: Record<string, unknown>,
  architecture: string,
  make: WeightMaker,
  tied: boolean,
): CheckpointTensor[] {
  const sizes = config as Record<string, number>;
  const H = sizes["n_embd"]!;
  const F = sizes["n_inner"] ?? 4 * H;
  const V = sizes["vocab_size"]!;
  const prefix = architecture === "GPT2Model" ? "" : "transformer.";
  // GPT-2's linear layers are stored [in, out].
  const conv = (name: string, from: number, to: number) => [
    make.matrix(`${name}.weight`, from, to),
    make.bias(`${name}.bias`, to),
  ];
  const norm = (name: string) => [make.scale(`${name}.weight`, H), make.bias(`${name}.bias`, H)];
  const tensors = [
    make.matrix(`${prefix}wte.weight`, V, H),
    make.matrix(`${prefix}wpe.weight`, sizes["n_positions"]!, H),
  ];
  for (let i = 0; i < sizes["n_layer"]!; i++) {
    const layer = `${prefix}h.${i}`;
    tensors.push(...norm(`${layer}.ln_1`), ...conv(`${layer}.attn.c_attn`, H, 3 * H));
    tensors.push(...conv(`${layer}.attn.c_proj`, H, H), ...norm(`${layer}.ln_2`));
    tensors.push(...conv(`${layer}.mlp.c_fc`, H, F), ...conv(`${layer}.mlp.c_proj`, F, H));
  }
  tensors.push(...norm(`${prefix}ln_f`));
  if (architecture === "GPT2LMHeadModel" && !tied) tensors.push(make.matrix("lm_head.weight", V, H));
  return tensors;
}

// ---- files

const fiveDigits = (n: number) => String(n).padStart(5, "0");

const sentenceModule = (idx: number, path: string, type: string) => {
  return { idx, name: String(idx), path, type: `sentence_transformers.models.${type}` };
};

export async function writeModel(
  dir: string,
  config: Record<string, unknown>,
  tensors: CheckpointTensor[],
  options: SharedOptions,
): Promise<RandomModel> {
  const weights: RandomModel["weights"] = new Map();
  const keep = (tensor: CheckpointTensor, data: Float32Array) => {
    if (options.keepWeights ?? true) weights.set(tensor.name, { shape: tensor.shape, data });
  };
  const dtype = options.dtype ?? "F32";
  const shards = options.shards ?? 1;
  await writeFile(join(dir, "config.json"), JSON.stringify(config, undefined, 2));
  if (shards === 1) {
    await writeSafetensors(join(dir, "model.safetensors"), tensors, dtype, keep);
    return { dir, config, weights };
  }
  const weightMap: Record<string, string> = {};
  const perShard = Math.ceil(tensors.length / shards);
  for (let i = 0; i < shards; i++) {
    const part = tensors.slice(i * perShard, (i + 1) * perShard);
    const file = `model-${fiveDigits(i + 1)}-of-${fiveDigits(shards)}.safetensors`;
    await writeSafetensors(join(dir, file), part, dtype, keep);
    for (const { name } of part) weightMap[name] = file;
  }
  const total = tensors.reduce((sum, { shape }) => sum + count(shape) * (dtype === "F32" ? 4 : 2), 0);
  const index = { metadata: { total_size: total }, weight_map: weightMap };
  await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify(index));
  return { dir, config, weights };
}

const TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt"];

/** Writes or copies the vocabulary; returns V. */
export async function writeTokenizer(
  dir: string,
  kind: "bert" | "gpt2",
  options: SharedOptions,
): Promise<number> {
  await mkdir(dir, { recursive: true });
  const { tokenizerFrom, tokenizerFormat = "json" } = options;
  if (tokenizerFrom !== undefined) {
    for (const file of TOKENIZER_FILES) {
      const source = join(tokenizerFrom, file);
      if (existsSync(source)) await copyFile(source, join(dir, file));
    }
    const config = JSON.parse(await readFile(join(tokenizerFrom, "config.json"), "utf8")) as Record<
      string,
      number
    >;
    return options.vocabSize ?? config["vocab_size"]!;
  }
  const vocabSize = options.vocabSize ?? 400;
  const files = kind === "bert" ? wordPieceVocabulary(vocabSize) : byteLevelVocabulary(vocabSize);
  for (const [file, text] of Object.entries(files)) {
    const isJson = file === "tokenizer.json";
    const wanted =
      file === "tokenizer_config.json"
        ? tokenizerFormat !== "none"
        : tokenizerFormat === "both" || tokenizerFormat === (isJson ? "json" : "files");
    if (wanted) await writeFile(join(dir, file), text);
  }
  return vocabSize;
}

async function writeSentenceTransformers(
  dir: string,
  hidden: number,
  options: NonNullable<RandomBertOptions["sentenceTransformers"]>,
): Promise<void> {
  const modules = [sentenceModule(0, "", "Transformer"), sentenceModule(1, "1_Pooling", "Pooling")];
  if (options.normalize ?? true) modules.push(sentenceModule(2, "2_Normalize", "Normalize"));
  const mode = options.pooling ?? "mean";
  const pooling = {
    word_embedding_dimension: hidden,
    pooling_mode_cls_token: mode === "cls",
    pooling_mode_mean_tokens: mode === "mean",
    pooling_mode_max_tokens: mode === "max",
    pooling_mode_mean_sqrt_len_tokens: false,
    pooling_mode_lasttoken: mode === "last",
  };
  await mkdir(join(dir, "1_Pooling"), { recursive: true });
  await writeFile(join(dir, "modules.json"), JSON.stringify(modules));
  await writeFile(join(dir, "1_Pooling", "config.json"), JSON.stringify(pooling));
  if (options.maxSequenceLength !== undefined) {
    const text = JSON.stringify({ max_seq_length: options.maxSequenceLength, do_lower_case: false });
    await writeFile(join(dir, "sentence_bert_config.json"), text);
  }
  if (options.prompts !== undefined) {
    const text = JSON.stringify({
      prompts: options.prompts,
      default_prompt_name: options.defaultPromptName ?? null,
    });
    await writeFile(join(dir, "config_sentence_transformers.json"), text);
  }
}
