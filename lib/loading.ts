/** What loading has in common for every kind of model. */
import { onAbort } from "./abort.js";
import { stat } from "node:fs/promises";
import { AbortError, DeviceError, OutOfMemoryError, UnsupportedError } from "./errors.js";
import { chooseDevices, explainChoice, type DeviceChoice } from "./devices.js";
import { openModelFile, type DecoderFile, type EncoderFile, type ModelFile } from "./model-file.js";
import { loadNativeModel, type NativeLoadOptions, type NativeModel } from "./native.js";
import {
  boolean,
  callback,
  checkOptions,
  integer,
  nonEmptyString,
  signal as abortSignal,
} from "./options.js";
import { Tokenizer } from "./tokenizer/index.js";

/** Options of {@link Encoder.load} and {@link Generator.load}. */
export interface LoadOptions {
  /**
   * `"auto"`, the fastest device that holds the model; or an `id` or `kind` of {@link devices}: `"cpu"`, `"cuda"`,
   * `"cuda:1"`, `"metal"`. Default: `"auto"`.
   */
  device?: string;
  /** Compute threads, 1 to 1024. Default: physical cores, less what CPU affinity or a cgroup quota withholds. */
  threads?: number;
  /** Refuse a model that needs more than this many bytes. Default: what the machine has available. */
  maxMemory?: number;
  /** Measure every operation, for `profile()`; costs nothing when off. Default: false. */
  profile?: boolean;
  /** Aborts the loading; it then rejects with an `AbortError`. */
  signal?: AbortSignal;
  /** Called as loading advances, with a fraction from 0 to 1. */
  onProgress?: (fraction: number) => void;
}

/** Options of {@link Generator.load}. */
export interface GeneratorLoadOptions extends LoadOptions {
  /**
   * Bytes of keys and values kept of past generations, so that prompts with the same beginning are not evaluated
   * again; the ones used longest ago make room. 0 keeps none. Default: 32 MiB.
   */
  promptCache?: number;
  /**
   * Most bytes of keys and values, of generations, sessions and the prompt cache together. A generation that would need
   * more waits until others have ended; one that needs more than is ever left for it rejects with an
   * {@link OutOfMemoryError}. Default: half of the memory that is available when the model is loaded.
   */
  kvCacheBudget?: number;
}

/** What is known of any loaded model. */
export interface ModelInfo {
  /** `general.name` of the file, else the file's name without extension. */
  readonly name: string;
  /** Absolute path of the file. */
  readonly path: string;
  /** The device it runs on, for example `"cpu"`. */
  readonly device: string;
  /** Why it runs there: it was asked for, or what kept faster devices from being taken. */
  readonly deviceReason: string;
  /** Compute threads in use. */
  readonly threads: number;
  /** Most tokens of one sequence: the rows of the position embedding. */
  readonly contextLength: number;
  /** V */
  readonly vocabSize: number;
  /** H */
  readonly embeddingLength: number;
  /** F */
  readonly feedForwardLength: number;
  /** L */
  readonly blockCount: number;
  /** A */
  readonly headCount: number;
}

/** A model in the engine, with its file and its tokenizer. */
export interface LoadedModel<F extends ModelFile> {
  readonly model: NativeModel;
  readonly deviceReason: string;
  readonly file: F;
  readonly tokenizer: Tokenizer;
}

const LOAD_OPTIONS = {
  device: nonEmptyString,
  threads: integer(1, 1024),
  maxMemory: integer(1, Number.MAX_SAFE_INTEGER),
  profile: boolean,
  signal: abortSignal,
  onProgress: callback<(fraction: number) => void>(),
};

const OPTIONS = {
  encoder: LOAD_OPTIONS,
  decoder: {
    ...LOAD_OPTIONS,
    promptCache: integer(0, Number.MAX_SAFE_INTEGER),
    kvCacheBudget: integer(1, Number.MAX_SAFE_INTEGER),
  },
};

const DEFAULT_PROMPT_CACHE = 32 * 2 ** 20;

const LOADERS = { encoder: "Encoder.load", decoder: "Generator.load" } as const;

