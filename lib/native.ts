/**
 * The typed mirror of the addon, and the only file that knows it is native.
 *
 * Shapes use the symbols of the documentation: `B` sequences, `S` tokens of one sequence, `T` tokens of a
 * ragged batch (the sequences end to end, no padding), `H` hidden, `A` heads, `L` layers, `V` vocabulary.
 */
import { onAbort } from "./abort.js";
import {
  AbortError,
  DeviceError,
  DisposedError,
  GgmlTransformersError,
  InputTooLongError,
  InternalError,
  InvalidArgumentError,
  ModelFileError,
  OutOfMemoryError,
  UnsupportedError,
} from "./errors.js";
import { loadAddon } from "./load-addon.js";

/** A GGML tensor type that weights may have. */
export type TensorType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q8_0"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K";

/** One row of the tensor table handed to the addon, which checks it again against the mapped file. */
export interface TensorEntry {
  name: string;
  type: TensorType;
  /** Dimensions, innermost (contiguous) first, as in GGUF. One to four. */
  shape: number[];
  /** Bytes from the beginning of the file. */
  offset: number;
}

/** What the addon needs to know to load a model. */
export interface ModelSpec {
  path: string;
  architecture: EncoderArchitecture | "gpt2";
  hyperparameters: EncoderHyperparameters | Gpt2Hyperparameters;
  tensors: TensorEntry[];
}

export type EncoderArchitecture = "bert" | "electra" | "albert" | "mpnet" | "modern-bert";

export type EncoderHyperparameters = BertHyperparameters | AlbertHyperparameters | ModernBertHyperparameters;

/** Feed-forward activation: `gelu` is the erf form, `gelu_new` the tanh form, as Hugging Face names them. */
export type Activation = "gelu" | "gelu_new" | "relu" | "silu" | "tanh";

/** Of BERT; of ELECTRA, and of MPNet, which has no segments. */
export interface BertHyperparameters {
  vocabSize: number; // V
  contextLength: number; // rows of the position embedding
  embeddingLength: number; // H
  feedForwardLength: number; // F
  blockCount: number; // L
  headCount: number; // A
  layerNormEpsilon: number;
  segmentCount: number; // rows of the segment embedding, 0 when there is none
  activation: Activation;
  /** Of the pooler's output. */
  poolerActivation: Activation;
}

export interface AlbertHyperparameters extends BertHyperparameters {
  /** Sets of weights that the layers share. */
  groupCount: number;
}

export interface ModernBertHyperparameters {
  vocabSize: number; // V
  contextLength: number; // most tokens of a sequence
  embeddingLength: number; // H
  feedForwardLength: number; // F
  blockCount: number; // L
  headCount: number; // A
  layerNormEpsilon: number;
  segmentCount: 0;
  activation: Activation;
  /** Layers 0, n, 2n, … look at all tokens. */
  globalEvery: number;
  /** How many tokens the other layers look to either side. */
  localReach: number;
  /** Bases of the rotations' frequencies. */
  globalRopeBase: number;
  localRopeBase: number;
}

export interface Gpt2Hyperparameters {
  vocabSize: number;
  contextLength: number;
  embeddingLength: number;
  feedForwardLength: number;
  blockCount: number;
  headCount: number;
  layerNormEpsilon: number;
  activation: Activation;
  /** Divide attention scores by sqrt(D). */
  scaleAttention: boolean;
  /** Divide attention scores of layer i by i + 1 as well. */
  scaleAttentionByInverseLayer: boolean;
}

export interface NativeLoadOptions {
  /** `"cpu"`, `"cuda"`, `"cuda:1"`, `"metal"`; `"auto"` is resolved before this call. */
  device: string;
  /** Compute threads; 0 chooses from physical cores, CPU affinity and cgroup quota. */
  threads: number;
  /** Refuse the model when it needs more than this many bytes; 0 means what the machine has available. */
  maxMemory: number;
  /** On the CPU, run GGML's plain operations instead of the fused ones: the correctness baseline. */
  generic?: boolean;
  /** Tokens computed in one batch, unless one sequence is longer; 0 or absent chooses by the weights' size. */
  tokenBudget?: number;
  /** Bytes of keys and values kept for later prompts that begin alike; absent: 0. */
  promptCache?: number;
  /** Measure every operation; see {@link NativeModel.profile}. */
  profile?: boolean;
}

/** Work in flight. `cancel` makes the promise reject with an abort as soon as the engine notices; idempotent. */
export interface NativeTask<T> {
  promise: Promise<T>;
  cancel(): void;
}

