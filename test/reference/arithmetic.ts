/** The arithmetic of transformers in double precision: plain loops, written for reading. */

/** A tensor as GGUF has it: `shape` innermost first, so that row r of a matrix is `data[r * shape[0] …]`. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

export type ReferenceWeights = ReadonlyMap<string, ReferenceTensor>;

export type ReferenceActivation = "gelu" | "gelu_new" | "relu" | "silu" | "tanh";

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/**
 * The error function, to about 1e-16: below 3 the series 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!, whose
 * terms are all of one sign (Abramowitz and Stegun, 7.1.6); above, one minus the continued fraction of erfc
 * (7.1.14), evaluated from its tail.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
  }
  let fraction = size;
  for (let n = 80; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction));
}

/** Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, and the functions everyone knows. */
export function activate(activation: ReferenceActivation, x: number): number {
  switch (activation) {
    case "gelu":
      return (x / 2) * (1 + erf(x / Math.SQRT2));
    case "gelu_new":
      return (x / 2) * (1 + Math.tanh(SQRT_2_OVER_PI * (x + 0.044715 * x ** 3)));
    case "relu":
      return Math.max(x, 0);
    case "silu":
      return x / (1 + Math.exp(-x));
    case "tanh":
      return Math.tanh(x);
  }
}

/** y [rows, out] = x [rows, in] W^T + b, with W = `name.weight` [in, out] and b = `name.bias` [out], if any. */
export function linear(weights: ReferenceWeights, name: string, x: Float64Array): Float64Array {
  return product(need(weights, `${name}.weight`), weights.get(`${name}.bias`), x);
}

/** The same for given tensors. */
export function product(
  weight: ReferenceTensor,
  bias: ReferenceTensor | undefined,
  x: Float64Array,
): Float64Array {
  const [width, outputs] = weight.shape as [number, number];
  const rows = x.length / width;
  const y = new Float64Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias ? bias.data[o]! : 0;
      for (let i = 0; i < width; i++) sum += weight.data[o * width + i]! * x[r * width + i]!;
      y[r * outputs + o] = sum;
    }
  }
  return y;
}

/** Ba, Kiros and Hinton, "Layer Normalization", 2016: over each row of `name.weight`'s size. */
export function layerNorm(
  weights: ReferenceWeights,
  name: string,
  epsilon: number,
  x: Float64Array,
): Float64Array {
  const scale = need(weights, `${name}.weight`).data;
  const shift = weights.get(`${name}.bias`)?.data;
  const size = scale.length;
  const y = new Float64Array(x.length);
  for (let begin = 0; begin < x.length; begin += size) {
    const row = x.subarray(begin, begin + size);
    const mean = row.reduce((sum, value) => sum + value, 0) / size;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < size; i++) y[begin + i] = (row[i]! - mean) * factor * scale[i]! + (shift?.[i] ?? 0);
  }
  return y;
}

/** The softmax of one row, in place. */
export function softmax(row: Float64Array): void {
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i] = Math.exp(row[i]! - largest);
  for (let i = 0; i < row.length; i++) row[i]! /= sum;
}

export type AttentionBias = (head: number, query: number, key: number) => number;

/**
 * Scaled dot-product attention of one sequence (Vaswani et al., 2017). `q`, `k`, `v` [S, H] hold the heads side
 * by side; returns the heads' results [S, H] and the weights [A, S, S]. Causal: query i sees keys 0 to i. `bias` is
 * added to the scores of a head, a query and a key.
 */
export function attention(
  { q, k, v }: { q: Float64Array; k: Float64Array; v: Float64Array },
  options: { H: number; A: number; scale: number; causal: boolean; bias?: AttentionBias },
): { mixed: Float64Array; weights: Float64Array } {
  const { H, A, scale, causal, bias } = options;
  const S = q.length / H;
  const D = H / A;
  const mixed = new Float64Array(S * H);
  const weights = new Float64Array(A * S * S);
  for (let a = 0; a < A; a++) {
    for (let i = 0; i < S; i++) {
      const visible = causal ? i + 1 : S;
      const row = weights.subarray((a * S + i) * S, (a * S + i) * S + visible);
      for (let j = 0; j < visible; j++) {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q[i * H + a * D + d]! * k[j * H + a * D + d]!;
        row[j] = dot * scale + (bias ? bias(a, i, j) : 0);
      }
      softmax(row);
      for (let j = 0; j < visible; j++) {
        for (let d = 0; d < D; d++) mixed[i * H + a * D + d]! += row[j]! * v[j * H + a * D + d]!;
      }
    }
  }
  return { mixed, weights };
}

/**
 * Queries, keys and values, [S, H] each: from `block.attn_qkv`, or from `attn_q`, `attn_k` and `attn_v`. Where these have
 * fewer values than there are queries, A heads share them: they are repeated.
 */
export function projections(
  weights: ReferenceWeights,
  block: string,
  x: Float64Array,
  A = 1,
): { q: Float64Array; k: Float64Array; v: Float64Array } {
  if (!weights.has(`${block}.attn_qkv.weight`)) {
    const q = linear(weights, `${block}.attn_q`, x);
    const [k, v] = ["k", "v"].map((part) => linear(weights, `${block}.attn_${part}`, x));
    const S = q.length / need(weights, `${block}.attn_q.weight`).shape[1]!;
    return { q, k: repeatHeads(k!, S, q.length, A), v: repeatHeads(v!, S, q.length, A) };
  }
  const fused = linear(weights, `${block}.attn_qkv`, x);
  const [H, width] = need(weights, `${block}.attn_qkv.weight`).shape as [number, number];
  const S = fused.length / width;
  const G = (width - H) / 2;
  const part = (first: number, count: number) =>
    Float64Array.from(
      { length: S * count },
      (_, i) => fused[Math.floor(i / count) * width + first + (i % count)]!,
    );
  const [k, v] = [H, H + G].map((first) => repeatHeads(part(first, G), S, S * H, A));
  return { q: part(0, H), k: k!, v: v! };
}

/** Rows [S, G] widened to `length` values in all, by giving neighbours among A heads the same ones. */
function repeatHeads(x: Float64Array, S: number, length: number, A: number): Float64Array {
  const [H, G] = [length / S, x.length / S];
  const D = H / A;
  return Float64Array.from({ length }, (_, i) => {
    const head = Math.floor((i % H) / D);
    return x[Math.floor(i / H) * G + Math.floor((head * G) / H) * D + (i % D)]!;
  });
}

/** down(activation(up(x))). */
export function feedForward(
  weights: ReferenceWeights,
  block: string,
  activation: ReferenceActivation,
  x: Float64Array,
): Float64Array {
  const inner = linear(weights, `${block}.ffn_up`, x).map((value) => activate(activation, value));
  return linear(weights, `${block}.ffn_down`, inner);
}

/** Rows `indices` of a table, one after another. */
export function rows(table: ReferenceTensor, indices: ArrayLike<number>): Float64Array {
  const width = table.shape[0]!;
  const out = new Float64Array(indices.length * width);
  for (let r = 0; r < indices.length; r++) {
    for (let i = 0; i < width; i++) out[r * width + i] = table.data[indices[r]! * width + i]!;
  }
  return out;
}

/** The parts, one after another. */
export function concatenate(parts: readonly ArrayLike<number>[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

/** The numbers 0, 1, …, length - 1. */
export function range(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}

export function need(weights: ReferenceWeights, name: string): ReferenceTensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`The reference needs ${name}`);
  return tensor;
}
