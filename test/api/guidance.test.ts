import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  Generator,
  InputTooLongError,
  InvalidArgumentError,
  type GenerateOptions,
} from "../../lib/index.js";
import { integer, random } from "../support/random.js";

let generator: Generator;
beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2 });
});
afterAll(() => generator.dispose());

/** Log-probabilities of what follows, over logits computed from scratch. */
async function logProbs(ids: readonly number[]): Promise<Float64Array> {
  const { data, shape } = await generator.logits({ ids });
  const row = Float64Array.from(data.subarray((ids.length - 1) * shape[1]!));
  const highest = row.reduce((a, b) => Math.max(a, b));
  const logSum = highest + Math.log(row.reduce((sum, each) => sum + Math.exp(each - highest), 0));
  return row.map((each) => each - logSum);
}

/** The greedy continuation, by the formula; and how much better each choice was than the second. */
async function reference(
  prompt: readonly number[],
  negative: readonly number[],
  scale: number,
  count: number,
) {
  const tokens: number[] = [];
  const margins: number[] = [];
  for (let i = 0; i < count; i++) {
    const [p, n] = await Promise.all([logProbs([...prompt, ...tokens]), logProbs([...negative, ...tokens])]);
    const guided = p.map((each, id) => n[id]! + scale * (each - n[id]!));
    const order = [...guided.keys()].sort((a, b) => guided[b]! - guided[a]!);
    tokens.push(order[0]!);
    margins.push(guided[order[0]!]! - guided[order[1]!]!);
  }
  return { tokens, margins };
}

const POSITIVE = "The whale swam in the cold sea, and";
const NEGATIVE = "The President spoke to the congress, and";
const BASE = { maxTokens: 14, ignoreEos: true } satisfies GenerateOptions;

