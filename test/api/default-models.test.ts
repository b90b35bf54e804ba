import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, Generator, inspect } from "../../lib/index.js";
import { cosine } from "../support/golden.js";

interface Reference {
  embed: { text: string; ids: number[]; embedding: string }[];
  bert: { text: string | [string, string]; ids: number[]; isNext: number; mask?: [number, number][] }[];
  gpt2: { prompt: string; ids: number[]; greedy: number[]; margins: number[] }[];
  score: { ids: number[]; perplexity: number };
}

const reference = JSON.parse(
  readFileSync(join(__dirname, "../fixtures/default-models.json"), "utf8"),
) as Reference;

describe("the embedded Q8_0 models against their original weights in double precision", () => {
  it.each(["mini-embed", "mini-bert", "mini-gpt2"])("%s is found by name and is Q8_0", async (name) => {
    expect(await inspect(name)).toMatchObject({ name, type: "Q8_0" });
  });

  it("embeds within a cosine of 0.999", async () => {
    const encoder = await Encoder.load("mini-embed", { threads: 1 });
    const embeddings = await encoder.embed(reference.embed.map(({ text }) => text));
    for (const [i, { text, ids, embedding }] of reference.embed.entries()) {
      expect([...encoder.tokenizer.encode(text).ids]).toEqual(ids);
      const original = new Float32Array(Uint8Array.from(Buffer.from(embedding, "base64")).buffer);
      expect(cosine(embeddings[i]!, original), text).toBeGreaterThan(0.999);
    }
    await encoder.dispose();
  });

  describe("mini-bert", () => {
    let encoder: Encoder;
    beforeAll(async () => {
      encoder = await Encoder.load("mini-bert", { threads: 1 });
    });
    afterAll(() => encoder.dispose());

    it("fills masks with the same best token and nearly the same probabilities", async () => {
      const cases = reference.bert.filter(({ mask, text }) => mask && typeof text === "string");
      for (const { text, mask, ids } of cases) {
        expect([...encoder.tokenizer.encode(text as string).ids]).toEqual(ids);
        const { masks } = await encoder.fillMask(text as string, { topK: 30 });
        const scores = new Map(masks[0]!.predictions.map(({ token, score }) => [token, score]));
        expect(masks[0]!.predictions[0]!.token).toBe(mask![0]![0]);
        for (const [token, score] of mask!)
          expect(Math.abs((scores.get(token) ?? 0) - score)).toBeLessThan(0.01);
      }
    });

    it("judges pairs nearly as the original", async () => {
      const pairs = reference.bert.filter(({ text }) => typeof text !== "string");
      const results = await encoder.nextSentence(pairs.map(({ text }) => text as [string, string]));
      for (const [i, { probability }] of results.entries()) {
        expect(Math.abs(probability - pairs[i]!.isNext)).toBeLessThan(0.01);
      }
    });
  });

  describe("mini-gpt2", () => {
    let generator: Generator;
    beforeAll(async () => {
      generator = await Generator.load("mini-gpt2", { threads: 1 });
    });
    afterAll(() => generator.dispose());

    it("continues greedily as the original wherever its choice is clear", async () => {
      for (const { prompt, ids, greedy, margins } of reference.gpt2) {
        expect([...generator.tokenizer.encode(prompt).ids]).toEqual(ids);
        const { tokens } = await generator.generate(prompt, { maxTokens: greedy.length });
        // Quantization moves logits by hundredths: nearer choices may fall the other way.
        const close = margins.findIndex((margin) => margin < 0.2);
        const certain = close < 0 ? greedy.length : close;
        expect([...tokens].slice(0, certain), prompt).toEqual(greedy.slice(0, certain));
      }
    });

    it("finds a text nearly as probable", async () => {
      const { ids, perplexity } = reference.score;
      const { data, shape } = await generator.logits({ ids });
      const V = shape[1]!;
      let sum = 0;
      for (const [i, id] of ids.slice(1).entries()) {
        const row = data.subarray(i * V, (i + 1) * V);
        const largest = row.reduce((a, b) => Math.max(a, b));
        sum += row[id]! - largest - Math.log(row.reduce((a, b) => a + Math.exp(b - largest), 0));
      }
      expect(Math.exp(-sum / (ids.length - 1)) / perplexity).toBeCloseTo(1, 1);
    });
  });
});
