/** What a program can learn about a loaded encoder. */
import type { ProblemType } from "./gguf/classifier.js";
import { modelInfo, type LoadedModel, type ModelInfo } from "./loading.js";
import type { DecoderFile, EncoderFile } from "./model-file.js";
import type {
  EncoderArchitecture,
  NativeHeads,
  PoolingMode,
  SparseActivation,
  SparsePooling,
} from "./native.js";

/** What is known of a loaded encoder. */
export interface EncoderInfo extends EncodingInfo {
  /** `general.architecture` of the file; RoBERTa, XLM-R, CamemBERT and DistilBERT are `"bert"` there. */
  readonly architecture: EncoderArchitecture;
}

/** What the tasks need to know of a model that encodes. */
export interface EncodingInfo extends ModelInfo {
  /** Rows of the segment embedding; 0 when there is none. */
  readonly segmentCount: number;
  /**
   * The limit of `embed` in tokens, special tokens included: sentence-transformers' `max_seq_length` when the
   * model has one, else `contextLength`.
   */
  readonly maxLength: number;
  /** Length of an embedding: H, or what the model's `Dense` layers make of it. */
  readonly dimensions: number;
  /** The default of `embed`: the model's sentence-transformers metadata or pooling key, else `"mean"`. */
  readonly pooling: PoolingMode;
  /** The default of `embed`: the model's sentence-transformers metadata, else true. */
  readonly normalize: boolean;
  /** The default of `embedSparse`: the model's sentence-transformers metadata, else `"max"`. */
  readonly sparsePooling: SparsePooling;
  /** The default of `embedSparse`: the model's sentence-transformers metadata, else `"relu"`. */
  readonly sparseActivation: SparseActivation;
  /** The model's prompts by name. */
  readonly prompts: Readonly<Record<string, string>>;
  /** Name of the prompt `embed` uses by default. */
  readonly defaultPromptName?: string;
  /** Which heads the file has. */
  readonly heads: Readonly<NativeHeads>;
  /** Names of the classifier's labels, by label number; empty without a classifier. */
  readonly labels: readonly string[];
  /** What the classifier's labels are to each other, where the file says. */
  readonly problemType?: ProblemType;
}

export function encoderInfo(loaded: LoadedModel<EncoderFile>): EncoderInfo {
  const { model, file } = loaded;
  const { hyperparameters, sentenceTransformers } = file;
  const info = {
    ...modelInfo(loaded),
    architecture: file.architecture,
    segmentCount: hyperparameters.segmentCount,
    maxLength: sentenceTransformers.maxSequenceLength ?? hyperparameters.contextLength,
    dimensions: file.dense.dimensions,
    pooling: sentenceTransformers.pooling ?? "mean",
    normalize: sentenceTransformers.normalize ?? true,
    sparsePooling: sentenceTransformers.sparsePooling ?? "max",
    sparseActivation: sentenceTransformers.sparseActivation ?? "relu",
    prompts: Object.freeze({ ...sentenceTransformers.prompts }),
    defaultPromptName: sentenceTransformers.defaultPromptName,
    heads: Object.freeze({ ...model.heads }),
    labels: Object.freeze([...file.labels]),
    problemType: file.classifier.problemType,
  };
  return Object.freeze(info);
}

/** The same of a decoder, whose weights encode too. */
export function decoderEncodingInfo(loaded: LoadedModel<DecoderFile>): EncodingInfo {
  const { model, file } = loaded;
  const info = modelInfo(loaded);
  return Object.freeze({
    ...info,
    segmentCount: 0,
    maxLength: info.contextLength,
    dimensions: info.embeddingLength,
    pooling: "last",
    normalize: true,
    sparsePooling: "max",
    sparseActivation: "relu",
    prompts: Object.freeze({}),
    heads: Object.freeze({ ...model.heads }),
    labels: Object.freeze([...file.labels]),
    problemType: file.classifier.problemType,
  });
}
