import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, Generator, InvalidArgumentError } from "../../lib/index.js";
import { integer, random } from "../support/random.js";

const PROMPT = "The sea was calm that morning, and the men stood at the rail to watch the whales";

describe("prompts that begin alike", () => {
  let plain: Generator;
  beforeAll(async () => {
    plain = await Generator.load("mini-gpt2", { threads: 1, promptCache: 0 });
  });
  afterAll(() => plain.dispose());

  it("are not evaluated again", async () => {
    await using generator = await Generator.load("mini-gpt2", { threads: 2 });
    const first = await generator.generate(PROMPT, { maxTokens: 8 });
    expect(first.timings.cachedTokens).toBe(0);
    const second = await generator.generate(PROMPT, { maxTokens: 8 });
    expect(second.tokens).toEqual(first.tokens);
    const { promptTokens, cachedTokens } = second.timings;
    expect(promptTokens - cachedTokens).toBeLessThanOrEqual(16);
    // A conversation: the prompt, the answer and more.
    const third = await generator.generate(`${PROMPT}${first.text} And then`, { maxTokens: 8 });
    expect(third.timings.cachedTokens).toBeGreaterThanOrEqual(16);
    expect(third.tokens).toEqual(
      (await plain.generate(`${PROMPT}${first.text} And then`, { maxTokens: 8 })).tokens,
    );
    expect((await plain.generate(PROMPT, { maxTokens: 1 })).timings.cachedTokens).toBe(0);
    expect(plain.memory().kvCache).toBe(0);
  });

  it("are not evaluated again after what a stop string, a reader or a signal ended", async () => {
    await using generator = await Generator.load("mini-gpt2", { threads: 1 });
    const { text } = await plain.generate(PROMPT, { maxTokens: 12 });
    const stop = text.slice(-4);
    const controller = new AbortController();
    const onToken = () => controller.abort();
    const ways: [string, (prompt: string) => Promise<unknown>][] = [
      [PROMPT, (prompt) => generator.generate(prompt, { stop, maxTokens: 100 })],
      [
        "The President of the United States spoke to the congress about the revenue of the last year",
        async (prompt) => {
          for await (const _ of generator.stream(prompt, { ignoreEos: true })) break;
        },
      ],
      [
        "It is a truth universally acknowledged, that a single man in possession of a good fortune",
        (prompt) => generator.generate(prompt, { signal: controller.signal, onToken }).catch(() => {}),
      ],
    ];
    for (const [prompt, run] of ways) {
      await run(prompt);
      const { timings, tokens } = await generator.generate(prompt, { maxTokens: 3 });
      expect(timings.cachedTokens).toBeGreaterThanOrEqual(16);
      expect(tokens).toEqual((await plain.generate(prompt, { maxTokens: 3 })).tokens);
    }
    // Where a stop string ends the second one, too.
    const { timings, stopString } = await generator.generate(PROMPT, { stop, maxTokens: 100 });
    expect(stopString).toBe(stop);
    expect(timings.promptTokens - timings.cachedTokens).toBeLessThanOrEqual(16);
  });

  it("give the same bits as without, alone and at once (seed 6)", async () => {
    await using generator = await Generator.load("mini-gpt2", { threads: 2, promptCache: 3 * 2 ** 20 });
    const next = random(6);
    const stems = Array.from({ length: 6 }, () =>
      Array.from({ length: 20 + integer(next, 100) }, () => integer(next, 500)),
    );
    let cached = 0;
    for (let round = 0; round < 12; round++) {
      const prompts = Array.from({ length: 1 + integer(next, 5) }, () => {
        const stem = stems[integer(next, stems.length)]!;
        const ids = stem.slice(0, 1 + integer(next, stem.length));
        return { ids: [...ids, ...Array.from({ length: integer(next, 5) }, () => integer(next, 500))] };
      }).filter(({ ids }) => ids.length > 0);
      const options = { maxTokens: 1 + integer(next, 20), logprobs: true, temperature: 1, seed: round };
      const [got, expected] = await Promise.all(
        [generator, plain].map((each) =>
          Promise.all(prompts.map((prompt) => each.generate(prompt, options))),
        ),
      );
      for (const [i, { tokens, logprobs, timings }] of got!.entries()) {
        expect(tokens).toEqual(expected![i]!.tokens);
        expect(logprobs).toEqual(expected![i]!.logprobs);
        cached += timings.cachedTokens;
      }
      expect(generator.memory().kvCache).toBeLessThanOrEqual(3 * 2 ** 20);
    }
    expect(cached).toBeGreaterThan(0);
  });

  it("are kept up to a limit, the last used ones", async () => {
    const ids = (first: number) => ({ ids: Array.from({ length: 60 }, (_, i) => first + i) });
    const options = { maxTokens: 1 };
    let one: number;
    {
      await using generator = await Generator.load("mini-gpt2", { threads: 1 });
      await generator.generate(ids(0), options);
      one = generator.memory().kvCache;
      expect(one).toBeGreaterThan(0);
    }
    await using generator = await Generator.load("mini-gpt2", { threads: 1, promptCache: 2 * one });
    const cached = async (first: number) =>
      (await generator.generate(ids(first), options)).timings.cachedTokens;
    expect([await cached(100), await cached(200), await cached(100)]).toEqual([0, 0, 48]);
    expect(generator.memory().kvCache).toBe(2 * one);
    expect(await cached(300)).toBe(0);
    expect([await cached(100), await cached(200)]).toEqual([48, 0]);
    expect(generator.memory().kvCache).toBe(2 * one);
  });

  it("are an option of generators alone", async () => {
    for (const wrong of [-1, 1.5, "1"]) {
      await expect(Generator.load("mini-gpt2", { promptCache: wrong as number })).rejects.toThrow(
        InvalidArgumentError,
      );
    }
    await expect(Encoder.load("mini-embed", { promptCache: 5 } as object)).rejects.toThrow(/promptCache/);
  });
});
