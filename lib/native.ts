/**
 * The typed mirror of the addon, and the only file that knows it is native.
 *
 * Shapes use the symbols of the documentation: `B` sequences, `S` tokens of one sequence, `T` tokens of a
 * ragged batch (the sequences end to end, no padding), `H` hidden, `A` heads, `L` layers, `V` vocabulary.
 */
import { createRequire } from "node:module";
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
import type {
  BeamRequest,
  BeamResult,
  EncodeRequest,
  EncodeResult,
  GenerateRequest,
  GenerateResult,
  KvType,
  NativeSession,
  NativeTokenWindow,
  NativeVocabulary,
  ScoreRequest,
  ScoreResult,
} from "./native-requests.js";
import type { ModelSpec, TensorType } from "./native-spec.js";

export type * from "./native-requests.js";
export type * from "./native-spec.js";

export interface NativeLoadOptions {
  /** `"cpu"`, `"cuda"`, `"cuda:1"`, `"metal"`; `"auto"` is resolved before this call. */
  device: string;
  /** Compute threads; 0 chooses from physical cores, CPU affinity and cgroup quota. */
  threads: number;
  /** Refuse the model when it needs more than this many bytes; 0 means what the machine has available. */
  maxMemory: number;
  /** On the CPU, run GGML's plain operations instead of the fused ones: the correctness baseline. */
  generic?: boolean;
  /** On the CPU, run plain operations in memory that is handled as a graphics card's, as tests do. */
  discrete?: boolean;
  /** Tokens computed in one batch, unless one sequence is longer; 0 or absent chooses by the weights' size. */
  tokenBudget?: number;
  /** Bytes of keys and values kept for later prompts that begin alike; absent: 0. */
  promptCache?: number;
  /** Most bytes of all keys and values; 0 or absent: half of the memory that is available. */
  kvCacheBudget?: number;
  /** Measure every operation; see {@link NativeModel.profile}. */
  profile?: boolean;
}

/**
 * Work in flight. `cancel` makes the promise reject with an abort as soon as the engine notices, that of a generation
 * resolve with what there is; idempotent.
 */
export interface NativeTask<T> {
  promise: Promise<T>;
  cancel(): void;
}

/** Bytes in use by a model. */
export interface NativeMemory {
  /**
   * Bytes of weights in the mapped file. Those that `weights` holds in another order are given back to the system: they
   * take no memory here.
   */
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
  /** Over the first token: `poolerOutput` of `encode`. */
  pooler: boolean;
  /** The masked-language-model head. */
  mlm: boolean;
  /** BERT's next-sentence head, or ALBERT's of sentence order. */
  nextSentence: boolean;
  /** Labels of the classifier over the pooler's output; 0 when either is missing. */
  sequenceLabels: number;
  /** Labels of the classifier over every token; 0 when there is none. */
  tokenLabels: number;
  /** Start and end of an answer. */
  questionAnswering: boolean;
  /** Tells for each token whether it was replaced. */
  replacedTokens: boolean;
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
  /** `kvType`: how keys and values are kept; `"f32"` when absent. */
  createSession(kvType?: KvType): NativeSession;
  /** Logits of every position of one sequence, [S, V]. */
  logits(ids: Int32Array): NativeTask<Float32Array>;
  /** The likeliest continuations; `onStep` is told how many tokens they have. */
  beamSearch(request: BeamRequest, onStep?: (tokens: number) => void): NativeTask<BeamResult>;
  /** How likely the tokens of one sequence are. */
  score(request: ScoreRequest): NativeTask<ScoreResult>;
  /** Rejects what is queued, ends the engine thread, frees everything. Resolves when done; idempotent. */
  dispose(): Promise<void>;
}

/** A device that models can be loaded on. */
export interface DeviceInfo {
  /** The name `device` takes: `"cpu"`, `"cuda:0"`, `"metal"`. */
  id: string;
  /** What it is computed with. */
  kind: "cpu" | "cuda" | "metal";
  /** What the maker calls it. */
  name: string;
  /** Memory it has, in bytes. */
  memoryTotal: number;
  /** Memory that is free, in bytes. */
  memoryFree: number;
  /** Instruction sets or capabilities in use, for example `"AVX2"`. */
  features: string[];
  /** Why no model can be loaded there, for example because the GPU is too old; absent where one can. */
  unusable?: string;
}

/** What the addon exports. */
export interface Addon {
  loadModel(
    spec: ModelSpec,
    options: NativeLoadOptions,
    onProgress?: (fraction: number) => void,
  ): NativeTask<NativeModel>;
  /** `bytes` of the tokens end to end, token i from `offsets[i]` to `offsets[i + 1]`; [V + 1]. */
  Vocabulary: new (bytes: Uint8Array, offsets: Int32Array) => NativeVocabulary;
  /** With room for `size` unread tokens. */
  TokenWindow: new (size: number) => NativeTokenWindow;
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

const owners = new WeakMap<object, Addon>();

/** Loads a model with the addon in that file, or else with {@link native}. */
export async function loadNativeModel(
  file: string | undefined,
  spec: ModelSpec,
  options: NativeLoadOptions,
  { onProgress, signal }: { onProgress?: (fraction: number) => void; signal?: AbortSignal } = {},
): Promise<NativeModel> {
  // Node loads a file once.
  const owner = file === undefined ? native() : (createRequire(file)(file) as Addon);
  const model = await runTask(
    () => owner.loadModel(spec, options, onProgress),
    signal,
    (loaded) => loaded.dispose(),
  );
  owners.set(model, owner);
  return model;
}

/** The vocabulary whose token i is bytes `offsets[i]` to `offsets[i + 1]`, for that model and its like. */
export function createVocabulary(model: object, bytes: Uint8Array, offsets: Int32Array): NativeVocabulary {
  return new (ownerOf(model).Vocabulary)(bytes, offsets);
}

/** The addon a model came from: what others made means nothing to it. */
export function ownerOf(model: object): Addon {
  return owners.get(model) ?? native();
}

/** A window for `size` tokens of that model. */
export function createTokenWindow(model: object, size: number): NativeTokenWindow {
  return new (ownerOf(model).TokenWindow)(size);
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

/**
 * Awaits native work, cancelling it when `signal` fires; errors come out typed. The engine may have finished before it
 * noticed: whoever aborts does not get a result all the same, which `discard` is given.
 */
export async function runTask<T>(
  start: () => NativeTask<T>,
  signal?: AbortSignal,
  discard?: (result: T) => Promise<void>,
): Promise<T> {
  const aborted = () => new AbortError(undefined, { cause: signal?.reason });
  if (signal?.aborted) throw aborted();
  const task = callNative(start);
  const forget = onAbort(signal, () => task.cancel());
  try {
    const result = await task.promise;
    if (!signal?.aborted) return result;
    await discard?.(result);
    throw aborted();
  } catch (error) {
    const typed = fromNativeError(error);
    throw typed instanceof AbortError && signal ? aborted() : typed;
  } finally {
    forget();
  }
}
