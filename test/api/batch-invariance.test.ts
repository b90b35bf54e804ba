import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, Generator } from "../../lib/index.js";
import { randomTexts, shuffled } from "../support/texts.js";

const SEED = 9_041;

describe("a result does not depend on its neighbours or the number of threads", () => {
  const encoders: Encoder[] = [];
  const generators: Generator[] = [];
  beforeAll(async () => {
    for (const threads of [1, 2]) {
      encoders.push(await Encoder.load("mini-bert", { threads }));
      generators.push(await Generator.load("mini-gpt2", { threads }));
    }
  });
  afterAll(() => Promise.all([...encoders, ...generators].map((model) => model.dispose())));

  it(`embeds to the same bits alone, among 64 in any order, with 1 and 2 threads (seed ${SEED})`, async () => {
    const texts = [...randomTexts(SEED, 60), "a", "sea ".repeat(300), "", "whale ".repeat(60)];
    const alone: Float32Array[] = [];
    for (const text of texts) alone.push(await encoders[0]!.embed(text, { normalize: false }));
    for (const encoder of encoders) {
      for (const order of [[...texts.keys()], shuffled([...texts.keys()], SEED)]) {
        const batch = await encoder.embed(
          order.map((i) => texts[i]!),
          { normalize: false },
        );
        for (const [at, i] of order.entries()) expect(batch[at], `text ${i}`).toEqual(alone[i]);
      }
    }
  });

  it("embeds to the same bits in calls of their own that run at once", async () => {
    const texts = randomTexts(SEED + 1, 32);
    const batch = await encoders[0]!.embed(texts);
    const single = await Promise.all(texts.map((text) => encoders[1]!.embed(text)));
    expect(single).toEqual(batch);
  });

  it("computes every output to the same bits alone and in a batch", async () => {
    const inputs = randomTexts(SEED + 2, 12).map((text, i) =>
      i % 2 ? { text, pair: `and then ${i}` } : text,
    );
    const options = { hiddenStates: true, attentions: true };
    const batch = await encoders[1]!.encode(inputs, options);
    for (const [i, input] of inputs.entries()) {
      expect(await encoders[0]!.encode(input, options), `input ${i}`).toEqual(batch[i]);
    }
  });

  it("fills masks and judges pairs to the same numbers alone and in a batch", async () => {
    const texts = randomTexts(SEED + 3, 10).map((text) => `${text} [MASK] ${text.slice(0, 20)} [MASK]`);
    const filled = await encoders[1]!.fillMask(texts);
    const pairs = texts.map((text, i) => [text, texts.at(i - 1)!] as const);
    const judged = await encoders[1]!.nextSentence(pairs);
    for (const [i, text] of texts.entries()) {
      expect(await encoders[0]!.fillMask(text)).toEqual(filled[i]);
      expect(await encoders[0]!.nextSentence(...pairs[i]!)).toEqual(judged[i]);
    }
  });

  it("generates the same tokens and log-probabilities alone and beside seven others", async () => {
    const prompts = ["Call me", "The President", "It was a", "War", "a ".repeat(120), "The sea", "whale", ""];
    const options = { maxTokens: 32, logprobs: true, temperature: 0.8, topK: 40, topP: 0.95 };
    const alone = [];
    for (const [seed, prompt] of prompts.entries()) {
      alone.push(await generators[0]!.generate(prompt, { ...options, seed }));
    }
    for (const generator of generators) {
      const together = await Promise.all(
        prompts.map((prompt, seed) => generator.generate(prompt, { ...options, seed })),
      );
      for (const [i, { tokens, logprobs, text }] of together.entries()) {
        expect(tokens, `prompt ${i}`).toEqual(alone[i]!.tokens);
        expect(logprobs).toEqual(alone[i]!.logprobs);
        expect(text).toBe(alone[i]!.text);
      }
    }
  });
});
