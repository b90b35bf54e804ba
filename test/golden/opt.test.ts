/** OPT: random checkpoints in Hugging Face's layout, against a double-precision forward pass on their own tensors. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert, Generator } from "../../lib/index.js";
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
  type ReferenceTensor,
  type ReferenceWeights,
} from "../reference/arithmetic.js";
import { expectSameBits } from "./decoder-suite.js";
import { maxDifference } from "../support/golden.js";
import {
  weightMaker,
  writeModel,
  writeTokenizer,
  type RandomModel,
  type SharedOptions,
} from "../support/random-models.js";
import { integer, random } from "../support/random.js";
import { count, type CheckpointTensor } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const SEED = 61;
const H = 48;
const A = 3;
const F = 80;
const L = 3;
const POSITIONS = 40;

let models = 0;

interface Options extends SharedOptions {
  tied?: boolean;
  base?: boolean;
  classifier?: boolean;
  /** As in the size of 350 million: norms after, and embeddings of half the width. */
  small?: boolean;
}

async function writeOpt({
  tied = true,
  base = false,
  classifier = false,
  small = false,
  ...options
}: Options = {}): Promise<RandomModel> {
  const dir = join(folder, `opt-${++models}`);
  const V = await writeTokenizer(dir, "gpt2", { vocabSize: 320, ...options });
  const make = weightMaker({ seed: SEED, std: 0.15, ...options });
  const layerNorms = (name: string) => [make.scale(`${name}.weight`, H), make.bias(`${name}.bias`, H)];
  const linears = (name: string, to: number, from: number) => [
    make.matrix(`${name}.weight`, to, from),
    make.bias(`${name}.bias`, to),
  ];
  const E = small ? H / 2 : H;
  const prefix = base ? "decoder." : "model.decoder.";
  const tensors: CheckpointTensor[] = [
    make.matrix(`${prefix}embed_tokens.weight`, V, E),
    make.matrix(`${prefix}embed_positions.weight`, POSITIONS + 2, H),
  ];
  if (small) {
    tensors.push(make.matrix(`${prefix}project_in.weight`, H, E));
    tensors.push(make.matrix(`${prefix}project_out.weight`, E, H));
  } else {
    tensors.push(...layerNorms(`${prefix}final_layer_norm`));
  }
  for (let i = 0; i < L; i++) {
    const layer = `${prefix}layers.${i}`;
    for (const part of ["q_proj", "k_proj", "v_proj", "out_proj"])
      tensors.push(...linears(`${layer}.self_attn.${part}`, H, H));
    tensors.push(...layerNorms(`${layer}.self_attn_layer_norm`), ...layerNorms(`${layer}.final_layer_norm`));
    tensors.push(...linears(`${layer}.fc1`, F, H), ...linears(`${layer}.fc2`, H, F));
  }
  if (classifier) tensors.push(make.matrix("score.weight", 3, E));
  else if (!tied && !base) tensors.push(make.matrix("lm_head.weight", V, E));
  const config = {
    architectures: [base ? "OPTModel" : classifier ? "OPTForSequenceClassification" : "OPTForCausalLM"],
    model_type: "opt",
    vocab_size: V,
    hidden_size: H,
    ffn_dim: F,
    num_hidden_layers: L,
    num_attention_heads: A,
    max_position_embeddings: POSITIONS,
    word_embed_proj_dim: E,
    do_layer_norm_before: !small,
    activation_function: "relu",
    tie_word_embeddings: tied,
    ...options.config,
  };
  return writeModel(dir, config, tensors, options);
}

/** Zhang et al., arXiv:2205.01068, section 2.1, as Hugging Face's OPTForCausalLM computes it: [S, V]. */
function logitsOf(model: RandomModel, ids: ArrayLike<number>): Float64Array {
  const weights = weightsOf(model);
  const head =
    weights.get("score.weight") ?? weights.get("lm_head.weight") ?? need(weights, "embed_tokens.weight");
  return product(head, undefined, hiddenOf(weights, ids));
}

function weightsOf(model: RandomModel): ReferenceWeights {
  const weights: Map<string, ReferenceTensor> = new Map();
  for (const [name, { shape, data }] of model.weights) {
    const short = name.replace(/^(model\.)?decoder\./, "");
    weights.set(short, { shape: shape.toReversed(), data: Float64Array.from(data) });
  }
  return weights;
}

/** What the heads are over: [S, E]. */
function hiddenOf(weights: ReferenceWeights, ids: ArrayLike<number>): Float64Array {
  const small = weights.has("project_in.weight");
  const table = need(weights, "embed_positions.weight");
  const positions = range(ids.length).map((position) => position + 2);
  const tokens = rows(need(weights, "embed_tokens.weight"), ids);
  let x = add(small ? linear(weights, "project_in", tokens) : tokens, rows(table, positions));
  const block = small ? layerWithNormsAfter : layer;
  for (let i = 0; i < L; i++) x = block(weights, `layers.${i}`, x);
  return small ? linear(weights, "project_out", x) : layerNorm(weights, "final_layer_norm", 1e-5, x);
}