describe("guidance", () => {
  it("chooses what the formula says", async () => {
    const encode = (text: string) => [...generator.tokenizer.encode(text).ids];
    const plain = await generator.generate(POSITIVE, BASE);
    for (const [scale, negativePrompt] of [
      [1.5, NEGATIVE],
      [3, undefined],
      [0.3, NEGATIVE],
      [-1, "x"],
    ] as const) {
      // prettier-ignore
      const ids = encode(POSITIVE);
      const negative = negativePrompt === undefined ? ids.slice(-1) : encode(negativePrompt);
      const expected = await reference(ids, negative, scale, BASE.maxTokens);
      const got = await generator.generate(POSITIVE, { ...BASE, guidanceScale: scale, negativePrompt });
      // Where two are as good as equal, either may come first.
      const tie = expected.margins.findIndex((margin) => margin < 1e-4);
      const compared = tie < 0 ? BASE.maxTokens : tie;
      expect([...got.tokens].slice(0, compared)).toEqual(expected.tokens.slice(0, compared));
      expect(compared).toBeGreaterThan(3);
      expect(got.tokens).not.toEqual(plain.tokens);
    }
  });

  it("is off with a scale of 1, and reports the model's own log-probabilities", async () => {
    const plain = await generator.generate(POSITIVE, { ...BASE, logprobs: true });
    const off = await generator.generate(POSITIVE, { ...BASE, logprobs: true, guidanceScale: 1 });
    expect([off.tokens, off.logprobs]).toEqual([plain.tokens, plain.logprobs]);
    const on = await generator.generate(POSITIVE, { ...BASE, logprobs: true, guidanceScale: 2 });
    const ids = [...generator.tokenizer.encode(POSITIVE).ids];
    for (const [i, token] of on.tokens.entries()) {
      const own = await logProbs([...ids, ...on.tokens.subarray(0, i)]);
      expect(Math.abs(on.logprobs![i]! - own[token]!)).toBeLessThan(1e-4);
    }
  });

  it("comes before the samplers and the caller's own step", async () => {
    const guided = { ...BASE, guidanceScale: 2, negativePrompt: NEGATIVE };
    const { tokens } = await generator.generate(POSITIVE, guided);
    const first = tokens[0]!;
    const without = await generator.generate(POSITIVE, { ...guided, suppressTokens: [first] });
    expect(without.tokens).not.toContain(first);
    const seen: Float32Array[] = [];
    const hooked = await generator.generate(POSITIVE, {
      ...guided,
      logitsProcessor: (logits) => void seen.push(logits.slice()),
    });
    expect(hooked.tokens).toEqual(tokens);
    expect(seen[0]!.indexOf(Math.max(...seen[0]!))).toBe(first);
  });

  it("gives the same alone, beside others, streamed, in sessions and again (seed 31)", async () => {
    await using other = await Generator.load("mini-gpt2", { threads: 1, promptCache: 0 });
    const next = random(31);
    const jobs = Array.from({ length: 12 }, (_, i) => ({
      ids: Array.from({ length: 1 + integer(next, 70) }, () => integer(next, 400)),
      options: {
        maxTokens: 1 + integer(next, 40),
        guidanceScale: 1.2 + i / 4,
        negativePrompt: { ids: Array.from({ length: 1 + integer(next, 90) }, () => integer(next, 400)) },
        temperature: i % 2,
        seed: i,
      },
    }));
    const [together] = await Promise.all([
      Promise.all(jobs.map(({ ids, options }) => generator.generate({ ids }, options))),
      Promise.all(jobs.map(({ ids }) => generator.generate({ ids }, { maxTokens: 30 }))),
    ]);
    for (const [i, { ids, options }] of jobs.entries()) {
      const alone = await other.generate({ ids }, options);
      expect(alone.tokens).toEqual(together[i]!.tokens);
      using session = other.createSession();
      await session.append({ ids });
      expect((await session.generate(options)).tokens).toEqual(alone.tokens);
    }
    expect(other.memory().kvCache).toBe(0);
    let text = "";
    const { options, ids } = jobs[0]!;
    for await (const chunk of generator.stream({ ids }, options)) text += chunk.text;
    expect(text).toBe(together[0]!.text);
  });

  it("ends when either sequence fills the context, and when it is aborted", async () => {
    const { contextLength } = generator.info;
    const long = { ids: Array.from({ length: contextLength - 6 }, (_, i) => 300 + (i % 7)) };
    const guided = { guidanceScale: 2, maxTokens: 50, ignoreEos: true };
    for (const [prompt, negativePrompt] of [
      ["a", long],
      [long, "a"],
    ] as const) {
      const { tokens, finishReason } = await generator.generate(prompt, { ...guided, negativePrompt });
      expect(finishReason).toBe("context");
      expect(tokens).toHaveLength(6);
    }
    const stop = new AbortController();
    const { signal } = stop;
    const run = generator.generate("The sea", { ...guided, signal, onToken: () => stop.abort() });
    await expect(run).rejects.toThrow(AbortError);
    using session = generator.createSession({ contextLength: 32, overflow: "reevaluate" });
    await session.append("The sea");
    expect((await session.generate({ ...guided, negativePrompt: NEGATIVE })).tokens).toHaveLength(50);
  });

  it("refuses what makes no sense", async () => {
    const wrong: object[] = [
      { guidanceScale: "2" },
      { guidanceScale: Number.POSITIVE_INFINITY },
      { negativePrompt: "a" },
      { guidanceScale: 2, negativePrompt: 5 },
      { guidanceScale: 2, speculation: { method: "promptLookup" } },
    ];
    for (const options of wrong) {
      await expect(generator.generate("a", options)).rejects.toThrow(InvalidArgumentError);
    }
    const negativePrompt = { ids: new Int32Array(generator.info.contextLength + 1) };
    await expect(generator.generate("a", { guidanceScale: 2, negativePrompt })).rejects.toThrow(
      InputTooLongError,
    );
  });
});
