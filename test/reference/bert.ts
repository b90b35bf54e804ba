/**
 * BERT in double precision: Devlin et al., arXiv:1810.04805, appendix A and section 3.1; post-LN blocks of
 * Vaswani et al., arXiv:1706.03762. Symbols: S tokens, H hidden, A heads, L layers, V vocabulary.
 */
import {
  activate,
  add,
  attention,
  feedForward,
  layerNorm,
  linear,
  need,
  product,
  projections,
  range,
  rows,
  type ReferenceActivation,
  type ReferenceWeights,
} from "./arithmetic.js";

export interface ReferenceBertConfig {
  H: number;
  A: number;
  L: number;
  epsilon: number;
  activation: ReferenceActivation;
}

export interface ReferenceBertOutput {
  /** Input of the first block and output of each, [L + 1][S, H]. */
  hiddenStates: Float64Array[];
  /** [L][A, S, S] */
  attentions: Float64Array[];
  /** [S, H] */
  last: Float64Array;
}

/** The encoder, for one sequence. */
export function bertEncoder(
  weights: ReferenceWeights,
  { H, A, L, epsilon, activation }: ReferenceBertConfig,
  ids: ArrayLike<number>,
  segments: ArrayLike<number> = new Int32Array(ids.length),
): ReferenceBertOutput {
  let x = rows(need(weights, "token_embd.weight"), ids);
  x = add(x, rows(need(weights, "position_embd.weight"), range(ids.length)));
  const types = weights.get("token_types.weight");
  if (types) x = add(x, rows(types, segments));
  x = layerNorm(weights, "token_embd_norm", epsilon, x);

  const hiddenStates = [x];
  const attentions: Float64Array[] = [];
  for (let i = 0; i < L; i++) {
    const block = `blk.${i}`;
    const scale = 1 / Math.sqrt(H / A);
    const heads = attention(projections(weights, block, x), { H, A, scale, causal: false });
    attentions.push(heads.weights);
    const attended = add(x, linear(weights, `${block}.attn_output`, heads.mixed));
    x = layerNorm(weights, `${block}.attn_output_norm`, epsilon, attended);
    x = add(x, feedForward(weights, block, activation, x));
    x = layerNorm(weights, `${block}.layer_output_norm`, epsilon, x);
    hiddenStates.push(x);
  }
  return { hiddenStates, attentions, last: x };
}

/** tanh(W h_[CLS] + b), [H]. */
export function bertPooler(weights: ReferenceWeights, H: number, last: Float64Array): Float64Array {
  return linear(weights, "cls", last.subarray(0, H)).map(Math.tanh);
}

/** Logits (is next, is not next). */
export function bertNextSentence(weights: ReferenceWeights, pooled: Float64Array): Float64Array {
  return linear(weights, "nsp", pooled);
}

/** Logits of the labels, from the pooler's output, [labels]. */
export function bertSequenceLabels(weights: ReferenceWeights, pooled: Float64Array): Float64Array {
  return linear(weights, "cls.output", pooled);
}

/** Logits of the labels of every token, [S, labels]. */
export function bertTokenLabels(weights: ReferenceWeights, last: Float64Array): Float64Array {
  return linear(weights, "token_cls", last);
}

/** Logits of an answer's start and end at every token, [S, 2]. Devlin et al., section 4.2. */
export function bertAnswer(weights: ReferenceWeights, last: Float64Array): Float64Array {
  return linear(weights, "qa", last);
}

/** Masked-token logits at the given positions, [M, V]. The decoder shares the token embedding unless it has its own. */
export function bertMaskedTokens(
  weights: ReferenceWeights,
  { H, epsilon, activation }: ReferenceBertConfig,
  last: Float64Array,
  positions: readonly number[],
): Float64Array {
  let x = rows({ shape: [H, last.length / H], data: last }, positions);
  x = linear(weights, "mlm.transform", x).map((value) => activate(activation, value));
  x = layerNorm(weights, "mlm.transform_norm", epsilon, x);
  const decoder = weights.get("mlm.output.weight") ?? need(weights, "token_embd.weight");
  return product(decoder, weights.get("mlm.output.bias"), x);
}

export type ReferencePooling = "mean" | "cls" | "max" | "last";

/** One vector [H] for a sequence [S, H]. */
export function pool(mode: ReferencePooling, H: number, last: Float64Array): Float64Array {
  const S = last.length / H;
  const column = (i: number) => Array.from({ length: S }, (_, s) => last[s * H + i]!);
  return Float64Array.from({ length: H }, (_, i) => {
    const values = column(i);
    if (mode === "cls") return values[0]!;
    if (mode === "last") return values.at(-1)!;
    if (mode === "max") return Math.max(...values);
    return values.reduce((sum, value) => sum + value, 0) / S;
  });
}

/** Scaled to length one. */
export function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}