export type PoolingMode = "mean" | "cls" | "max" | "last";

export interface EncodeRequest {
  /** Token ids of all sequences end to end, [T]. */
  ids: Int32Array;
  /** Segment ids, [T]; zeros when absent. */
  segments?: Int32Array;
  /** Length of each sequence, [B]; their sum is T. Zero-length sequences are refused. */
  lengths: Int32Array;
  /** Pool the last hidden state per sequence: `pooled`, [B, H]. */
  pooling?: PoolingMode;
  /** Scale each pooled vector to unit L2 length (a zero vector stays zero). */
  normalize?: boolean;
  /** `lastHiddenState`, [T, H]. */
  lastHiddenState?: boolean;
  /** `poolerOutput` = tanh(W h_[CLS] + b), [B, H]; the model must have a pooler. */
  poolerOutput?: boolean;
  /** `hiddenStates`: per sequence [L + 1, S, H], sequences end to end. */
  hiddenStates?: boolean;
  /** `attentions`: per sequence [L, A, S, S] (rows: queries), sequences end to end. */
  attentions?: boolean;
  /** Positions in [0, T) whose masked-token logits are wanted: `mlmLogits`, [M, V]; the model must have the head. */
  mlmPositions?: Int32Array;
  /** `nextSentenceLogits`, [B, 2] = (is next, not next); the model must have the head. */
  nextSentence?: boolean;
  /** `sequenceLogits`, [B, labels]: the classifier over the pooler's output; the model must have both. */
  sequenceLogits?: boolean;
  /** `tokenLogits`, [T, labels]: the classifier over every token; the model must have it. */
  tokenLogits?: boolean;
  /** `answerLogits`, [T, 2] = (start, end) of an answer; the model must have the head. */
  answerLogits?: boolean;
  /** `sparse`, [B]: weights of the vocabulary's tokens; the model must have a masked-token head. */
  sparse?: SparseRequest;
}

export type SparsePooling = "max" | "sum";
export type SparseActivation = "relu" | "log1p_relu";

export interface SparseRequest {
  pooling: SparsePooling;
  activation: SparseActivation;
  /** Only weights above it are returned; at least 0. */
  threshold: number;
  /** Only so many, the largest, are returned; at least 1. */
  most: number;
}

/** The weights that are kept, in order of token ids. */
export interface SparseVector {
  indices: Int32Array;
  values: Float32Array;
}

/** Outputs that are plain numbers. */
export interface DenseResult {
  pooled?: Float32Array;
  lastHiddenState?: Float32Array;
  poolerOutput?: Float32Array;
  hiddenStates?: Float32Array;
  attentions?: Float32Array;
  mlmLogits?: Float32Array;
  nextSentenceLogits?: Float32Array;
  sequenceLogits?: Float32Array;
  tokenLogits?: Float32Array;
  answerLogits?: Float32Array;
}

export interface EncodeResult extends DenseResult {
  sparse?: SparseVector[];
}

export interface SamplingOptions {
  /** Softmax temperature; 0 is greedy. */
  temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set whose probability reaches p; 1 keeps all. */
  topP: number;
  /** Seed of the generator, an unsigned 32-bit integer. */
  seed: number;
  /** Half the width of the range of temperatures that the entropy chooses from. */
  dynamicRange?: number;
  dynamicExponent?: number;
  minP?: number;
  typicalP?: number;
  topNSigma?: number;
  xtcProbability?: number;
  xtcThreshold?: number;
  mirostat?: 1 | 2;
  mirostatTau?: number;
  mirostatEta?: number;
  repetitionPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** Tokens that the three penalties look back; 0 for all. */
  penaltyWindow?: number;
  dryMultiplier?: number;
  dryBase?: number;
  dryAllowedLength?: number;
  dryWindow?: number;
  dryBreakers?: Int32Array;
  noRepeatNgramSize?: number;
  /** Token sequences. */
  badWords?: readonly Int32Array[];
  /** Until so many are new, no token of `stopIds` is taken. */
  minNewTokens?: number;
  suppressTokens?: Int32Array;
  logitBias?: { ids: Int32Array; biases: Float32Array };
  /** Names of samplers in the order in which they are applied, all that are in use among them. */
  order?: readonly string[];
}

/** How a request's logits come and go; {@link NativeModel.generate} puts the functions there. */
export interface LogitsExchange {
  /** Copies the logits, [V]. */
  read?: (into: Float32Array) => void;
  /** Has the request go on with these logits, [V]. */
  write?: (from: Float32Array) => void;
}

