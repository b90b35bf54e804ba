/** Where a model's time goes, operation by operation. */
import type { NativeModel, NativeProfile } from "./native.js";

/** All runs of the operations of one name: a block of the architecture, or a part that many blocks have. */
export interface ProfiledOperation {
  /**
   * `"embed"`, `"norm"`, `"qkv"`, `"attention"`, `"attention output"`, `"ffn up"`, `"ffn down"`, the name of a
   * head; `"quantize"`, the conversion of activations before products with quantized weights; `"between"`, all
   * the engine does that is no operation: forming batches, preparing graphs, copying, sampling.
   */
  readonly name: string;
  /** How often it ran. */
  readonly count: number;
  /** All its runs together. */
  readonly milliseconds: number;
  /** Its part of all the time, from 0 to 1. */
  readonly share: number;
  /** Billions of multiplications and additions per second; absent where it is not arithmetic that takes the time. */
  readonly gops?: number;
  /** `gops` as a part of what the kernels reach at best, from 0 to about 1; see {@link Profile.kernelPeak}. */
  readonly fractionOfPeak?: number;
}

/** What {@link Encoder.profile} and {@link Generator.profile} return: the sum over all calls since loading. */
export interface Profile {
  /** Instruction set of the kernels, for example `"AVX512-VNNI"`. */
  readonly isa: string;
  /** `"fused"`: the kernels of this package; `"generic"`: GGML's operations. */
  readonly lowering: "fused" | "generic";
  /** Compute threads. */
  readonly threads: number;
  /**
   * What the kernels of this package reach on data in the first cache, on all threads at once, measured at
   * loading: billions of operations per second, in 8-bit integers and in 32-bit floats.
   */
  readonly kernelPeak: {
    /** With quantized weights. */
    readonly int8: number;
    /** With float weights. */
    readonly float32: number;
  };
  /** Batches computed. */
  readonly batches: number;
  /** Time the engine worked. */
  readonly milliseconds: number;
  /** The longest first. */
  readonly operations: readonly ProfiledOperation[];
}

/** The model's profile, or undefined when it was loaded without one. */
export function profileOf(model: NativeModel): Profile | undefined {
  const raw = model.profile();
  if (raw === undefined) return undefined;
  const operations = raw.operations.map((operation) => summary(operation, raw));
  const measured = raw.operations.reduce((sum, { seconds }) => sum + seconds, 0);
  const between = { count: raw.batches, seconds: Math.max(0, raw.seconds - measured), int8: 0, float32: 0 };
  if (raw.batches > 0) operations.push(summary({ name: "between", ...between }, raw));
  return {
    isa: raw.isa,
    lowering: raw.lowering,
    threads: model.threads,
    kernelPeak: { int8: raw.kernelPeak.int8 / 1e9, float32: raw.kernelPeak.float32 / 1e9 },
    batches: raw.batches,
    milliseconds: raw.seconds * 1000,
    operations: operations.sort((a, b) => b.milliseconds - a.milliseconds),
  };
}

function summary(
  { name, count, seconds, int8, float32 }: NativeProfile["operations"][number],
  { kernelPeak, seconds: total }: NativeProfile,
): ProfiledOperation {
  const operation = { name, count, milliseconds: seconds * 1000, share: total > 0 ? seconds / total : 0 };
  if (int8 + float32 === 0 || seconds === 0) return operation;
  const atBest = int8 / kernelPeak.int8 + float32 / kernelPeak.float32;
  return { ...operation, gops: (int8 + float32) / seconds / 1e9, fractionOfPeak: atBest / seconds };
}
