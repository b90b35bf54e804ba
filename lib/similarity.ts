/** How alike two vectors are. */
import { expected, oneOf, type Check } from "./options.js";

/**
 * `"cosine"` of the angle; `"dot"` product; the distances `"euclidean"` and `"manhattan"` are negative, so that more
 * is always more alike, as in sentence-transformers. `"hamming"` is for embeddings of one bit per value: the share of
 * the bits that are equal.
 */
export type SimilarityMeasure = "cosine" | "dot" | "euclidean" | "manhattan" | "hamming";

/**
 * How alike two vectors of the same length are: the higher, the more. Computed in double precision.
 *
 * @param a - For example what {@link Encoder.embed} returns.
 * @param b - As long as `a`.
 * @param measure - Default: `"cosine"`; a zero vector has a cosine of 0 with every other.
 * @throws InvalidArgumentError when the lengths differ, or a vector is empty.
 */
export function similarity(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  measure: SimilarityMeasure = "cosine",
): number {
  const x = vector(a, "a");
  const y = vector(b, "b");
  if (x.length !== y.length) throw expected(`a vector of ${x.length} values`, "b", b);
  return MEASURES[oneOf("cosine", "dot", "euclidean", "manhattan", "hamming")(measure, "measure")](x, y);
}

const vector: Check<ArrayLike<number>> = (value, name) => {
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  const values = value as ArrayLike<unknown>;
  if (!isArray || values.length === 0) throw expected("a vector of one value or more", name, value);
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] !== "number") throw expected("a number", `${name}[${i}]`, values[i]);
  }
  return values as ArrayLike<number>;
};

type Measure = (a: ArrayLike<number>, b: ArrayLike<number>) => number;

function sum(a: ArrayLike<number>, b: ArrayLike<number>, term: (x: number, y: number) => number): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += term(a[i]!, b[i]!);
  return total;
}

const dot: Measure = (a, b) => sum(a, b, (x, y) => x * y);

const MEASURES: Record<SimilarityMeasure, Measure> = {
  dot,
  cosine: (a, b) => {
    const lengths = Math.sqrt(dot(a, a) * dot(b, b));
    return lengths === 0 ? 0 : dot(a, b) / lengths;
  },
  euclidean: (a, b) => -Math.sqrt(sum(a, b, (x, y) => (x - y) ** 2)),
  manhattan: (a, b) => -sum(a, b, (x, y) => Math.abs(x - y)),
  hamming: (a, b) => 1 - sum(a, b, (x, y) => bitsOf((x ^ y) & 255)) / (8 * a.length),
};

function bitsOf(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}