export interface GenerateRequest {
  /** `onToken` is called with the token -1 when logits are there, and the request waits until they are written. */
  logitsExchange?: LogitsExchange;
  /** Prompt token ids, [S], at least one. */
  ids: Int32Array;
  /** At most this many new tokens. */
  maxTokens: number;
  /** Generation ends before a token of this list is emitted. */
  stopIds: Int32Array;
  sampling: SamplingOptions;
  /** Also report the log-probability of each token under the unmodified distribution. */
  logprobs: boolean;
  /** Most tokens of prompt and continuation; undefined: the model's context length. */
  contextLength?: number;
  /** Where keys and values are kept between requests; one request at a time. */
  session?: NativeSession;
  /** How tokens are guessed ahead; not with a logits exchange. */
  drafting?: Drafting;
}

/** At most so many tokens are guessed at a time, from what followed such n-grams before or by another model. */
export type Drafting = { tokens: number; ngramSize: number } | { tokens: number; model: NativeModel };

/** What a model keeps of a sequence between requests. Throws while a request has it. */
export interface NativeSession {
  /** Tokens whose keys and values are kept. */
  tokens(): Int32Array;
  /** Another one that has the same, but for up to 15 tokens at the end. */
  fork(): NativeSession;
  /** Keys and values of tokens [first, first + count), [L][2][count, H]; multiples of 16. */
  read(first: number, count: number): Float32Array;
  /** The inverse, in order from 0; then `commit` tells the tokens. */
  write(first: number, count: number, rows: Float32Array): void;
  commit(tokens: Int32Array): void;
  /** Frees everything, once no request has it. */
  dispose(): void;
}

export interface GenerateTimings {
  /** Milliseconds from the call to the start of the prompt's evaluation. */
  queuedMs: number;
  /** Milliseconds spent on the prompt. */
  promptMs: number;
  /** Milliseconds spent on the tokens after the first. */
  decodeMs: number;
}

export interface GenerateResult {
  tokens: Int32Array;
  logprobs?: Float32Array;
  /** `stop`: a stop id; `length`: `maxTokens` reached; `context`: the context is full. */
  finishReason: "stop" | "length" | "context";
  /** Tokens of the prompt that were evaluated; the others were kept by the session. */
  evaluatedTokens: number;
  /** Tokens that were guessed and checked. */
  draftedTokens: number;
  /** Those that were right. */
  acceptedTokens: number;
  timings: GenerateTimings;
}

export interface ScoreRequest {
  /** Token ids, [S], at least two. */
  ids: Int32Array;
  /** The first token that is scored, at least 1: what comes before is context. N = S - first. */
  first: number;
  /** How many of the likeliest tokens are reported for each, K; 0 for none. */
  topK: number;
  /** Keep the context's keys and values for requests that begin alike, and use theirs. */
  sharePrompt?: boolean;
}

export interface ScoreResult {
  /** Natural logarithm of each token's probability, [N]. */
  logprobs: Float32Array;
  /** 1 for the likeliest token of its place, [N]. */
  ranks: Int32Array;
  /** The likeliest tokens, the first the likeliest, [N, K]. */
  topIds: Int32Array;
  /** Theirs, [N, K]. */
  topLogprobs: Float32Array;
}

export interface NativeMemory {
  /** Bytes of weights used in place from the mapped file. */
  mapped: number;
  /** Bytes of weights copied to memory of the device. */
  weights: number;
  /** Bytes of activations the graph allocator holds at present. */
  activations: number;
  /** Bytes of all KV caches at present: of generations under way, sessions, and the prompt cache. */
  kvCache: number;
}

/** What each operation cost since loading. */
export interface NativeProfile {
  isa: string;
  lowering: "fused" | "generic";
  /** Operations per second that the kernels reach on data in the first cache, all threads at once. */
  kernelPeak: { int8: number; float32: number };
  batches: number;
  /** Seconds the engine worked, operations included. */
  seconds: number;
  operations: {
    name: string;
    count: number;
    seconds: number;
    /** Multiplications and additions with quantized weights. */
    int8: number;
    /** All other multiplications and additions. */
    float32: number;
  }[];
}

/** Which optional parts a model has. */
export interface NativeHeads {
  pooler: boolean;
  mlm: boolean;
  nextSentence: boolean;
  /** Labels of the classifier over the pooler's output; 0 when either is missing. */
  sequenceLabels: number;
  /** Labels of the classifier over every token; 0 when there is none. */
  tokenLabels: number;
  questionAnswering: boolean;
}

