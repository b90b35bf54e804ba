/**
 * The kin of BERT in double precision, from the papers, on checkpoints under their own names: RoBERTa
 * (arXiv:1907.11692), DistilBERT (1910.01108), ELECTRA (2003.10555), ALBERT (1909.11942) and MPNet (2004.09297).
 * Nothing here comes from the converter or the engine. Symbols as in bert.ts; E: width of
 * the embeddings.
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
  type AttentionBias,
  type ReferenceActivation,
  type ReferenceWeights,
} from "./arithmetic.js";

export interface ReferenceEncoderOutput {
  /** Input of the first block and output of each, [L + 1][S, H]. */
  hiddenStates: Float64Array[];
  /** [L][A, S, S] */
  attentions: Float64Array[];
  /** [H], where the checkpoint has one. */
  pooled?: Float64Array;
  /** Masked-token logits of every position, [S, V], where the checkpoint has the head. */
  mlm?: Float64Array;
  /** Logits of the classifier the class has: of the sequence, [labels], of every token, [S, labels], … */
  sequence?: Float64Array;
  token?: Float64Array;
  /** … or of the start and end of an answer, [S, 2]. */
  answer?: Float64Array;
  /** Logits of "replaced" of every token, [S], of ELECTRA's discriminator. */
  replaced?: Float64Array;
  /** Logits of "in order" and "swapped", [2], of ALBERT's pre-training. */
  sentenceOrder?: Float64Array;
}

/** The entries of `config.json`. */
export type Config = Readonly<Record<string, unknown>>;
export type ReferenceEncoder = (
  weights: ReferenceWeights,
  config: Config,
  ids: ArrayLike<number>,
  segments: ArrayLike<number>,
) => ReferenceEncoderOutput;

export const number = (config: Config, name: string) => config[name] as number;
export const activationOf = (config: Config, name: string) => config[name] as ReferenceActivation;

// ---- post-LN blocks

/** What a family calls the parts of a block. */
interface BlockNames {
  q: string;
  k: string;
  v: string;
  o: string;
  attentionNorm: string;
  up: string;
  down: string;
  outputNorm: string;
}

interface BlockSizes {
  H: number;
  A: number;
  epsilon: number;
  activation: ReferenceActivation;
  bias?: AttentionBias;
}

function block(
  weights: ReferenceWeights,
  names: BlockNames,
  { H, A, epsilon, activation, bias }: BlockSizes,
  x: Float64Array,
) {
  const [q, k, v] = [names.q, names.k, names.v].map((name) => linear(weights, name, x));
  const scale = 1 / Math.sqrt(H / A);
  const heads = attention({ q: q!, k: k!, v: v! }, { H, A, scale, causal: false, bias });
  let y = add(x, linear(weights, names.o, heads.mixed));
  y = layerNorm(weights, names.attentionNorm, epsilon, y);
  const inner = linear(weights, names.up, y).map((value) => activate(activation, value));
  y = layerNorm(weights, names.outputNorm, epsilon, add(y, linear(weights, names.down, inner)));
  return { y, attention: heads.weights };
}

/** Blocks 0 to L - 1, whose names `nameOf` tells. */
function blocks(
  weights: ReferenceWeights,
  L: number,
  nameOf: (layer: number) => BlockNames,
  sizes: BlockSizes,
  x: Float64Array,
): ReferenceEncoderOutput {
  const hiddenStates = [x];
  const attentions: Float64Array[] = [];
  for (let i = 0; i < L; i++) {
    const { y, attention: weightsOf } = block(weights, nameOf(i), sizes, hiddenStates[i]!);
    hiddenStates.push(y);
    attentions.push(weightsOf);
  }
  return { hiddenStates, attentions };
}

