/**
 * GPT-NeoX in double precision, on a checkpoint's own tensors: Black et al., arXiv:2204.06745, section 2, with the
 * rotary positions of Su et al., arXiv:2104.09864, as Hugging Face's GPTNeoXForCausalLM has them.
 */
import {
  activate,
  add,
  attention,
  layerNorm,
  linear,
  need,
  product,
  rows,
  type ReferenceActivation,
  type ReferenceWeights,
} from "./arithmetic.js";

export interface ReferenceGptNeoxConfig {
  H: number;
  A: number;
  L: number;
  epsilon: number;
  activation: ReferenceActivation;
  parallel: boolean;
  /** Values of each head that are rotated. */
  rotated: number;
  base: number;
}

/** The normalized output of the last layer, [S, H]. `weights` has the checkpoint's names without `gpt_neox.`. */
export function gptNeoxHidden(
  weights: ReferenceWeights,
  config: ReferenceGptNeoxConfig,
  ids: ArrayLike<number>,
): Float64Array {
  const { H, A, L, epsilon, activation, parallel } = config;
  let x = rows(need(weights, "embed_in.weight"), ids);
  for (let i = 0; i < L; i++) {
    const name = `layers.${i}`;
    const fused = linear(
      weights,
      `${name}.attention.query_key_value`,
      layerNorm(weights, `${name}.input_layernorm`, epsilon, x),
    );
    const [q, k, v] = [0, 1, 2].map((part) => partOf(fused, part, H, A));
    const qkv = { q: rotate(q!, config), k: rotate(k!, config), v: v! };
    const { mixed } = attention(qkv, { H, A, scale: 1 / Math.sqrt(H / A), causal: true });
    const y = add(x, linear(weights, `${name}.attention.dense`, mixed));
    const read = layerNorm(weights, `${name}.post_attention_layernorm`, epsilon, parallel ? x : y);
    const inner = linear(weights, `${name}.mlp.dense_h_to_4h`, read);
    x = add(
      y,
      linear(
        weights,
        `${name}.mlp.dense_4h_to_h`,
        inner.map((value) => activate(activation, value)),
      ),
    );
  }
  return layerNorm(weights, "final_layer_norm", epsilon, x);
}

/** Logits at every position, [S, V]. */
export function gptNeoxLogits(
  weights: ReferenceWeights,
  config: ReferenceGptNeoxConfig,
  ids: ArrayLike<number>,
): Float64Array {
  const head = weights.get("embed_out.weight") ?? need(weights, "embed_in.weight");
  return product(head, undefined, gptNeoxHidden(weights, config, ids));
}

/** Queries (0), keys (1) or values (2), [S, H], of rows that hold each head's three one after another. */
export function partOf(fused: Float64Array, part: number, H: number, A: number): Float64Array {
  const D = H / A;
  return Float64Array.from({ length: fused.length / 3 }, (_, i) => {
    const [token, head, d] = [Math.floor(i / H), Math.floor((i % H) / D), i % D];
    return fused[token * 3 * H + head * 3 * D + part * D + d]!;
  });
}

/** Values i and i + R / 2 of each head as a point of the plane, turned by position / base^(2 i / R). */
function rotate(x: Float64Array, { H, A, rotated, base }: ReferenceGptNeoxConfig): Float64Array {
  const [D, half] = [H / A, rotated / 2];
  const y = x.slice();
  for (let at = 0; at < x.length; at += D) {
    const position = Math.floor(at / H);
    for (let i = 0; i < half; i++) {
      const angle = position * base ** ((-2 * i) / rotated);
      const [real, imaginary] = [x[at + i]!, x[at + half + i]!];
      y[at + i] = real * Math.cos(angle) - imaginary * Math.sin(angle);
      y[at + half + i] = real * Math.sin(angle) + imaginary * Math.cos(angle);
    }
  }
  return y;
}
