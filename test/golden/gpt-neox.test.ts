/** GPT-NeoX: random checkpoints in Hugging Face's layout, against a double-precision forward pass on their own tensors. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert, Generator, inspect, UnsupportedError } from "../../lib/index.js";
import { product, need, type ReferenceActivation } from "../reference/arithmetic.js";
import { gptNeoxHidden, gptNeoxLogits, type ReferenceGptNeoxConfig } from "../reference/gpt-neox.js";
import { maxDifference } from "../support/golden.js";
import {
  weightMaker,
  writeModel,
  writeTokenizer,
  type RandomModel,
  type SharedOptions,
} from "../support/random-models.js";
import { random } from "../support/random.js";
import type { CheckpointTensor } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import {
  expectBeams,
  expectLoadsWithout,
  expectQuantized,
  expectReferenceLogits,
  expectSameBits,
  itRefuses,
  randomTokens,
  referenceWeights,
} from "./decoder-suite.js";

const folder = temporaryFolder();
const SEED = 83;
const L = 3;
const V = 320;
const POSITIONS = 72;

let models = 0;

interface Options extends SharedOptions {
  tied?: boolean;
  architecture?: "GPTNeoXModel" | "GPTNeoXForCausalLM" | "GPTNeoXForSequenceClassification";
  attentionBias?: boolean;
}

async function writeGptNeox({
  tied = false,
  architecture = "GPTNeoXForCausalLM",
  attentionBias = true,
  hidden: H = 64,
  heads: A = 4,
  ...options
}: Options = {}): Promise<RandomModel> {
  const dir = join(folder, `gpt-neox-${++models}`);
  await writeTokenizer(dir, "gpt2", { vocabSize: V, ...options });
  const make = weightMaker({ seed: SEED, std: 0.15, ...options });
  const norms = (name: string) => [make.scale(`${name}.weight`, H), make.bias(`${name}.bias`, H)];
  const linears = (name: string, to: number, from: number, bias = true) => [
    make.matrix(`${name}.weight`, to, from),
    ...(bias ? [make.bias(`${name}.bias`, to)] : []),
  ];
  const F = options.intermediate ?? 3 * H;
  const prefix = architecture === "GPTNeoXModel" ? "" : "gpt_neox.";
  const tensors: CheckpointTensor[] = [make.matrix(`${prefix}embed_in.weight`, V, H)];
  for (let i = 0; i < L; i++) {
    const layer = `${prefix}layers.${i}`;
    tensors.push(...linears(`${layer}.attention.query_key_value`, 3 * H, H, attentionBias));
    tensors.push(...linears(`${layer}.attention.dense`, H, H, attentionBias));
    tensors.push(...norms(`${layer}.input_layernorm`), ...norms(`${layer}.post_attention_layernorm`));
    tensors.push(
      ...linears(`${layer}.mlp.dense_h_to_4h`, F, H),
      ...linears(`${layer}.mlp.dense_4h_to_h`, H, F),
    );
    // As older versions of the library stored them.
    tensors.push(make.bias(`${layer}.attention.rotary_emb.inv_freq`, 2));
    tensors.push(make.bias(`${layer}.attention.masked_bias`, 1));
  }
  tensors.push(...norms(`${prefix}final_layer_norm`));
  if (architecture === "GPTNeoXForCausalLM" && !tied) tensors.push(make.matrix("embed_out.weight", V, H));
  const labels = architecture === "GPTNeoXForSequenceClassification" ? 3 : 0;
  if (labels > 0) tensors.push(make.matrix("score.weight", labels, H));
  const config = {
    architectures: [architecture],
    model_type: "gpt_neox",
    vocab_size: V,
    hidden_size: H,
    intermediate_size: F,
    num_hidden_layers: L,
    num_attention_heads: A,
    max_position_embeddings: POSITIONS,
    rotary_pct: 0.25,
    rotary_emb_base: 10_000,
    hidden_act: "gelu",
    layer_norm_eps: 1e-5,
    use_parallel_residual: true,
    attention_bias: attentionBias,
    tie_word_embeddings: tied,
    ...(labels > 0 && { id2label: { 0: "bad", 1: "fair", 2: "good" } }),
    ...options.config,
  };
  return writeModel(dir, config, tensors, options);
}

const weightsOf = (model: RandomModel) => referenceWeights(model, /^gpt_neox\./);

function referenceConfig({ config }: RandomModel, given: Partial<ReferenceGptNeoxConfig> = {}) {
  const [H, A] = [config["hidden_size"] as number, config["num_attention_heads"] as number];
  return {
    H,
    A,
    L,
    epsilon: 1e-5,
    activation: config["hidden_act"] as ReferenceActivation,
    parallel: config["use_parallel_residual"] as boolean,
    rotated: Math.floor((H / A) * (config["rotary_pct"] as number)),
    base: config["rotary_emb_base"] as number,
    ...given,
  };
}

describe(`GPT-NeoX (seed ${SEED})`, () => {
  it.each([
    ["heads the fused attention covers", {}, {}],
    ["other heads, in shards", { hidden: 48, heads: 4, shards: 3, config: { rotary_pct: 0.5 } }, {}],
    [
      "one residual after the other",
      { config: { use_parallel_residual: false, hidden_act: "gelu_new" } },
      {},
    ],
    [
      "whole heads rotated by another base, no biases in attention, a tied head",
      { tied: true, attentionBias: false, config: { rotary_pct: 1, rotary_emb_base: 500 } },
      {},
    ],
    [
      "a newer configuration",
      { config: { rope_parameters: { rope_type: "default", rope_theta: 700, partial_rotary_factor: 0.5 } } },
      { rotated: 8, base: 700 },
    ],
  ] satisfies [string, Options, Partial<ReferenceGptNeoxConfig>][])(
    "%s: gives the reference's logits and greedy tokens in both lowerings",
    async (_, options, given) => {
      const model = await writeGptNeox(options);
      const [weights, config] = [weightsOf(model), referenceConfig(model, given)];
      await expectReferenceLogits({
        model,
        seed: SEED,
        architecture: "gptneox",
        lengths: [1, 17, 40, POSITIONS],
        continued: 40,
        V,
        reference: (ids) => gptNeoxLogits(weights, config, ids),
      });
    },
  );

  it.each([
    ["fused", {}],
    ["plain", { hidden: 48, heads: 4, config: { rotary_pct: 0.5 } }],
  ] satisfies [string, Options][])("has the same bits in every way to them, %s", async (_, options) => {
    const model = await writeGptNeox(options);
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await expectSameBits(`${model.dir}.gguf`, SEED, folder);
  });

  it("searches with beams, and in quantized types", async () => {
    const model = await writeGptNeox({ hidden: 256, intermediate: 256, std: 0.08 });
    const [weights, config] = [weightsOf(model), referenceConfig(model)];
    const reference = (ids: ArrayLike<number>) => gptNeoxLogits(weights, config, ids);
    const ids = randomTokens(random(SEED), 12);
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await expectBeams(`${model.dir}.gguf`, ids, V, reference);
    await expectQuantized(model, ids, reference(ids));
  });

  it("loads files as llama.cpp writes them", async () => {
    const { dir } = await writeGptNeox();
    await convert(dir, `${dir}.gguf`);
    const ours = ["gptneox.hidden_activation", "gptneox.rope.freq_base"];
    await expectLoadsWithout(`${dir}.gguf`, ours, "a boat of 120 feet");
  });

  it("stops at its positions", async () => {
    const { dir } = await writeGptNeox();
    await convert(dir, `${dir}.gguf`);
    await using generator = await Generator.load(`${dir}.gguf`);
    expect(generator.info).toMatchObject({
      architecture: "gptneox",
      contextLength: POSITIONS,
      keyValueHeadCount: 4,
    });
    const ids = randomTokens(random(SEED), POSITIONS - 2);
    const { finishReason, tokens } = await generator.generate({ ids }, { maxTokens: 9, ignoreEos: true });
    expect([finishReason, tokens.length]).toEqual(["context", 2]);
    const long = generator.logits({ ids: randomTokens(random(SEED), POSITIONS + 1) });
    await expect(long).rejects.toMatchObject({ code: "INPUT_TOO_LONG" });
  });

  it("encodes and classifies; without a language-model head it does not generate", async () => {
    for (const architecture of ["GPTNeoXModel", "GPTNeoXForSequenceClassification"] as const) {
      const model = await writeGptNeox({ architecture });
      const path = `${model.dir}.gguf`;
      await convert(model.dir, path, { type: "F32" });
      await using generator = await Generator.load(path, { threads: 2 });
      const weights = weightsOf(model);
      const ids = randomTokens(random(SEED), 30);
      const { lastHiddenState, attentions } = await generator.encode({ ids }, { attentions: true });
      const expected = gptNeoxHidden(weights, referenceConfig(model), ids);
      expect(maxDifference(lastHiddenState!.data, expected)).toBeLessThan(2e-4);
      expect(attentions!.shape).toEqual([L, 4, 30, 30]);
      expect(generator.info.languageModel).toBe(false);
      await expect(generator.generate({ ids })).rejects.toThrow(UnsupportedError);
      expect(() => generator.createSession()).toThrow(UnsupportedError);
      const classifies = architecture !== "GPTNeoXModel";
      const { tasks, heads, labels } = await inspect(path);
      expect(tasks).toEqual(classifies ? ["classify"] : []);
      expect(heads).toEqual(classifies ? ["sequence-classifier"] : []);
      if (!classifies) continue;
      expect(labels).toEqual(["bad", "fair", "good"]);
      const scores = product(need(weights, "score.weight"), undefined, expected.subarray(-64));
      const { logits, predictions } = await generator.classify({ ids });
      expect(maxDifference(logits, scores)).toBeLessThan(2e-4);
      expect(predictions[0]!.label).toBe(labels![scores.indexOf(Math.max(...scores))]);
    }
  });

  itRefuses(
    (options) => writeGptNeox(options),
    [
      ["hidden_act", "quick_gelu", "UNSUPPORTED"],
      ["rope_scaling", { type: "linear", factor: 2 }, "UNSUPPORTED"],
      ["rope_parameters", { rope_type: "yarn", factor: 4 }, "UNSUPPORTED"],
      ["rope_parameters", 3, "MODEL_FILE_INVALID"],
      ["rotary_pct", 0.2, "MODEL_FILE_INVALID"],
      ["rotary_pct", 0, "MODEL_FILE_INVALID"],
      ["rotary_pct", "all", "MODEL_FILE_INVALID"],
      ["rotary_emb_base", 0, "MODEL_FILE_INVALID"],
      ["num_attention_heads", 5, "MODEL_FILE_INVALID"],
      ["use_parallel_residual", 1, "MODEL_FILE_INVALID"],
    ],
  );
});