/** The sum of the embeddings, normalized. */
function embeddings(
  weights: ReferenceWeights,
  prefix: string,
  epsilon: number,
  inputs: { ids: ArrayLike<number>; firstPosition: number; segments?: ArrayLike<number> },
): Float64Array {
  const table = (name: string) => need(weights, `${prefix}embeddings.${name}.weight`);
  let x = rows(table("word_embeddings"), inputs.ids);
  const positions = range(inputs.ids.length).map((i) => i + inputs.firstPosition);
  x = add(x, rows(table("position_embeddings"), positions));
  if (inputs.segments) x = add(x, rows(table("token_type_embeddings"), inputs.segments));
  return layerNorm(weights, `${prefix}embeddings.LayerNorm`, epsilon, x);
}

function bertBlock(prefix: string, i: number): BlockNames {
  const layer = `${prefix}encoder.layer.${i}`;
  return {
    q: `${layer}.attention.self.query`,
    k: `${layer}.attention.self.key`,
    v: `${layer}.attention.self.value`,
    o: `${layer}.attention.output.dense`,
    attentionNorm: `${layer}.attention.output.LayerNorm`,
    up: `${layer}.intermediate.dense`,
    down: `${layer}.output.dense`,
    outputNorm: `${layer}.output.LayerNorm`,
  };
}

// ---- heads

/** tanh(W h_0 + b), when the checkpoint has it. */
function pooler(weights: ReferenceWeights, name: string, H: number, last: Float64Array) {
  return weights.has(`${name}.weight`)
    ? linear(weights, name, last.subarray(0, H)).map(Math.tanh)
    : undefined;
}

/** decoder(LN(activation(dense(h)))), when the checkpoint has it; the decoder may be the token embedding. */
export function maskedTokens(
  weights: ReferenceWeights,
  names: { dense: string; norm: string; decoder: string; bias: string; tokens: string },
  { epsilon, activation }: { epsilon: number; activation: ReferenceActivation },
  last: Float64Array,
): Float64Array | undefined {
  if (!weights.has(`${names.dense}.weight`)) return undefined;
  const hidden = linear(weights, names.dense, last).map((value) => activate(activation, value));
  const decoder = weights.get(names.decoder) ?? need(weights, names.tokens);
  return product(decoder, need(weights, names.bias), layerNorm(weights, names.norm, epsilon, hidden));
}

/** The head of RoBERTa and MPNet. */
function lmHead(weights: ReferenceWeights, prefix: string, epsilon: number, last: Float64Array) {
  const names = {
    dense: "lm_head.dense",
    norm: "lm_head.layer_norm",
    decoder: "lm_head.decoder.weight",
    bias: "lm_head.bias",
    tokens: `${prefix}embeddings.word_embeddings.weight`,
  };
  return maskedTokens(weights, names, { epsilon, activation: "gelu" }, last);
}

/** The hidden layer of a sequence classifier, activation(W h_0 + b), when the checkpoint has it. */
function hiddenLayer(
  weights: ReferenceWeights,
  name: string,
  activation: ReferenceActivation,
  { H, last }: { H: number; last: Float64Array },
) {
  if (!weights.has(`${name}.weight`)) return undefined;
  return linear(weights, name, last.subarray(0, H)).map((value) => activate(activation, value));
}

/** The classifier that the class of the checkpoint has; `sequence` is its name in that for sequences. */
function classifier(
  weights: ReferenceWeights,
  config: Config,
  sequence: string,
  { pooled, last }: { pooled?: Float64Array; last: Float64Array },
): Pick<ReferenceEncoderOutput, "sequence" | "token" | "answer"> {
  const architecture = (config["architectures"] as string[])[0]!;
  if (architecture.endsWith("ForSequenceClassification"))
    return { sequence: linear(weights, sequence, pooled!) };
  if (architecture.endsWith("ForTokenClassification")) return { token: linear(weights, "classifier", last) };
  if (architecture.endsWith("ForQuestionAnswering")) return { answer: linear(weights, "qa_outputs", last) };
  return {};
}

/** The prefix of the base model's tensors, which checkpoints of the base class lack. */
export function prefixOf(weights: ReferenceWeights, prefix: string): string {
  return [...weights.keys()].some((name) => name.startsWith(prefix)) ? prefix : "";
}

const sizesOf = (config: Config) => ({
  H: number(config, "hidden_size"),
  A: number(config, "num_attention_heads"),
  epsilon: number(config, "layer_norm_eps"),
  activation: activationOf(config, "hidden_act"),
});

