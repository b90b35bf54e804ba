/**
 * Outputs of the default models in double precision, computed elsewhere: the folder `shared/` beside the
 * repository, when it is there.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const SHARED = resolve(__dirname, "../../../shared");

/** Whether the checkpoints and their outputs are here; tests that need them are skipped when not. */
export const hasGolden = existsSync(join(SHARED, "golden")) && existsSync(join(SHARED, "models"));

/** The Hugging Face folder of a default model. */
export function checkpointFolder(name: string): string {
  return join(SHARED, "models", name);
}

/** The recorded inputs, as JSON. */
export function goldenInputs<T>(name: string): T {
  return JSON.parse(readFileSync(join(SHARED, "golden", `${name}.json`), "utf8")) as T;
}

export interface GoldenArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The recorded arrays, by name: F32 safetensors, read without any code of the package. */
export function goldenArrays(name: string): Map<string, GoldenArray> {
  const bytes = readFileSync(join(SHARED, "golden", `${name}.safetensors`));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const arrays = new Map<string, GoldenArray>();
  for (const [key, entry] of Object.entries(header)) {
    if (key === "__metadata__") continue;
    if (entry.dtype !== "F32") throw new Error(`${key} is ${entry.dtype}`);
    const [begin, end] = entry.data_offsets.map((offset) => offset + 8 + headerLength) as [number, number];
    const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + end));
    arrays.set(key, { shape: entry.shape, data });
  }
  return arrays;
}

/** The largest absolute difference; infinite when the lengths differ or a value is not a number. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}

/** Cosine of the angle between two vectors. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}
