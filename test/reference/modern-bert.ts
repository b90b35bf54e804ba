/** ModernBERT in double precision, from arXiv:2412.13663, on checkpoints under their own names; see encoders.ts. */
import {
  activate,
  add,
  attention,
  layerNorm,
  linear,
  need,
  rows,
  type AttentionBias,
  type ReferenceWeights,
} from "./arithmetic.js";
import {
  activationOf,
  maskedTokens,
  number,
  prefixOf,
  type Config,
  type ReferenceEncoder,
} from "./encoders.js";

/** Pairs (i, i + D / 2) of every head turn by position / base^(2 i / D). Su et al., arXiv:2104.09864. */
function rotated(x: Float64Array, H: number, A: number, base: number): Float64Array {
  const D = H / A;
  const y = new Float64Array(x.length);
  for (let s = 0; s * H < x.length; s++) {
    for (let a = 0; a < A; a++) {
      for (let i = 0; i < D / 2; i++) {
        const angle = s * base ** ((-2 * i) / D);
        const first = s * H + a * D + i;
        const second = first + D / 2;
        y[first] = x[first]! * Math.cos(angle) - x[second]! * Math.sin(angle);
        y[second] = x[second]! * Math.cos(angle) + x[first]! * Math.sin(angle);
      }
    }
  }
  return y;
}

/** Columns [begin, begin + width) of every row. */
function columns(x: Float64Array, total: number, begin: number, width: number): Float64Array {
  return Float64Array.from({ length: (x.length / total) * width }, (_, i) => {
    return x[Math.floor(i / width) * total + begin + (i % width)]!;
  });
}

export const modernBert: ReferenceEncoder = (weights, config, ids) => {
  const prefix = prefixOf(weights, "model.");
  const [H, A, F] = ["hidden_size", "num_attention_heads", "intermediate_size"].map((name) =>
    number(config, name),
  ) as [number, number, number];
  const epsilon = number(config, "norm_eps");
  const activation = activationOf(config, "hidden_activation");
  const reach = Math.floor(number(config, "local_attention") / 2);
  const near: AttentionBias = (_, query, key) => (Math.abs(query - key) <= reach ? 0 : -Infinity);

  const tokens = need(weights, `${prefix}embeddings.tok_embeddings.weight`);
  let x = layerNorm(weights, `${prefix}embeddings.norm`, epsilon, rows(tokens, ids));
  const hiddenStates = [x];
  const attentions: Float64Array[] = [];
  for (let i = 0; i < number(config, "num_hidden_layers"); i++) {
    const layer = `${prefix}layers.${i}`;
    const global = i % number(config, "global_attn_every_n_layers") === 0;
    const base = number(config, global ? "global_rope_theta" : "local_rope_theta");
    const input = i === 0 ? x : layerNorm(weights, `${layer}.attn_norm`, epsilon, x);
    const qkv = linear(weights, `${layer}.attn.Wqkv`, input);
    const q = rotated(columns(qkv, 3 * H, 0, H), H, A, base);
    const k = rotated(columns(qkv, 3 * H, H, H), H, A, base);
    const v = columns(qkv, 3 * H, 2 * H, H);
    const scale = 1 / Math.sqrt(H / A);
    const bias = global ? undefined : near;
    const heads = attention({ q, k, v }, { H, A, scale, causal: false, bias });
    attentions.push(heads.weights);
    x = add(x, linear(weights, `${layer}.attn.Wo`, heads.mixed));
    const wide = linear(weights, `${layer}.mlp.Wi`, layerNorm(weights, `${layer}.mlp_norm`, epsilon, x));
    const gate = columns(wide, 2 * F, F, F);
    const gated = columns(wide, 2 * F, 0, F).map((value, at) => activate(activation, value) * gate[at]!);
    x = add(x, linear(weights, `${layer}.mlp.Wo`, gated));
    hiddenStates.push(x);
  }
  // The last hidden state is the normalized one.
  hiddenStates[hiddenStates.length - 1] = layerNorm(weights, `${prefix}final_norm`, epsilon, x);
  const names = {
    dense: "head.dense",
    norm: "head.norm",
    decoder: "decoder.weight",
    bias: "decoder.bias",
    tokens: `${prefix}embeddings.tok_embeddings.weight`,
  };
  const head = { epsilon, activation: "gelu" } as const;
  const last = hiddenStates.at(-1)!;
  if (weights.has("classifier.weight"))
    return { hiddenStates, attentions, ...classifier(weights, config, H, last) };
  return { hiddenStates, attentions, mlm: maskedTokens(weights, names, head, last) };
};

/** The head of the class: dense, GELU and norm, over the pooled tokens or each of them, and a last layer. */
function classifier(weights: ReferenceWeights, config: Config, H: number, last: Float64Array) {
  const architecture = (config["architectures"] as string[])[0]!;
  const ofSequence = architecture.endsWith("ForSequenceClassification");
  const isMean = config["classifier_pooling"] === "mean";
  const pooled = isMean ? mean(last, H) : last.subarray(0, H);
  const dense = linear(weights, "head.dense", ofSequence ? pooled : last);
  const activated = dense.map((value) => activate("gelu", value));
  const logits = linear(
    weights,
    "classifier",
    layerNorm(weights, "head.norm", number(config, "norm_eps"), activated),
  );
  if (ofSequence) return { sequence: logits };
  return architecture.endsWith("ForTokenClassification") ? { token: logits } : { answer: logits };
}

function mean(x: Float64Array, H: number): Float64Array {
  const sums = new Float64Array(H);
  for (const [i, value] of x.entries()) sums[i % H]! += value;
  return sums.map((sum) => sum / (x.length / H));
}