/** A loaded model: one engine thread, one request queue. */
export interface NativeModel {
  /** The device it runs on, for example `"cpu"`. */
  readonly device: string;
  readonly threads: number;
  readonly heads: NativeHeads;
  memory(): NativeMemory;
  /** Undefined unless the model was loaded with `profile`. */
  profile(): NativeProfile | undefined;
  encode(request: EncodeRequest): NativeTask<EncodeResult>;
  /** `onToken` is called once per new token, in order, before the promise settles. */
  generate(
    request: GenerateRequest,
    onToken?: (id: number, logprob: number) => void,
  ): NativeTask<GenerateResult>;
  /** For `generate` of this model alone. */
  createSession(): NativeSession;
  /** Logits of every position of one sequence, [S, V]. */
  logits(ids: Int32Array): NativeTask<Float32Array>;
  /** How likely the tokens of one sequence are. */
  score(request: ScoreRequest): NativeTask<ScoreResult>;
  /** Rejects what is queued, ends the engine thread, frees everything. Resolves when done; idempotent. */
  dispose(): Promise<void>;
}

export interface DeviceInfo {
  /** The name `device` takes: `"cpu"`, `"cuda:0"`, `"metal"`. */
  id: string;
  kind: "cpu" | "cuda" | "metal";
  /** What the maker calls it. */
  name: string;
  /** Bytes. */
  memoryTotal: number;
  /** Bytes. */
  memoryFree: number;
  /** Instruction sets or capabilities in use, for example `"AVX2"`. */
  features: string[];
}

/** What the addon exports. */
export interface Addon {
  loadModel(
    spec: ModelSpec,
    options: NativeLoadOptions,
    onProgress?: (fraction: number) => void,
  ): NativeTask<NativeModel>;
  devices(): DeviceInfo[];
  /** Threads that `threads: 0` stands for on this machine. */
  defaultThreads(): number;
  /** GGML's version. */
  ggmlVersion(): string;
  /** Quantizes rows of `rowLength` values; `data.length` is a multiple of it. Runs on a thread of the engine. */
  quantizeRows(type: TensorType, data: Float32Array, rowLength: number): NativeTask<Uint8Array>;
  /** The inverse, exact for every type. */
  dequantizeRows(type: TensorType, data: Uint8Array, rowLength: number): NativeTask<Float32Array>;
}

let addon: Addon | undefined;

/** The addon, loaded at first use so that importing the package costs nothing and cannot fail. */
export function native(): Addon {
  addon ??= loadAddon() as Addon;
  return addon;
}

interface RawNativeError extends Error {
  code?: string;
  details?: Record<string, unknown>;
}

/** The typed error for one the addon threw or rejected with. */
export function fromNativeError(error: unknown): GgmlTransformersError {
  if (error instanceof GgmlTransformersError) return error;
  const raw = error as RawNativeError;
  const message = raw?.message ?? String(error);
  const details = raw?.details ?? {};
  switch (raw?.code) {
    case "INVALID_ARGUMENT":
      return new InvalidArgumentError(message, details);
    case "INPUT_TOO_LONG":
      return new InputTooLongError(message, details as { length: number; limit: number });
    case "MODEL_FILE_INVALID":
    case "MODEL_FILE_NOT_FOUND":
      return new ModelFileError(message, details, raw.code);
    case "UNSUPPORTED":
      return new UnsupportedError(message, details);
    case "OUT_OF_MEMORY":
      return new OutOfMemoryError(message, details);
    case "ABORTED":
      return new AbortError(message);
    case "DISPOSED":
      return new DisposedError(String(details["what"] ?? "Model"));
    case "DEVICE_UNAVAILABLE":
      return new DeviceError(message, details);
    default:
      return new InternalError(message, details, { cause: error });
  }
}

/** Calls the addon; errors come out typed. */
export function callNative<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNativeError(error);
  }
}

/** Awaits native work, cancelling it when `signal` fires; errors come out typed. */
export async function runTask<T>(start: () => NativeTask<T>, signal?: AbortSignal): Promise<T> {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const task = callNative(start);
  const forget = onAbort(signal, () => task.cancel());
  try {
    return await task.promise;
  } catch (error) {
    const typed = fromNativeError(error);
    throw typed instanceof AbortError && signal ? new AbortError(undefined, { cause: signal.reason }) : typed;
  } finally {
    forget();
  }
}
