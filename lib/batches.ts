/**
 * A call over many inputs: tokenized in windows, cut into batches of bounded size, two of them in the engine's
 * queue at a time so that tokenization and computation overlap.
 */
import { onAbort } from "./abort.js";
import { AbortError } from "./errors.js";
import type { Progress } from "./inputs.js";

/** A tokenized input. */
export interface Sequence {
  /** Which input of the call. */
  readonly index: number;
  /** Token ids, [S]. */
  readonly ids: Int32Array;
  /** Segment ids, [S]; zeros when absent. */
  readonly segments?: Int32Array;
}

/** What is done for each input and each batch. */
export interface BatchJob<S extends Sequence, R> {
  /** Number of inputs. */
  readonly total: number;
  /** Inputs tokenized before their batches are formed. Default: 256. */
  readonly inputsAtOnce?: number;
  /** Tokenizes the inputs from `begin` to `end` (exclusive). */
  prepare(begin: number, end: number, signal: AbortSignal): Promise<S[]>;
  /** Numbers the engine returns for this input. */
  outputSize(sequence: S): number;
  /** Computes a batch: one result per sequence, in its order. */
  compute(batch: readonly S[], signal: AbortSignal): Promise<R[]>;
}

/** Default of `inputsAtOnce`. */
const WINDOW = 256;
/** Tokens of a batch: enough to fill any device, while its activations stay in tens of megabytes. */
const BATCH_TOKENS = 4096;
/** Numbers a batch returns: copying them takes the JavaScript thread a few milliseconds. */
const BATCH_OUTPUT = 2 ** 20;
/** One batch computes while the next waits. */
const BATCHES_IN_FLIGHT = 2;

/**
 * Runs a job to its end and returns the results in the order of the inputs. When a batch fails or `signal`
 * fires, everything else of the call is cancelled, and the promise rejects once nothing of it is left in the
 * engine.
 */
export async function runBatches<S extends Sequence, R>(
  job: BatchJob<S, R>,
  options: { signal?: AbortSignal; onProgress?: (progress: Progress) => void },
): Promise<R[]> {
  const { signal, onProgress } = options;
  const { total, inputsAtOnce = WINDOW } = job;
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal!.reason));

  const results: R[] = [];
  let done = 0;
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    stop.abort(error);
  };
  const inFlight = new Set<Promise<void>>();
  const compute = async (batch: readonly S[]) => {
    const computed = await job.compute(batch, stop.signal);
    for (const [i, { index }] of batch.entries()) results[index] = computed[i]!;
    onProgress?.({ done: (done += batch.length), total });
  };
  const start = (batch: readonly S[]) => {
    const work = compute(batch)
      .catch(fail)
      .finally(() => inFlight.delete(work));
    inFlight.add(work);
  };

  try {
    for (let begin = 0; begin < total && !failure; begin += inputsAtOnce) {
      const window = await job.prepare(begin, Math.min(begin + inputsAtOnce, total), stop.signal);
      for (const batch of formBatches(window, job)) {
        while (inFlight.size >= BATCHES_IN_FLIGHT) await Promise.race(inFlight);
        if (failure) break;
        start(batch);
      }
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(inFlight);
  forget();
  if (failure) throw failure.error;
  return results;
}

/** Inputs of similar length together, the shortest first, each batch within its bounds or a single input. */
function formBatches<S extends Sequence>(window: readonly S[], job: BatchJob<S, unknown>): S[][] {
  const sorted = [...window].sort((a, b) => a.ids.length - b.ids.length);
  const batches: S[][] = [];
  let tokens = 0;
  let output = 0;
  for (const sequence of sorted) {
    tokens += sequence.ids.length;
    output += job.outputSize(sequence);
    if (batches.length > 0 && tokens <= BATCH_TOKENS && output <= BATCH_OUTPUT) {
      batches.at(-1)!.push(sequence);
    } else {
      batches.push([sequence]);
      tokens = sequence.ids.length;
      output = job.outputSize(sequence);
    }
  }
  return batches;
}