export function loadModel(
  kind: "encoder",
  name: unknown,
  options: unknown,
): Promise<LoadedModel<EncoderFile>>;
export function loadModel(
  kind: "decoder",
  name: unknown,
  options: unknown,
): Promise<LoadedModel<DecoderFile>>;
export async function loadModel(
  kind: ModelFile["kind"],
  name: unknown,
  options: unknown,
): Promise<LoadedModel<ModelFile>> {
  // Arguments
  const pathOrName = nonEmptyString(name, "pathOrName");
  const checked = checkOptions<typeof OPTIONS.decoder>(
    options,
    LOADERS[kind],
    OPTIONS[kind] as typeof OPTIONS.decoder,
  );
  throwIfAborted(checked.signal);

  // The file
  const file = await openModelFile(pathOrName, { signal: checked.signal });
  if (file.kind !== kind) {
    throw new UnsupportedError(
      `${LOADERS[kind]} cannot load ${file.path}: its architecture ${file.architecture} is for ${LOADERS[file.kind]}`,
      { path: file.path, architecture: file.architecture },
    );
  }

  // Weights and vocabulary at the same time: the one in the engine's thread, the other in slices here.
  return { file, ...(await loadParts(file, checked)) };
}

async function loadParts(
  file: ModelFile,
  options: GeneratorLoadOptions,
): Promise<Omit<LoadedModel<ModelFile>, "file">> {
  const stop = new AbortController();
  const forget = onAbort(options.signal, () => stop.abort(options.signal!.reason));
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    stop.abort(error);
  };
  const [placed, tokenizer] = await Promise.all([
    loadWeights(file, options, stop.signal, fail).catch(fail),
    Tokenizer.fromGguf(file.metadata, { signal: stop.signal }).catch(fail),
  ]);
  forget();
  if (placed && tokenizer && !failure) return { ...placed, tokenizer };
  await placed?.model.dispose();
  throw failure!.error;
}

async function loadWeights(
  file: ModelFile,
  { device, threads, maxMemory, profile, promptCache, kvCacheBudget, onProgress }: GeneratorLoadOptions,
  stop: AbortSignal,
  fail: (error: unknown) => void,
): Promise<{ model: NativeModel; deviceReason: string }> {
  const settings = {
    threads: threads ?? 0,
    maxMemory: maxMemory ?? 0,
    profile: profile ?? false,
    promptCache: promptCache ?? DEFAULT_PROMPT_CACHE,
    kvCacheBudget: kvCacheBudget ?? 0,
  };
  const report = (fraction: number) => {
    try {
      if (!stop.aborted) onProgress!(fraction);
    } catch (error) {
      fail(error);
    }
  };
  const { size } = await stat(file.path);
  const { candidates, passedOver } = await chooseDevices(device ?? "auto", size);
  const load = ({ id, addon }: DeviceChoice) => {
    const options: NativeLoadOptions = { ...settings, device: id };
    return loadNativeModel(addon, file.spec, options, { onProgress: onProgress && report, signal: stop });
  };
  for (const candidate of candidates.slice(0, -1)) {
    try {
      return { model: await load(candidate), deviceReason: explainChoice(candidate, passedOver) };
    } catch (error) {
      if (!isObstacle(error)) throw error;
      passedOver.push({ id: candidate.id, reason: error.message });
    }
  }
  const last = candidates.at(-1)!;
  return { model: await load(last), deviceReason: explainChoice(last, passedOver) };
}

/** Whether another device may do what this one could not. */
function isObstacle(error: unknown): error is Error {
  return [DeviceError, OutOfMemoryError, UnsupportedError].some((type) => error instanceof type);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

/** What {@link ModelInfo} says of a loaded model. */
export function modelInfo({ file, model, deviceReason }: LoadedModel<ModelFile>): ModelInfo {
  const hyper = file.hyperparameters;
  return {
    name: file.name,
    path: file.path,
    device: model.device,
    deviceReason,
    threads: model.threads,
    contextLength: hyper.contextLength,
    vocabSize: hyper.vocabSize,
    embeddingLength: hyper.embeddingLength,
    feedForwardLength: hyper.feedForwardLength,
    blockCount: hyper.blockCount,
    headCount: hyper.headCount,
  };
}