// ---- architectures

export const roberta: ReferenceEncoder = (weights, config, ids, segments) => {
  const prefix = prefixOf(weights, "roberta.");
  const sizes = sizesOf(config);
  const firstPosition = number(config, "pad_token_id") + 1;
  const x = embeddings(weights, prefix, sizes.epsilon, { ids, firstPosition, segments });
  const L = number(config, "num_hidden_layers");
  const output = blocks(weights, L, (i) => bertBlock(prefix, i), sizes, x);
  const last = output.hiddenStates.at(-1)!;
  const pooled =
    hiddenLayer(weights, "classifier.dense", "tanh", { H: sizes.H, last }) ??
    pooler(weights, `${prefix}pooler.dense`, sizes.H, last);
  const logits = classifier(weights, config, "classifier.out_proj", { pooled, last });
  return { ...output, pooled, mlm: lmHead(weights, prefix, sizes.epsilon, last), ...logits };
};

export const distilbert: ReferenceEncoder = (weights, config, ids) => {
  const prefix = prefixOf(weights, "distilbert.");
  const epsilon = 1e-12;
  const activation = activationOf(config, "activation");
  const sizes = { H: number(config, "dim"), A: number(config, "n_heads"), epsilon, activation };
  const nameOf = (i: number): BlockNames => {
    const layer = `${prefix}transformer.layer.${i}`;
    return {
      q: `${layer}.attention.q_lin`,
      k: `${layer}.attention.k_lin`,
      v: `${layer}.attention.v_lin`,
      o: `${layer}.attention.out_lin`,
      attentionNorm: `${layer}.sa_layer_norm`,
      up: `${layer}.ffn.lin1`,
      down: `${layer}.ffn.lin2`,
      outputNorm: `${layer}.output_layer_norm`,
    };
  };
  const x = embeddings(weights, prefix, epsilon, { ids, firstPosition: 0 });
  const output = blocks(weights, number(config, "n_layers"), nameOf, sizes, x);
  const last = output.hiddenStates.at(-1)!;
  const names = {
    dense: "vocab_transform",
    norm: "vocab_layer_norm",
    decoder: "vocab_projector.weight",
    bias: "vocab_projector.bias",
    tokens: `${prefix}embeddings.word_embeddings.weight`,
  };
  const mlm = maskedTokens(weights, names, { epsilon, activation }, last);
  const pooled = hiddenLayer(weights, "pre_classifier", "relu", { H: sizes.H, last });
  return { ...output, mlm, pooled, ...classifier(weights, config, "classifier", { pooled, last }) };
};

export const electra: ReferenceEncoder = (weights, config, ids, segments) => {
  const prefix = prefixOf(weights, "electra.");
  const sizes = sizesOf(config);
  let x = embeddings(weights, prefix, sizes.epsilon, { ids, firstPosition: 0, segments });
  const projection = `${prefix}embeddings_project`;
  if (config["embedding_size"] !== config["hidden_size"]) x = linear(weights, projection, x);
  const L = number(config, "num_hidden_layers");
  const output = blocks(weights, L, (i) => bertBlock(prefix, i), sizes, x);
  const names = {
    dense: "generator_predictions.dense",
    norm: "generator_predictions.LayerNorm",
    decoder: "generator_lm_head.weight",
    bias: "generator_lm_head.bias",
    tokens: `${prefix}embeddings.word_embeddings.weight`,
  };
  const head = { epsilon: sizes.epsilon, activation: "gelu" } as const;
  const last = output.hiddenStates.at(-1)!;
  const pooled = hiddenLayer(weights, "classifier.dense", "gelu", { H: sizes.H, last });
  const logits = classifier(weights, config, "classifier.out_proj", { pooled, last });
  const replaced = weights.has("discriminator_predictions.dense.weight")
    ? linear(
        weights,
        "discriminator_predictions.dense_prediction",
        linear(weights, "discriminator_predictions.dense", last).map((value) =>
          activate(sizes.activation, value),
        ),
      )
    : undefined;
  return { ...output, pooled, mlm: maskedTokens(weights, names, head, last), replaced, ...logits };
};

