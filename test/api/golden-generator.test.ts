import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Generator } from "../../lib/index.js";
import { checkpointFolder, goldenArrays, goldenInputs, hasGolden, maxDifference } from "../support/golden.js";

interface Golden {
  cases: { prompt: string; input_ids: number[]; greedy_ids: number[]; greedy_margins: number[] }[];
  score: { input_ids: number[]; perplexity: number };
}

/** Where the reference's two best logits are closer than this, rounding may choose either. */
const MARGIN = 1e-3;

/** Natural logarithm of the softmax of a row at `index`, in double precision. */
function logSoftmax(row: Float32Array, index: number): number {
  const largest = row.reduce((a, b) => Math.max(a, b));
  const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return row[index]! - largest - Math.log(sum);
}

describe.skipIf(!hasGolden)("an F32 generator against the reference in double precision", () => {
  const { cases, score } = hasGolden
    ? goldenInputs<Golden>("mini-gpt2")
    : ({ cases: [] } as unknown as Golden);
  let folder: string;
  let generator: Generator;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "golden-generator-"));
    const path = join(folder, "mini-gpt2.gguf");
    await convert(checkpointFolder("mini-gpt2"), path, { type: "F32" });
    generator = await Generator.load(path);
  });
  afterAll(async () => {
    await generator.dispose();
    await rm(folder, { recursive: true });
  });

  it("reproduces the logits at every position", async () => {
    const arrays = goldenArrays("mini-gpt2");
    for (const [i, { prompt, input_ids }] of cases.entries()) {
      const logits = await generator.logits(prompt);
      const golden = arrays.get(`${i}.logits`)!;
      expect([...logits.ids]).toEqual(input_ids);
      expect(logits.shape).toEqual(golden.shape);
      expect(maxDifference(logits.data, golden.data)).toBeLessThan(2e-4);
    }
  });

  it("continues greedily, token for token", async () => {
    const generations = await Promise.all(
      cases.map(({ prompt, greedy_ids }) => generator.generate(prompt, { maxTokens: greedy_ids.length })),
    );
    for (const [i, { tokens, finishReason, text, seed }] of generations.entries()) {
      const { greedy_ids, greedy_margins } = cases[i]!;
      const close = greedy_margins.findIndex((margin) => margin < MARGIN);
      const certain = close < 0 ? greedy_ids.length : close;
      expect([...tokens].slice(0, certain)).toEqual(greedy_ids.slice(0, certain));
      expect(finishReason).toBe("length");
      expect(seed).toBe(0);
      expect(text).toBe(generator.tokenizer.decode(tokens));
    }
  });

  it("scores a text as the reference does", async () => {
    const { data, shape } = await generator.logits({ ids: score.input_ids });
    const [S, V] = shape as [number, number];
    const logprobs = score.input_ids
      .slice(1)
      .map((id, i) => logSoftmax(data.subarray(i * V, (i + 1) * V), id));
    const golden = goldenArrays("mini-gpt2").get("score.token_logprobs")!;
    expect(maxDifference(logprobs, golden.data)).toBeLessThan(2e-4);
    const perplexity = Math.exp(-logprobs.reduce((a, b) => a + b, 0) / (S - 1));
    expect(Math.abs(perplexity / score.perplexity - 1)).toBeLessThan(1e-4);
  });

  it("reports the log-probability of each new token under the model's own distribution", async () => {
    const { input_ids } = cases[0]!;
    const sampled = await generator.generate(
      { ids: input_ids },
      { maxTokens: 12, temperature: 0.7, topK: 5, topP: 0.9, seed: 3, logprobs: true },
    );
    const ids = [...input_ids, ...sampled.tokens];
    const { data, shape } = await generator.logits({ ids });
    const V = shape[1]!;
    const rows = [...sampled.tokens.keys()].map((k) => input_ids.length - 1 + k);
    const expected = rows.map((row) => logSoftmax(data.subarray(row * V, (row + 1) * V), ids[row + 1]!));
    expect(maxDifference(sampled.logprobs!, expected)).toBeLessThan(2e-4);
  });
});