function layerWithNormsAfter(weights: ReferenceWeights, name: string, x: Float64Array): Float64Array {
  const [q, k, v] = ["q", "k", "v"].map((part) => linear(weights, `${name}.self_attn.${part}_proj`, x));
  const scale = 1 / Math.sqrt(H / A);
  const { mixed } = attention({ q: q!, k: k!, v: v! }, { H, A, scale, causal: true });
  const y = add(x, linear(weights, `${name}.self_attn.out_proj`, mixed));
  const normed = layerNorm(weights, `${name}.self_attn_layer_norm`, 1e-5, y);
  const inner = linear(weights, `${name}.fc1`, normed).map((each) => activate("relu", each));
  return layerNorm(
    weights,
    `${name}.final_layer_norm`,
    1e-5,
    add(normed, linear(weights, `${name}.fc2`, inner)),
  );
}

function layer(weights: ReferenceWeights, name: string, x: Float64Array): Float64Array {
  const normed = layerNorm(weights, `${name}.self_attn_layer_norm`, 1e-5, x);
  const [q, k, v] = ["q", "k", "v"].map((part) => linear(weights, `${name}.self_attn.${part}_proj`, normed));
  const scale = 1 / Math.sqrt(H / A);
  const { mixed } = attention({ q: q!, k: k!, v: v! }, { H, A, scale, causal: true });
  const y = add(x, linear(weights, `${name}.self_attn.out_proj`, mixed));
  const inner = linear(weights, `${name}.fc1`, layerNorm(weights, `${name}.final_layer_norm`, 1e-5, y));
  return add(
    y,
    linear(
      weights,
      `${name}.fc2`,
      inner.map((each) => activate("relu", each)),
    ),
  );
}

describe(`OPT (seed ${SEED})`, () => {
  it.each([
    ["tied", {}],
    ["untied, in shards", { tied: false, shards: 3 }],
    ["the base class", { base: true }],
    ["norms after, narrower embeddings", { small: true }],
    ["the same with its own output layer", { small: true, tied: false }],
  ] satisfies [string, Options][])(
    "%s: gives the reference's logits and greedy tokens",
    async (_, options) => {
      const model = await writeOpt(options);
      const path = `${model.dir}.gguf`;
      const { architecture } = await convert(model.dir, path, { type: "F32" });
      expect(architecture).toBe("gpt2");
      await using generator = await Generator.load(path, { threads: 2 });
      expect(generator.info.contextLength).toBe(POSITIONS);
      const next = random(SEED);
      for (const length of [1, 2, 9, POSITIONS]) {
        const ids = Int32Array.from({ length }, () => integer(next, 256));
        const expected = logitsOf(model, ids);
        const { data } = await generator.logits({ ids });
        const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        expect(maxDifference(data, expected) / largest).toBeLessThan(1e-5);
        if (length > 9) continue;
        const { tokens } = await generator.generate({ ids }, { maxTokens: 12, ignoreEos: true });
        const all = [...ids];
        for (const token of tokens) {
          const V = count([expected.length / length]);
          const row = logitsOf(model, all).subarray(-V);
          expect(token).toBe(row.indexOf(Math.max(...row)));
          all.push(token);
        }
      }
    },
  );

  it.each([{}, { small: true }])("classifies by the last token: %j", async (options) => {
    const model = await writeOpt({ ...options, classifier: true });
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await using generator = await Generator.load(`${model.dir}.gguf`, { threads: 2 });
    const next = random(SEED);
    const ids = Int32Array.from({ length: 21 }, () => integer(next, 256));
    const { logits } = await generator.classify({ ids });
    expect(maxDifference(logits, logitsOf(model, ids).subarray(-3))).toBeLessThan(2e-4);
  });

  it("has the same bits in every way to them, norms after", async () => {
    const { dir } = await writeOpt({ small: true });
    await convert(dir, `${dir}.gguf`, { type: "F32" });
    await expectSameBits(`${dir}.gguf`, SEED, folder, [3, 17, 20]);
  });

  it.each([
    ["enable_bias", false],
    ["layer_norm_elementwise_affine", false],
    ["_remove_final_layer_norm", true],
    ["activation_function", "quick_gelu"],
  ])("is refused with %s: %s", async (field, value) => {
    const { dir } = await writeOpt({ config: { [field]: value } });
    await expect(convert(dir, `${dir}.gguf`)).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { field },
    });
  });
});
