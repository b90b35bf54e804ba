import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Generator, InputTooLongError, InvalidArgumentError } from "../../lib/index.js";
import { writeRandomGpt2 } from "../support/random-models.js";

describe("generate", () => {
  let generator: Generator;
  beforeAll(async () => {
    generator = await Generator.load("mini-gpt2", { threads: 1 });
  });
  afterAll(() => generator.dispose());

  it("is greedy by default, and gives the same again", async () => {
    const [first, second] = [
      await generator.generate("Call me Ishmael.", { maxTokens: 24 }),
      await generator.generate("Call me Ishmael.", { maxTokens: 24, temperature: 0 }),
    ];
    expect(first.tokens).toHaveLength(24);
    expect(second.tokens).toEqual(first.tokens);
    expect(first).toMatchObject({ finishReason: "length", seed: 0 });
    expect(first.logprobs).toBeUndefined();
    expect(first.stopString).toBeUndefined();
  });

  it("samples with a seed that it reports and that repeats the text", async () => {
    const options = { maxTokens: 24, temperature: 1 };
    const first = await generator.generate("The sea", options);
    expect(first.seed).toBeGreaterThanOrEqual(0);
    const again = await generator.generate("The sea", { ...options, seed: first.seed });
    expect(again.text).toBe(first.text);
    expect(again.seed).toBe(first.seed);
    const others = await Promise.all(
      [1, 2, 3, 4].map((seed) => generator.generate("The sea", { ...options, seed })),
    );
    expect(new Set(others.map(({ text }) => text)).size).toBe(4);
  });

  it("samples when topK, topP or seed is given without a temperature", async () => {
    const at = (options: object) => generator.generate("The sea", { maxTokens: 16, ...options });
    const seeded = await at({ seed: 5 });
    expect(seeded.text).toBe((await at({ seed: 5, temperature: 1 })).text);
    expect(seeded.seed).toBe(5);
    const greedy = await at({});
    expect((await at({ topK: 1 })).text).toBe(greedy.text);
    expect((await at({ topP: 1e-6 })).text).toBe(greedy.text);
    expect((await at({ topK: 50, seed: 5 })).seed).toBe(5);
  });

  it("draws only from the topK most likely tokens, and from those that reach topP", async () => {
    const { data, shape } = await generator.logits("The sea");
    const [S, V] = shape as [number, number];
    const row = data.subarray((S - 1) * V);
    const ranked = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]!);
    const weights = ranked.map((id) => Math.exp(row[id]! - row[ranked[0]!]!));
    const total = weights.reduce((a, b) => a + b, 0);
    let mass = 0;
    const nucleus = weights.findIndex((weight) => (mass += weight / total) >= 0.5) + 1;
    const draw = async (options: object) => {
      const all = await Promise.all(
        Array.from({ length: 200 }, (_, seed) =>
          generator.generate("The sea", { maxTokens: 1, seed, ignoreEos: true, ...options }),
        ),
      );
      return new Set(all.map(({ tokens }) => ranked.indexOf(tokens[0]!)));
    };
    const byK = await draw({ topK: 3 });
    expect([...byK].sort()).toEqual([0, 1, 2]);
    const byP = await draw({ topP: 0.5 });
    expect(Math.max(...byP)).toBeLessThan(nucleus);
    expect(byP.size).toBeGreaterThan(1);
  });

  it("says where the time went when a stop string ends it", async () => {
    const whole = await generator.generate("The sea was calm, and", { maxTokens: 30, ignoreEos: true });
    const { timings, tokens, speculation } = await generator.generate("The sea was calm, and", {
      maxTokens: 10_000,
      stop: whole.text.slice(-3),
      speculation: { method: "promptLookup" },
    });
    expect(timings.generatedTokens).toBe(tokens.length);
    for (const name of ["promptMs", "decodeMs", "promptTokensPerSecond", "generatedTokensPerSecond"] as const)
      expect(timings[name], name).toBeGreaterThan(0);
    expect(speculation).toMatchObject({ acceptanceRate: expect.any(Number) as number });
  });

  it("stops before a stop string and says which", async () => {
    const whole = await generator.generate("The President of the", { maxTokens: 60 });
    const words = whole.text.split(" ").filter((word) => word.length > 2);
    const stop = ` ${words[6]}`;
    const cut = await generator.generate("The President of the", {
      maxTokens: 60,
      stop: ["never there", stop],
    });
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(cut).toMatchObject({ finishReason: "stop", stopString: stop });
    expect(cut.tokens.length).toBeLessThan(60);
    expect(whole.tokens.slice(0, cut.tokens.length)).toEqual(cut.tokens);
    expect(cut.timings).toMatchObject({ generatedTokens: cut.tokens.length });
  });

  it("ends at the end-of-text token, unless told to go on", async () => {
    // A model with few tokens draws the last one soon.
    const folder = await mkdtemp(join(tmpdir(), "end-of-text-"));
    await writeRandomGpt2(join(folder, "checkpoint"), { layers: 1, hidden: 32, vocabSize: 300 });
    await convert(join(folder, "checkpoint"), join(folder, "model.gguf"));
    const small = await Generator.load(join(folder, "model.gguf"));
    const eos = small.info.eosToken!;
    const options = { maxTokens: 100, temperature: 5, logprobs: true };
    let seed = 0;
    let ended = await small.generate("a", { ...options, seed });
    while (ended.finishReason !== "stop" && seed < 200) {
      ended = await small.generate("a", { ...options, seed: ++seed });
    }
    expect(ended).toMatchObject({ finishReason: "stop", seed });
    expect(ended.stopString).toBeUndefined();
    expect([...ended.tokens]).not.toContain(eos);
    expect(ended.logprobs).toHaveLength(ended.tokens.length);
    const further = await small.generate("a", { ...options, seed, ignoreEos: true });
    expect(further.tokens[ended.tokens.length]).toBe(eos);
    expect(further.tokens.length).toBe(100);
    expect(further.text).not.toContain("<|endoftext|>");
    await small.dispose();
    await rm(folder, { recursive: true });
  });

  it("ends when the context is full", async () => {
    const { contextLength } = generator.info;
    const ids = Array.from({ length: contextLength - 3 }, (_, i) => 300 + (i % 50));
    const { finishReason, tokens } = await generator.generate({ ids }, { maxTokens: 50, ignoreEos: true });
    expect(finishReason).toBe("context");
    expect(tokens.length).toBeGreaterThanOrEqual(3);
    expect(tokens.length).toBeLessThanOrEqual(4);
  });

  it("refuses a prompt longer than the context with both lengths", async () => {
    const { contextLength } = generator.info;
    const ids = Array<number>(contextLength + 1).fill(300);
    for (const call of [generator.generate({ ids }), generator.logits({ ids })]) {
      await expect(call).rejects.toBeInstanceOf(InputTooLongError);
      await expect(call).rejects.toMatchObject({
        code: "INPUT_TOO_LONG",
        details: { length: contextLength + 1, limit: contextLength },
      });
    }
  });

  it("takes an empty prompt for the beginning of a text", async () => {
    const bos = generator.tokenizer.specialIds.bos!;
    const empty = await generator.generate("", { maxTokens: 8 });
    const explicit = await generator.generate({ ids: [bos] }, { maxTokens: 8 });
    expect(empty.tokens).toEqual(explicit.tokens);
    expect((await generator.logits("")).ids).toEqual(Int32Array.of(bos));
  });

  it("takes ids in arrays and typed arrays", async () => {
    const ids = [1982, 1204, 269];
    const [a, b] = await Promise.all([
      generator.generate({ ids }, { maxTokens: 8 }),
      generator.generate({ ids: Uint16Array.from(ids) }, { maxTokens: 8 }),
    ]);
    expect(a.tokens).toEqual(b.tokens);
    await expect(generator.generate({ ids: [8192] })).rejects.toThrow(
      "Expected an integer from 0 to 8191 for prompt.ids[0] but received 8192 of type number",
    );
  });

  it("hands each token to onToken, in order, with the text they spell", async () => {
    const chunks: { text: string; token: number; logprob?: number }[] = [];
    const options = { maxTokens: 40, logprobs: true, temperature: 2, seed: 11 };
    const { text, tokens, logprobs } = await generator.generate("東京", {
      ...options,
      onToken: (chunk) => chunks.push(chunk),
    });
    expect(chunks.map(({ token }) => token)).toEqual([...tokens]);
    expect(Float32Array.from(chunks, ({ logprob }) => logprob!)).toEqual(logprobs);
    expect(chunks.map((chunk) => chunk.text).join("")).toBe(text);
    expect(text).toBe(generator.tokenizer.decode(tokens));
  });

  it("rejects with what onToken throws, and goes on working", async () => {
    const failing = generator.generate("The sea", {
      onToken: () => {
        throw new RangeError("mine");
      },
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect((await generator.generate("The sea", { maxTokens: 2 })).tokens).toHaveLength(2);
  });

  it("reports timings that belong together", async () => {
    const { timings } = await generator.generate("The President of the United States", { maxTokens: 20 });
    expect(timings).toMatchObject({ promptTokens: 6, generatedTokens: 20 });
    expect(timings.promptMs).toBeGreaterThan(0);
    expect(timings.decodeMs).toBeGreaterThan(0);
    expect(timings.promptTokensPerSecond).toBeCloseTo((6 * 1000) / timings.promptMs);
    expect(timings.generatedTokensPerSecond).toBeCloseTo((19 * 1000) / timings.decodeMs);
  });

  it.each([
    [5, "Expected a string or { ids } for prompt but received 5 of type number"],
    [{ ids: "12" }, 'Expected an array of token ids for prompt.ids but received "12" of type string'],
    [{ ids: [1], text: "" }, "Expected a string or { ids } for prompt"],
    [[1, 2], "Expected a string or { ids } for prompt"],
    [undefined, "Expected a string or { ids } for prompt but received undefined"],
  ])("refuses the prompt %s", async (prompt, message) => {
    for (const call of [
      async () => generator.generate(prompt as never),
      async () => generator.stream(prompt as never),
    ]) {
      const result = call();
      await expect(result).rejects.toBeInstanceOf(InvalidArgumentError);
      await expect(result).rejects.toThrow(message);
    }
  });
});
