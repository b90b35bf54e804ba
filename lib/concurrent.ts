/** Several pieces of work in the engine at a time, where they share steps. */
import { onAbort } from "./abort.js";
import { AbortError } from "./errors.js";
import type { Progress } from "./inputs.js";

/** Enough to fill steps with short sequences, few enough that the cores are not given to one call alone. */
const AT_ONCE = 16;

/**
 * Results of `work` for 0 to `total` - 1, in that order. When one fails or `signal` fires, the others are
 * cancelled, and the promise rejects once nothing of them is left in the engine.
 */
export async function runConcurrently<R>(
  total: number,
  work: (index: number, signal: AbortSignal) => Promise<R>,
  options: { signal?: AbortSignal; onProgress?: (progress: Progress) => void },
): Promise<R[]> {
  const { signal, onProgress } = options;
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal!.reason));

  const results: R[] = [];
  let next = 0;
  let done = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (next < total && !failure) {
      const index = next++;
      try {
        results[index] = await work(index, stop.signal);
        onProgress?.({ done: ++done, total });
      } catch (error) {
        failure ??= { error };
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, total) }, worker));
  forget();
  if (failure) throw failure.error;
  return results;
}