export const albert: ReferenceEncoder = (weights, config, ids, segments) => {
  const prefix = prefixOf(weights, "albert.");
  const sizes = sizesOf(config);
  const L = number(config, "num_hidden_layers");
  const perGroup = L / number(config, "num_hidden_groups");
  const nameOf = (i: number): BlockNames => {
    const group = Math.floor(i / perGroup);
    const layer = `${prefix}encoder.albert_layer_groups.${group}.albert_layers.0`;
    return {
      q: `${layer}.attention.query`,
      k: `${layer}.attention.key`,
      v: `${layer}.attention.value`,
      o: `${layer}.attention.dense`,
      attentionNorm: `${layer}.attention.LayerNorm`,
      up: `${layer}.ffn`,
      down: `${layer}.ffn_output`,
      outputNorm: `${layer}.full_layer_layer_norm`,
    };
  };
  const embedded = embeddings(weights, prefix, sizes.epsilon, { ids, firstPosition: 0, segments });
  const x = linear(weights, `${prefix}encoder.embedding_hidden_mapping_in`, embedded);
  const output = blocks(weights, L, nameOf, sizes, x);
  const last = output.hiddenStates.at(-1)!;
  const names = {
    dense: "predictions.dense",
    norm: "predictions.LayerNorm",
    decoder: "predictions.decoder.weight",
    bias: "predictions.bias",
    tokens: `${prefix}embeddings.word_embeddings.weight`,
  };
  const pooled = pooler(weights, `${prefix}pooler`, sizes.H, last);
  const logits = classifier(weights, config, "classifier", { pooled, last });
  const order = "sop_classifier.classifier";
  const sentenceOrder = weights.has(`${order}.weight`) ? linear(weights, order, pooled!) : undefined;
  return { ...output, pooled, mlm: maskedTokens(weights, names, sizes, last), sentenceOrder, ...logits };
};

/** The bucket of a distance key - query, of 32: half for each direction, 8 of them for one distance each. */
function mpnetBucket(query: number, key: number): number {
  const half = key > query ? 16 : 0;
  const distance = Math.abs(key - query);
  if (distance < 8) return half + distance;
  // 8 + floor(8 log(distance / 8) / log(128 / 8)): the number of half octaves, counted without logarithms.
  let halfOctaves = 0;
  while (halfOctaves < 7 && distance ** 2 >= 64 * 2 ** (halfOctaves + 1)) halfOctaves++;
  return half + 8 + halfOctaves;
}

export const mpnet: ReferenceEncoder = (weights, config, ids) => {
  const prefix = prefixOf(weights, "mpnet.");
  const table = need(weights, `${prefix}encoder.relative_attention_bias.weight`);
  const A = table.shape[0]!;
  const bias: AttentionBias = (head, query, key) => table.data[mpnetBucket(query, key) * A + head]!;
  const sizes = { ...sizesOf(config), bias };
  const nameOf = (i: number): BlockNames => {
    const layer = `${prefix}encoder.layer.${i}`;
    return {
      ...bertBlock(prefix, i),
      q: `${layer}.attention.attn.q`,
      k: `${layer}.attention.attn.k`,
      v: `${layer}.attention.attn.v`,
      o: `${layer}.attention.attn.o`,
      attentionNorm: `${layer}.attention.LayerNorm`,
    };
  };
  const x = embeddings(weights, prefix, sizes.epsilon, { ids, firstPosition: 2 });
  const output = blocks(weights, number(config, "num_hidden_layers"), nameOf, sizes, x);
  const last = output.hiddenStates.at(-1)!;
  const pooled =
    hiddenLayer(weights, "classifier.dense", "tanh", { H: sizes.H, last }) ??
    pooler(weights, `${prefix}pooler.dense`, sizes.H, last);
  const logits = classifier(weights, config, "classifier.out_proj", { pooled, last });
  return { ...output, pooled, mlm: lmHead(weights, prefix, sizes.epsilon, last), ...logits };
};
