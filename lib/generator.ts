import type { LoadOptions, ModelInfo } from "./loading.js";
import type { NativeMemory } from "./native.js";
import type { Tensor } from "./tensor.js";
import type { Tokenizer } from "./tokenizer/index.js";

/** What is known of a loaded decoder. */
export interface GeneratorInfo extends ModelInfo {
  readonly architecture: "gpt2";
  /** The token that ends a generation, when the tokenizer has one. */
  readonly eosToken?: number;
}

/** A prompt: a text, or token ids used exactly as they are. */
export type GeneratorInput = string | { readonly ids: ArrayLike<number> };

/** Options of {@link Generator.generate} and {@link Generator.stream}. */
export interface GenerateOptions {
  /** At most this many new tokens; at least 1. Default: 128. */
  maxTokens?: number;
  /**
   * Divides the logits before sampling; 0 always takes the most likely token (greedy). Default: 0, or 1 when
   * `topK`, `topP` or `seed` is given, which mean nothing without sampling.
   */
  temperature?: number;
  /** Sample among the k most likely tokens; 0 for all. Default: 0. */
  topK?: number;
  /** Sample among the fewest most likely tokens whose probability reaches p, in (0, 1]. Default: 1 (all). */
  topP?: number;
  /** Unsigned 32-bit seed: the same seed gives the same text. Default: random, and reported in the result. */
  seed?: number;
  /** Generation ends when the text contains one of these; neither it nor what follows is part of `text`. */
  stop?: string | readonly string[];
  /** Generate past the model's end-of-text token. Default: false. */
  ignoreEos?: boolean;
  /** Report the log-probability of each token under the model's own distribution. Default: false. */
  logprobs?: boolean;
  /** Aborts the generation; it then rejects with an `AbortError`. */
  signal?: AbortSignal;
  /** Called for each chunk as it becomes final; `stream` gives the same chunks. */
  onToken?: (chunk: GenerationChunk) => void;
}

/** One new token. Joined, the `text` of all chunks is the `text` of the result. */
export interface GenerationChunk {
  /**
   * What this token adds to the text. Characters whose bytes are not all there yet and text that may turn out
   * to be a stop string are held back: it is then `""` and a later chunk brings them.
   */
  readonly text: string;
  /** Token id. */
  readonly token: number;
  /** Natural logarithm of its probability; with `logprobs: true`. */
  readonly logprob?: number;
}

/** What {@link Generator.generate} returns. */
export interface Generation {
  /** The new text, without the prompt and without the stop string. */
  readonly text: string;
  /** The new token ids, those that spell the stop string included, the end-of-text token not. */
  readonly tokens: Int32Array;
  /** Natural logarithm of each token's probability; with `logprobs: true`. */
  readonly logprobs?: Float32Array;
  /**
   * `"stop"`: the end-of-text token or a stop string; `"length"`: `maxTokens` reached; `"context"`: the
   * model's context is full (its positions are absolute, so nothing can be shifted out); `"cancelled"`: the
   * consumer of a stream left its loop.
   */
  readonly finishReason: "stop" | "length" | "context" | "cancelled";
  /** The stop string that was found. */
  readonly stopString?: string;
  /** The seed used; 0 when greedy. */
  readonly seed: number;
  readonly timings: GenerationTimings;
}

/** Where the time of a generation went. */
export interface GenerationTimings {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Milliseconds waiting for other work on the model. */
  readonly queuedMs: number;
  /** Milliseconds from the start of the prompt's evaluation to the first new token. */
  readonly promptMs: number;
  /** Milliseconds for the new tokens after the first. */
  readonly decodeMs: number;
  /** Prompt tokens evaluated per second. */
  readonly promptTokensPerSecond: number;
  /** New tokens after the first per second; 0 when there is only one. */
  readonly generatedTokensPerSecond: number;
}

/** The chunks of a generation, which starts at the first `next()` and ends when the consumer leaves. */
export interface GenerationStream extends AsyncIterableIterator<GenerationChunk> {
  /** The whole generation; settles when the stream has ended. */
  readonly result: Promise<Generation>;
}

/** Options of {@link Generator.logits}. */
export interface LogitsOptions {
  /** Aborts the call; it then rejects with an `AbortError`. */
  signal?: AbortSignal;
}

/** What {@link Generator.logits} returns. */
export interface Logits extends Tensor {
  /** The token ids, [S]; row i of `data` [S, V] predicts the token after the i-th. */
  readonly ids: Int32Array;
}

/** A loaded GPT-2-family decoder. */
export declare class Generator implements AsyncDisposable, Disposable {
  private constructor();
  /** Loads a model: a path to a GGUF file, or the name of an embedded one (`"mini-gpt2"`). */
  static load(pathOrName: string, options?: LoadOptions): Promise<Generator>;
  readonly info: GeneratorInfo;
  readonly tokenizer: Tokenizer;
  generate(prompt: GeneratorInput, options?: GenerateOptions): Promise<Generation>;
  stream(prompt: GeneratorInput, options?: GenerateOptions): GenerationStream;
  logits(input: GeneratorInput, options?: LogitsOptions): Promise<Logits>;
  /** Bytes in use. */
  memory(): NativeMemory;
  /** Frees the model; calls in flight and later ones reject with `DisposedError`. Idempotent. */
  dispose(): Promise<void>;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}
