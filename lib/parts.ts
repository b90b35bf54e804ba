/** A call whose inputs are computed in parts: windows of a long text, the maskings of a sentence. */
import { runBatches, type Sequence } from "./batches.js";
import type { Progress } from "./inputs.js";

/** What is done for each input, each batch of parts, and the parts of each input. */
export interface PartsJob<S extends Sequence, P, R> {
  /** Number of inputs. */
  readonly total: number;
  /** Inputs prepared at once, when that many would be too many parts. */
  readonly inputsAtOnce?: number;
  /** The parts of the inputs from `begin` to `end` (exclusive); each part's `index` is that of its input. */
  prepare(begin: number, end: number, signal: AbortSignal): Promise<readonly (readonly S[])[]>;
  /** Numbers the engine returns for this part. */
  outputSize(part: S): number;
  /** Computes a batch: one result per part, in its order. */
  compute(batch: readonly S[], signal: AbortSignal): Promise<P[]>;
  /** The result of an input from those of its parts, in their order. */
  merge(parts: readonly P[], index: number): R;
}

/** An input whose parts are not all computed. */
interface Unfinished<P> {
  readonly parts: P[];
  missing: number;
}

/** Like `runBatches`; parts of different inputs share batches. */
export async function runParts<S extends Sequence, P, R>(
  job: PartsJob<S, P, R>,
  options: { signal?: AbortSignal; onProgress?: (progress: Progress) => void },
): Promise<R[]> {
  const { total } = job;
  const results: R[] = [];
  const unfinished = new Map<number, Unfinished<P>>();
  const places = new Map<S, number>();
  let done = 0;

  const open = (index: number, parts: readonly S[]) => {
    for (const [place, part] of parts.entries()) places.set(part, place);
    unfinished.set(index, { parts: [], missing: parts.length });
    if (parts.length === 0) close(index);
  };
  const close = (index: number) => {
    results[index] = job.merge(unfinished.get(index)!.parts, index);
    unfinished.delete(index);
    done++;
  };
  const take = (part: S, result: P) => {
    const input = unfinished.get(part.index)!;
    input.parts[places.get(part)!] = result;
    places.delete(part);
    if (--input.missing === 0) close(part.index);
  };

  await runBatches<S, void>(
    {
      total,
      inputsAtOnce: job.inputsAtOnce,
      async prepare(begin, end, signal) {
        const prepared = await job.prepare(begin, end, signal);
        for (const [i, parts] of prepared.entries()) open(begin + i, parts);
        return prepared.flat();
      },
      outputSize: (part) => job.outputSize(part),
      async compute(batch, signal) {
        const computed = await job.compute(batch, signal);
        const before = done;
        for (const [i, part] of batch.entries()) take(part, computed[i]!);
        if (done > before) options.onProgress?.({ done, total });
        return [];
      },
    },
    { signal: options.signal },
  );
  return results;
}
