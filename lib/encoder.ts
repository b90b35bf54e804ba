import type { EncoderInput } from "./inputs.js";
import type { LoadOptions, ModelInfo } from "./loading.js";
import type { NativeMemory, PoolingMode } from "./native.js";
import type { EmbedOptions } from "./tasks/embed.js";
import type { EncodeOptions, EncoderOutput } from "./tasks/encode.js";
import type { FillMaskOptions, FillMaskResult } from "./tasks/fill-mask.js";
import type { NextSentenceOptions, NextSentenceResult } from "./tasks/next-sentence.js";
import type { Tokenizer } from "./tokenizer/index.js";

/** What is known of a loaded encoder. */
export interface EncoderInfo extends ModelInfo {
  readonly architecture: "bert";
  /**
   * The limit of `embed` in tokens, special tokens included: sentence-transformers' `max_seq_length` when the
   * model has one, else `contextLength`.
   */
  readonly maxLength: number;
  /** Length of an embedding, H. */
  readonly dimensions: number;
  /** The default of `embed`: the model's sentence-transformers metadata or pooling key, else `"mean"`. */
  readonly pooling: PoolingMode;
  /** The default of `embed`: the model's sentence-transformers metadata, else true. */
  readonly normalize: boolean;
  /** The model's prompts by name. */
  readonly prompts: Readonly<Record<string, string>>;
  /** Name of the prompt `embed` uses by default. */
  readonly defaultPromptName?: string;
  /** Which heads the file has. */
  readonly heads: { readonly pooler: boolean; readonly mlm: boolean; readonly nextSentence: boolean };
}

/** A loaded BERT-family encoder. */
export declare class Encoder implements AsyncDisposable, Disposable {
  private constructor();
  /** Loads a model: a path to a GGUF file, or the name of an embedded one (`"mini-embed"`, `"mini-bert"`). */
  static load(pathOrName: string, options?: LoadOptions): Promise<Encoder>;
  readonly info: EncoderInfo;
  readonly tokenizer: Tokenizer;
  embed(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  encode(input: EncoderInput, options?: EncodeOptions): Promise<EncoderOutput>;
  encode(inputs: readonly EncoderInput[], options?: EncodeOptions): Promise<EncoderOutput[]>;
  fillMask(text: string, options?: FillMaskOptions): Promise<FillMaskResult>;
  fillMask(texts: readonly string[], options?: FillMaskOptions): Promise<FillMaskResult[]>;
  nextSentence(a: string, b: string, options?: NextSentenceOptions): Promise<NextSentenceResult>;
  nextSentence(
    pairs: readonly (readonly [a: string, b: string])[],
    options?: NextSentenceOptions,
  ): Promise<NextSentenceResult[]>;
  /** Bytes in use. */
  memory(): NativeMemory;
  /** Frees the model; calls in flight and later ones reject with `DisposedError`. Idempotent. */
  dispose(): Promise<void>;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}
