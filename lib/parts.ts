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
  merge(parts: readonly P[], index: number, signal: AbortSignal): R | Promise<R>;
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
  let reported = 0;

  const finish = async (index: number, parts: readonly P[], signal: AbortSignal) => {
    results[index] = await job.merge(parts, index, signal);
    done++;
  };
  const open = async (index: number, parts: readonly S[], signal: AbortSignal) => {
    if (parts.length === 0) return finish(index, [], signal);
    for (const [place, part] of parts.entries()) places.set(part, place);
    unfinished.set(index, { parts: [], missing: parts.length });
  };
  const take = async (part: S, result: P, signal: AbortSignal) => {
    const { index } = part;
    const input = unfinished.get(index)!;
    input.parts[places.get(part)!] = result;
    places.delete(part);
    if (--input.missing > 0) return;
    unfinished.delete(index);
    await finish(index, input.parts, signal);
  };

  await runBatches<S, void>(
    {
      total,
      inputsAtOnce: job.inputsAtOnce,
      async prepare(begin, end, signal) {
        const prepared = await job.prepare(begin, end, signal);
        for (const [i, parts] of prepared.entries()) await open(begin + i, parts, signal);
        return prepared.flat();
      },
      outputSize: (part) => job.outputSize(part),
      async compute(batch, signal) {
        const computed = await job.compute(batch, signal);
        for (const [i, part] of batch.entries()) await take(part, computed[i]!, signal);
        if (done > reported) options.onProgress?.({ done: (reported = done), total });
        return [];
      },
    },
    { signal: options.signal },
  );
  return results;
}
