/** What lies between a text and a decoder's logits: hidden states, attention maps, the classifier. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  attentionHtml,
  convert,
  DisposedError,
  Generator,
  InputTooLongError,
  inspect,
  InvalidArgumentError,
  UnsupportedError,
} from "../../lib/index.js";
import { gpt2Weights } from "../golden/checkpoints.js";
import { concatenate, product, type ReferenceWeights } from "../reference/arithmetic.js";
import { gpt2Hidden, type ReferenceGpt2Config } from "../reference/gpt2.js";
import { maxDifference } from "../support/golden.js";
import { writeRandomGpt2, type RandomGpt2Options } from "../support/random-models.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const LABELS = 3;

interface Loaded {
  generator: Generator;
  path: string;
  weights: ReferenceWeights;
  config: ReferenceGpt2Config;
}

let models = 0;

async function load(options: RandomGpt2Options = {}): Promise<Loaded> {
  const dir = join(folder, `gpt2-${++models}`);
  const { config } = await writeRandomGpt2(dir, {
    architecture: "GPT2ForSequenceClassification",
    labels: LABELS,
    vocabSize: 300,
    positions: 48,
    ...options,
  });
  await convert(dir, `${dir}.gguf`, { type: "F32" });
  const sizes = config as Record<string, number> & Record<string, boolean>;
  return {
    generator: await Generator.load(`${dir}.gguf`, { threads: 2 }),
    path: `${dir}.gguf`,
    weights: gpt2Weights(dir),
    config: {
      H: sizes["n_embd"]!,
      A: sizes["n_head"]!,
      L: sizes["n_layer"]!,
      epsilon: 1e-5,
      activation: "gelu_new",
      scaleAttention: sizes["scale_attn_weights"] ?? true,
      scaleAttentionByInverseLayer: sizes["scale_attn_by_inverse_layer_idx"] ?? false,
    },
  };
}

function reference({ weights, config }: Loaded, ids: ArrayLike<number>) {
  const hidden: Float64Array[] = [];
  const attentions: Float64Array[] = [];
  const last = gpt2Hidden(weights, config, ids, {
    hidden: (x) => hidden.push(x),
    attention: (map) => attentions.push(map),
  });
  return {
    last,
    hiddenStates: concatenate([...hidden, last]),
    attentions: concatenate(attentions),
    logits: product(weights.get("score.weight")!, undefined, last.subarray(last.length - config.H)),
  };
}

describe.each([
  ["plain", {}],
  [
    "odd sizes and other scales",
    { hidden: 36, heads: 3, intermediate: 37, config: { scale_attn_by_inverse_layer_idx: true } },
  ],
  ["unscaled", { config: { scale_attn_weights: false } }],
] satisfies [string, RandomGpt2Options][])("a classifier of GPT-2, %s", (_, options) => {
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await load(options);
  });
  afterAll(() => loaded?.generator.dispose());

  it("gives hidden states, attention maps and labels as the reference does (seed 41)", async () => {
    const next = random(41);
    const { generator, config } = loaded;
    const inputs = [1, 2, 7, 7, 48, 16].map((length) => ({
      ids: Int32Array.from({ length }, () => integer(next, 256)),
    }));
    const outputs = await generator.encode(inputs, { hiddenStates: true, attentions: true });
    const labels = await generator.classify(inputs, { activation: "none" });
    for (const [i, { ids }] of inputs.entries()) {
      const wanted = reference(loaded, ids);
      const { lastHiddenState, hiddenStates, attentions } = outputs[i]!;
      const S = ids.length;
      expect(lastHiddenState!.shape).toEqual([S, config.H]);
      expect(hiddenStates!.shape).toEqual([config.L + 1, S, config.H]);
      expect(attentions!.shape).toEqual([config.L, config.A, S, S]);
      expect(maxDifference(lastHiddenState!.data, wanted.last)).toBeLessThan(2e-5);
      expect(maxDifference(hiddenStates!.data, wanted.hiddenStates)).toBeLessThan(2e-5);
      expect(maxDifference(attentions!.data, wanted.attentions)).toBeLessThan(1e-5);
      expect(maxDifference(labels[i]!.logits, wanted.logits)).toBeLessThan(2e-5);
      const best = wanted.logits.indexOf(Math.max(...wanted.logits));
      expect(labels[i]!.predictions[0]).toMatchObject({ label: `label ${best}`, index: best });
    }
  });

  it("has the same bits alone, in company and beside generations", async () => {
    const { generator } = loaded;
    const texts = ["a", "bc de", "f".repeat(30), "the end of it"];
    const settings = { hiddenStates: true, attentions: true };
    const [outputs, labels, generated] = await Promise.all([
      generator.encode(texts, settings),
      generator.classify(texts),
      generator.generate("a", { maxTokens: 20, ignoreEos: true }),
    ]);
    for (const [i, text] of texts.entries()) {
      expect(await generator.encode(text, settings)).toEqual(outputs[i]);
      expect(await generator.classify(text)).toEqual(labels[i]);
    }
    expect(await generator.generate("a", { maxTokens: 20, ignoreEos: true })).toMatchObject({
      text: generated.text,
    });
  });

  it("makes its logits of the last hidden state", async () => {
    const { generator, weights } = loaded;
    const { lastHiddenState, ids } = await generator.encode("some text");
    const { data } = await generator.logits({ ids });
    const tokens = weights.get("token_embd.weight")!;
    const expected = product(tokens, undefined, Float64Array.from(lastHiddenState!.data));
    expect(maxDifference(data, expected)).toBeLessThan(1e-4);
  });
});

describe("a decoder's encode and classify", () => {
  it("say what the file can do", async () => {
    const { path, generator } = await load({ labels: 2 });
    expect(await inspect(path)).toMatchObject({ tasks: ["generate", "score", "classify"] });
    expect(generator.info.labels).toEqual(["label 0", "label 1"]);
    expect(attentionHtml(await generator.encode("a b c", { attentions: true }))).toContain("<html");
    await generator.dispose();
    await expect(generator.encode("a")).rejects.toThrow(DisposedError);
    await expect(generator.classify("a")).rejects.toThrow(DisposedError);
  });

  it("look back only", async () => {
    await using generator = await Generator.load("mini-gpt2");
    const { attentions, tokens } = await generator.encode("The whale is large.", { attentions: true });
    const S = tokens.length;
    for (const [at, weight] of attentions!.data.entries()) {
      if (at % S > Math.floor(at / S) % S) expect(weight).toBe(0);
    }
    const whole = await generator.encode("The whale is large.");
    const half = await generator.encode({ ids: whole.ids.slice(0, 3) });
    const { data } = half.lastHiddenState!;
    expect(maxDifference(data, whole.lastHiddenState!.data.subarray(0, data.length))).toBeLessThan(1e-4);
  });

  it("refuse what they cannot do", async () => {
    await using generator = await Generator.load("mini-gpt2");
    await expect(generator.classify("a")).rejects.toThrow(UnsupportedError);
    await expect(generator.encode("a", { poolerOutput: true })).rejects.toThrow(UnsupportedError);
    await expect(generator.encode("")).rejects.toThrow(InvalidArgumentError);
    await expect(generator.encode(5 as unknown as string)).rejects.toThrow(InvalidArgumentError);
    await expect(generator.encode("a", { maxLength: 0 })).rejects.toThrow(InvalidArgumentError);
    const long = "the sea and ".repeat(400);
    await expect(generator.encode(long)).rejects.toThrow(InputTooLongError);
    expect((await generator.encode(long, { truncate: true })).ids).toHaveLength(generator.info.contextLength);
    await expect(generator.encode("a", { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });
});
