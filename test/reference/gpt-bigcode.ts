/**
 * GPTBigCode in double precision, on a checkpoint's own tensors: GPT-2 whose heads share one head of keys and values
 * (Shazeer, arXiv:1911.02150), as Hugging Face's GPTBigCodeForCausalLM has it.
 */
import {
  activate,
  add,
  attention,
  layerNorm,
  linear,
  need,
  product,
  range,
  rows,
  type ReferenceActivation,
  type ReferenceWeights,
} from "./arithmetic.js";
import { partOf } from "./gpt-neox.js";

export interface ReferenceGptBigcodeConfig {
  H: number;
  A: number;
  L: number;
  epsilon: number;
  activation: ReferenceActivation;
  multiQuery: boolean;
  /** Divide scores by sqrt(H / A). */
  scaleAttention: boolean;
}

/** The normalized output of the last layer, [S, H]. `weights` has the checkpoint's names without `transformer.`. */
export function gptBigcodeHidden(
  weights: ReferenceWeights,
  config: ReferenceGptBigcodeConfig,
  ids: ArrayLike<number>,
): Float64Array {
  const { H, A, L, epsilon, activation } = config;
  let x = add(rows(need(weights, "wte.weight"), ids), rows(need(weights, "wpe.weight"), range(ids.length)));
  for (let i = 0; i < L; i++) {
    const name = `h.${i}`;
    const fused = linear(weights, `${name}.attn.c_attn`, layerNorm(weights, `${name}.ln_1`, epsilon, x));
    const scale = config.scaleAttention ? 1 / Math.sqrt(H / A) : 1;
    const { mixed } = attention(heads(fused, config), { H, A, scale, causal: true });
    x = add(x, linear(weights, `${name}.attn.c_proj`, mixed));
    const inner = linear(weights, `${name}.mlp.c_fc`, layerNorm(weights, `${name}.ln_2`, epsilon, x));
    const activated = inner.map((value) => activate(activation, value));
    x = add(x, linear(weights, `${name}.mlp.c_proj`, activated));
  }
  return layerNorm(weights, "ln_f", epsilon, x);
}

/** Logits at every position, [S, V]. */
export function gptBigcodeLogits(
  weights: ReferenceWeights,
  config: ReferenceGptBigcodeConfig,
  ids: ArrayLike<number>,
): Float64Array {
  const head = weights.get("lm_head.weight") ?? need(weights, "wte.weight");
  return product(head, undefined, gptBigcodeHidden(weights, config, ids));
}

/** Queries, keys and values of every head, [S, H] each: the shared ones are repeated. */
function heads(fused: Float64Array, { H, A, multiQuery }: ReferenceGptBigcodeConfig) {
  if (!multiQuery) {
    const [q, k, v] = [0, 1, 2].map((part) => partOf(fused, part, H, A));
    return { q: q!, k: k!, v: v! };
  }
  const D = H / A;
  const width = H + 2 * D;
  const S = fused.length / width;
  const gather = (column: (i: number) => number) =>
    Float64Array.from({ length: S * H }, (_, i) => fused[Math.floor(i / H) * width + column(i % H)]!);
  return { q: gather((i) => i), k: gather((i) => H + (i % D)), v: gather((i) => H + D + (i % D)) };
}
