/**
 * GPT-2 in double precision: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019,
 * section 2.3: pre-LN blocks, learned positions, causal attention over the whole sequence each time.
 */
import {
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

export interface ReferenceGpt2Config {
  H: number;
  A: number;
  L: number;
  epsilon: number;
  activation: ReferenceActivation;
  /** Divide scores by sqrt(H / A). */
  scaleAttention: boolean;
  /** Divide scores of layer i by i + 1 as well. */
  scaleAttentionByInverseLayer: boolean;
}

/** Logits at every position, [S, V]. The head shares the token embedding unless it has its own. */
export function gpt2Logits(
  weights: ReferenceWeights,
  config: ReferenceGpt2Config,
  ids: ArrayLike<number>,
): Float64Array {
  const head = weights.get("output.weight") ?? need(weights, "token_embd.weight");
  return product(head, undefined, gpt2Hidden(weights, config, ids));
}

/** The normalized output of the last block, [S, H]; `watch` is told what comes before it. */
export function gpt2Hidden(
  weights: ReferenceWeights,
  { H, A, L, epsilon, activation, ...flags }: ReferenceGpt2Config,
  ids: ArrayLike<number>,
  watch: { hidden?: (x: Float64Array) => void; attention?: (weights: Float64Array) => void } = {},
): Float64Array {
  const tokens = rows(need(weights, "token_embd.weight"), ids);
  let x = add(tokens, rows(need(weights, "position_embd.weight"), range(ids.length)));
  for (let i = 0; i < L; i++) {
    const block = `blk.${i}`;
    watch.hidden?.(x);
    const root = flags.scaleAttention ? Math.sqrt(H / A) : 1;
    const scale = 1 / root / (flags.scaleAttentionByInverseLayer ? i + 1 : 1);
    const qkv = projections(weights, block, layerNorm(weights, `${block}.attn_norm`, epsilon, x), A);
    const { mixed, weights: map } = attention(qkv, { H, A, scale, causal: true });
    watch.attention?.(map);
    x = add(x, linear(weights, `${block}.attn_output`, mixed));
    const normed = layerNorm(weights, `${block}.ffn_norm`, epsilon, x);
    x = add(x, feedForward(weights, block, activation, normed));
  }
  return layerNorm(weights, "output_norm", epsilon, x);
}

/** A greedy continuation, and how far the best logit was above the second at each step. */
export function gpt2Greedy(
  weights: ReferenceWeights,
  config: ReferenceGpt2Config,
  prompt: ArrayLike<number>,
  count: number,
): { ids: number[]; margins: number[] } {
  const head = weights.get("output.weight") ?? need(weights, "token_embd.weight");
  const V = head.shape[1]!;
  const sequence = Array.from(prompt);
  const margins: number[] = [];
  for (let step = 0; step < count; step++) {
    const last = gpt2Hidden(weights, config, sequence).subarray(-config.H);
    const logits = product(head, undefined, last);
    const order = range(V).sort((a, b) => logits[b]! - logits[a]!);
    margins.push(logits[order[0]!]! - logits[order[1]!]!);
    sequence.push(order[0]!);
  }
  return { ids: sequence.slice(prompt.length), margins };
}

/** Natural logarithm of the softmax of a row of logits. */
export function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = values.reduce((total, value) => total + Math.exp(value - largest), 0);
  return values.map((value) => value - largest - Math.log(sum));
}
