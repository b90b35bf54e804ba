/** GPTBigCode: random checkpoints in Hugging Face's layout, against a double-precision forward pass on their own tensors. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert, Generator, inspect } from "../../lib/index.js";
import { need, product, type ReferenceActivation } from "../reference/arithmetic.js";
import { gptBigcodeHidden, gptBigcodeLogits } from "../reference/gpt-bigcode.js";
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
const SEED = 89;
const L = 3;
const V = 320;
const POSITIONS = 72;

let models = 0;

interface Options extends SharedOptions {
  tied?: boolean;
  multiQuery?: boolean;
  architecture?: "GPTBigCodeForCausalLM" | "GPTBigCodeForSequenceClassification";
}

async function writeGptBigcode({
  tied = true,
  multiQuery = true,
  architecture = "GPTBigCodeForCausalLM",
  hidden: H = 64,
  heads: A = 4,
  ...options
}: Options = {}): Promise<RandomModel> {
  const dir = join(folder, `gpt-bigcode-${++models}`);
  await writeTokenizer(dir, "gpt2", { vocabSize: V, ...options });
  const make = weightMaker({ seed: SEED, std: 0.15, ...options });
  const norms = (name: string) => [make.scale(`${name}.weight`, H), make.bias(`${name}.bias`, H)];
  const linears = (name: string, to: number, from: number) => [
    make.matrix(`${name}.weight`, to, from),
    make.bias(`${name}.bias`, to),
  ];
  const F = options.intermediate ?? 3 * H;
  const tensors: CheckpointTensor[] = [
    make.matrix("transformer.wte.weight", V, H),
    make.matrix("transformer.wpe.weight", POSITIONS, H),
  ];
  for (let i = 0; i < L; i++) {
    const layer = `transformer.h.${i}`;
    tensors.push(...linears(`${layer}.attn.c_attn`, multiQuery ? H + 2 * (H / A) : 3 * H, H));
    tensors.push(
      ...linears(`${layer}.attn.c_proj`, H, H),
      ...norms(`${layer}.ln_1`),
      ...norms(`${layer}.ln_2`),
    );
    tensors.push(...linears(`${layer}.mlp.c_fc`, F, H), ...linears(`${layer}.mlp.c_proj`, H, F));
  }
  tensors.push(...norms("transformer.ln_f"));
  const labels = architecture === "GPTBigCodeForSequenceClassification" ? 2 : 0;
  if (labels > 0) tensors.push(make.matrix("score.weight", labels, H));
  else if (!tied) tensors.push(make.matrix("lm_head.weight", V, H));
  const config = {
    architectures: [architecture],
    model_type: "gpt_bigcode",
    vocab_size: V,
    n_embd: H,
    n_inner: F,
    n_layer: L,
    n_head: A,
    n_positions: POSITIONS,
    activation_function: "gelu_pytorch_tanh",
    layer_norm_epsilon: 1e-5,
    multi_query: multiQuery,
    attention_softmax_in_fp32: true,
    scale_attention_softmax_in_fp32: true,
    scale_attn_weights: true,
    tie_word_embeddings: tied,
    ...options.config,
  };
  return writeModel(dir, config, tensors, options);
}

const weightsOf = (model: RandomModel) => referenceWeights(model, /^transformer\./);

function referenceConfig({ config }: RandomModel) {
  const named = config["activation_function"] as string;
  return {
    H: config["n_embd"] as number,
    A: config["n_head"] as number,
    L,
    epsilon: 1e-5,
    activation: (named === "gelu_pytorch_tanh" ? "gelu_new" : named) as ReferenceActivation,
    multiQuery: config["multi_query"] as boolean,
    scaleAttention: config["scale_attn_weights"] as boolean,
  };
}

describe(`GPTBigCode (seed ${SEED})`, () => {
  it.each([
    ["heads the fused attention covers", {}],
    ["other heads, its own output layer, in shards", { hidden: 36, heads: 3, tied: false, shards: 3 }],
    ["many heads", { hidden: 176, heads: 11, intermediate: 64 }],
    ["keys and values for each head", { multiQuery: false }],
    [
      "unscaled scores and another activation",
      { std: 0.1, config: { scale_attn_weights: false, activation_function: "gelu" } },
    ],
  ] satisfies [string, Options][])(
    "%s: gives the reference's logits and greedy tokens in both lowerings",
    async (_, options) => {
      const model = await writeGptBigcode(options);
      const [weights, config] = [weightsOf(model), referenceConfig(model)];
      await expectReferenceLogits({
        model,
        seed: SEED,
        architecture: "starcoder",
        lengths: [1, 17, 40, POSITIONS],
        continued: 40,
        V,
        reference: (ids) => gptBigcodeLogits(weights, config, ids),
      });
    },
  );

  it.each([
    ["fused", {}],
    ["fused, many heads", { hidden: 352, heads: 11, intermediate: 64, std: 0.06 }],
    ["plain", { hidden: 36, heads: 3 }],
    ["fused, in Q8_0", { hidden: 128, config: {} }],
  ] satisfies [string, Options][])("has the same bits in every way to them, %s", async (name, options) => {
    const { dir } = await writeGptBigcode(options);
    await convert(dir, `${dir}.gguf`, { type: name.endsWith("Q8_0") ? "Q8_0" : "F32" });
    await expectSameBits(`${dir}.gguf`, SEED, folder);
  });

  it("searches with beams, and in quantized types", async () => {
    const model = await writeGptBigcode({ hidden: 256, intermediate: 256, std: 0.08 });
    const [weights, config] = [weightsOf(model), referenceConfig(model)];
    const reference = (ids: ArrayLike<number>) => gptBigcodeLogits(weights, config, ids);
    const ids = randomTokens(random(SEED), 12);
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await expectBeams(`${model.dir}.gguf`, ids, V, reference);
    await expectQuantized(model, ids, reference(ids));
  });

  it("keeps one head of keys and values, in every type, with the same bits however it got there", async () => {
    const A = 8;
    const { dir } = await writeGptBigcode({ hidden: 256, heads: A, intermediate: 64, std: 0.06 });
    await convert(dir, `${dir}.gguf`);
    await using generator = await Generator.load(`${dir}.gguf`, { threads: 2, promptCache: 0 });
    await using single = await Generator.load(`${dir}.gguf`, { threads: 1, promptCache: 0 });
    expect(generator.info).toMatchObject({ headCount: A, keyValueHeadCount: 1 });
    const ids = randomTokens(random(SEED), 40);
    for (const [kvType, share] of [
      ["f32", 1],
      ["f16", 1 / 2],
      ["q8_0", 34 / 128],
    ] as const) {
      using session = generator.createSession({ kvType });
      const before = generator.memory().kvCache;
      await session.append({ ids });
      // Room for 64 positions: the 40 there are, padded to 32.
      const bytes = 2 * L * 64 * (256 / A) * 4 * share;
      expect(generator.memory().kvCache - before).toBe(bytes);
      const settings = { maxTokens: 20, ignoreEos: true, logprobs: true };
      const { tokens, logprobs } = await session.generate(settings);
      using pieces = single.createSession({ kvType });
      for (const id of ids) await pieces.append({ ids: [id] });
      const path = join(folder, `${kvType}.session`);
      await pieces.save(path);
      using restored = generator.createSession({ kvType });
      await restored.restore(path);
      const fork = await pieces.fork();
      for (const each of [pieces, restored, fork]) {
        expect(await each.generate(settings)).toMatchObject({ tokens, logprobs });
      }
      await fork.dispose();
    }
  });

  it("loads files as llama.cpp writes them, digits apart", async () => {
    const { dir } = await writeGptBigcode();
    const path = join(dir, "tokenizer.json");
    const json = JSON.parse(await readFile(path, "utf8")) as Record<string, object>;
    const digits = { type: "Digits", individual_digits: true };
    json["pre_tokenizer"] = { type: "Sequence", pretokenizers: [digits, json["pre_tokenizer"]] };
    await writeFile(path, JSON.stringify(json));
    await convert(dir, `${dir}.gguf`);
    const ours = ["hidden_activation", "attention.scale_weights", "attention.scale_by_inverse_layer"];
    await expectLoadsWithout(
      `${dir}.gguf`,
      ours.map((key) => `starcoder.${key}`),
      "return x120 + 3045",
    );
  });

  it("classifies by the last token, and shows what it looks at", async () => {
    const model = await writeGptBigcode({ architecture: "GPTBigCodeForSequenceClassification" });
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await using generator = await Generator.load(`${model.dir}.gguf`, { threads: 2 });
    const [weights, config] = [weightsOf(model), referenceConfig(model)];
    const ids = randomTokens(random(SEED), 30);
    const hidden = gptBigcodeHidden(weights, config, ids);
    const { lastHiddenState, attentions } = await generator.encode({ ids }, { attentions: true });
    expect(maxDifference(lastHiddenState!.data, hidden)).toBeLessThan(2e-4);
    expect(attentions!.shape).toEqual([L, 4, 30, 30]);
    for (let row = 0; row < L * 4 * 30; row++) {
      const sum = attentions!.data.subarray(row * 30, (row + 1) * 30).reduce((a, b) => a + b);
      expect(Math.abs(sum - 1)).toBeLessThan(1e-5);
    }
    const scores = product(need(weights, "score.weight"), undefined, hidden.subarray(-64));
    const { logits } = await generator.classify({ ids });
    expect(maxDifference(logits, scores)).toBeLessThan(2e-4);
    expect((await inspect(`${model.dir}.gguf`)).heads).toEqual([
      "lm (tied to the embedding)",
      "sequence-classifier",
    ]);
  });

  itRefuses(
    (options) => writeGptBigcode(options),
    [
      ["activation_function", "quick_gelu", "UNSUPPORTED"],
      ["add_cross_attention", true, "UNSUPPORTED"],
      ["num_key_value_heads", 2, "UNSUPPORTED"],
      ["n_head", 5, "MODEL_FILE_INVALID"],
      ["multi_query", "yes", "MODEL_FILE_INVALID"],
    ],
  );
});
