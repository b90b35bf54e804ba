import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  convert,
  DisposedError,
  Generator,
  InputTooLongError,
  InvalidArgumentError,
  type TextScore,
} from "../../lib/index.js";
import { checkpointFolder, goldenArrays, goldenInputs, hasGolden, maxDifference } from "../support/golden.js";
import { integer, random } from "../support/random.js";
import { randomTexts } from "../support/texts.js";

let generator: Generator;
beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2 });
});
afterAll(() => generator.dispose());

/** Log-probabilities, ranks and the likeliest tokens of rows of logits, in double precision. */
function reference(data: Float32Array, V: number, ids: ArrayLike<number>, first = 1) {
  return Array.from({ length: ids.length - first }, (_, i) => {
    const row = Array.from(data.subarray((first + i - 1) * V, (first + i) * V));
    const largest = row.reduce((a, b) => Math.max(a, b));
    const logSum = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    const order = row.map((_, id) => id).sort((a, b) => row[b]! - row[a]! || a - b);
    const id = ids[first + i]!;
    return {
      logProbability: row[id]! - logSum,
      rank: 1 + order.indexOf(id),
      top: order.slice(0, 4).map((token) => ({ token, logProbability: row[token]! - logSum })),
    };
  });
}

function logprobsOf({ tokens }: TextScore): number[] {
  return tokens.flatMap(({ logProbability }) => (logProbability === null ? [] : [logProbability]));
}

const TEXTS = ["The whale swam — 🐋 naïvely — to sea.", "Whale", "He went to the sea.\n\nAnd then?", " "];

describe("score", () => {
  it("gives what the logits say: log-probabilities, ranks and the likeliest tokens", async () => {
    for (const text of TEXTS) {
      const scored = await generator.score(text, { topK: 4 });
      const { data, ids, shape } = await generator.logits(text);
      const expected = reference(data, shape[1]!, ids);
      expect(scored.tokens.map(({ token }) => token)).toEqual([...ids]);
      expect(scored.tokens[0]).toMatchObject({ logProbability: null, rank: null, top: [] });
      for (const [i, { logProbability, rank, top }] of expected.entries()) {
        const token = scored.tokens[i + 1]!;
        expect(Math.abs(token.logProbability! - logProbability)).toBeLessThan(1e-5);
        expect(token.rank).toBe(rank);
        expect(token.top!.map((each) => each.token)).toEqual(top.map((each) => each.token));
        for (const [k, each] of top.entries()) {
          expect(Math.abs(token.top![k]!.logProbability - each.logProbability)).toBeLessThan(1e-5);
        }
      }
      const sum = expected.reduce((total, { logProbability }) => total + logProbability, 0);
      expect(Math.abs(scored.logProbability - sum)).toBeLessThan(1e-3);
      expect(scored.scoredTokens).toBe(ids.length - 1);
      const mean = sum / Math.max(1, ids.length - 1);
      expect(Math.abs(Math.log(scored.perplexity) + mean)).toBeLessThan(1e-4);
    }
  });

  it("says where each token stands, in UTF-16 units", async () => {
    const text = TEXTS[0]!;
    const { tokens } = await generator.score(text);
    const { offsets } = generator.tokenizer.encode(text);
    expect(tokens.flatMap(({ start, end }) => [start, end])).toEqual([...offsets]);
    expect(tokens.every((token) => token.top === undefined)).toBe(true);
    expect(tokens[0]!.start).toBe(0);
    expect(tokens.at(-1)!.end).toBe(text.length);
  });

  it("scores the first token too, after the beginning of a text", async () => {
    const { tokens, scoredTokens } = await generator.score("The sea", { beginningOfText: true });
    const { specialIds } = generator.tokenizer;
    const ids = [specialIds.bos ?? specialIds.eos!, ...tokens.map(({ token }) => token)];
    const { data, shape } = await generator.logits({ ids });
    const expected = reference(data, shape[1]!, ids).map(({ logProbability }) => logProbability);
    expect(scoredTokens).toBe(tokens.length);
    expect(tokens[0]).toMatchObject({ start: 0, end: 3 });
    expect(
      maxDifference(
        tokens.map(({ logProbability }) => logProbability!),
        expected,
      ),
    ).toBeLessThan(1e-5);
  });

  it("takes texts without tokens, with one, and none", async () => {
    const nothing = { logProbability: 0, perplexity: 1, scoredTokens: 0 };
    expect(await generator.score("")).toEqual({ ...nothing, tokens: [] });
    expect(await generator.score("", { beginningOfText: true })).toEqual({ ...nothing, tokens: [] });
    const { tokens, ...sums } = await generator.score(",");
    expect(sums).toEqual(nothing);
    expect(tokens).toHaveLength(1);
    expect(await generator.score([])).toEqual([]);
  });

  it("gives the same bits alone and in company, with one thread and two (seed 12)", async () => {
    const texts = [...TEXTS, ...randomTexts(12, 40), "the sea and ".repeat(90)];
    await using other = await Generator.load("mini-gpt2", { threads: 1 });
    const [together] = await Promise.all([
      generator.score(texts, { topK: 2 }),
      generator.generate("The sea", { maxTokens: 40 }),
      generator.generate("The whale", { maxTokens: 90, seed: 1 }),
    ]);
    for (const [i, text] of texts.entries()) {
      expect(await other.score(text, { topK: 2 })).toEqual(together[i]);
    }
  });

  it("reports progress", async () => {
    const seen: number[] = [];
    await generator.score(randomTexts(3, 21), {
      onProgress: ({ done, total }) => {
        expect(total).toBe(21);
        seen.push(done);
      },
    });
    expect(seen).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
  });

  it("takes a text of the context's length and refuses a longer one", async () => {
    const { contextLength } = generator.info;
    const text = ",".repeat(contextLength);
    const fits = [...generator.tokenizer.encode(text).ids].length;
    expect(fits).toBeLessThanOrEqual(contextLength);
    const ids = Array.from({ length: contextLength + 1 }, (_, i) => 300 + (i % 50));
    const long = generator.tokenizer.decode(ids).repeat(2);
    await expect(generator.score(["sea", long])).rejects.toThrow(InputTooLongError);
    expect((await generator.score(["sea"]))[0]!.tokens.length).toBeGreaterThan(0);
  });

  it("refuses what it does not know", async () => {
    const score = (text: unknown, options?: object) => generator.score(text as string, options as never);
    for (const text of [undefined, null, 5, {}, ["a", 5]]) {
      await expect(score(text)).rejects.toThrow(InvalidArgumentError);
    }
    for (const options of [
      { topK: -1 },
      { topK: 1001 },
      { topK: 1.5 },
      { beginningOfText: 1 },
      { topk: 1 },
    ]) {
      await expect(score("a", options)).rejects.toThrow(InvalidArgumentError);
    }
  });

  it("can be aborted, and ends with the model", async () => {
    const texts = Array.from({ length: 60 }, () => "the sea and ".repeat(60));
    await expect(generator.score(texts, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
    const stop = new AbortController();
    const aborted = generator.score(texts, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(aborted).rejects.toThrow(AbortError);
    const other = await Generator.load("mini-gpt2", { threads: 1 });
    const cut = other.score(texts);
    const disposal = other.dispose();
    await expect(cut).rejects.toThrow(DisposedError);
    await disposal;
    await expect(other.score("a")).rejects.toThrow(DisposedError);
    await expect(other.perplexity("a")).rejects.toThrow(DisposedError);
    await expect(other.scoreContinuations("a", ["b"])).rejects.toThrow(DisposedError);
  });
});

describe("perplexity", () => {
  /** By the guide's loop, over logits computed from scratch. */
  async function plain(ids: readonly number[], contextLength: number, stride: number) {
    const all: number[] = [];
    let previousEnd = 0;
    for (let begin = 0; begin < ids.length; begin += stride) {
      const end = Math.min(begin + contextLength, ids.length);
      const window = ids.slice(begin, end);
      const targets = end - previousEnd;
      const { data, shape } = await generator.logits({ ids: window });
      const scores = reference(data, shape[1]!, window).map(({ logProbability }) => logProbability);
      all.push(...scores.slice(Math.max(0, scores.length - targets)));
      previousEnd = end;
      if (end === ids.length) break;
    }
    return { count: all.length, sum: all.reduce((a, b) => a + b, 0) };
  }

  it("equals the sliding window over logits computed from scratch (seed 5)", async () => {
    const next = random(5);
    const cases = [
      [1, 8, 4], [2, 8, 4], [8, 8, 4], [9, 8, 4], [9, 8, 8], [17, 8, 8], [16, 8, 8], [40, 7, 3], [33, 16, 1], [50, 2, 1],
    ]; // prettier-ignore
    for (const [length, contextLength, stride] of cases as [number, number, number][]) {
      const ids = Array.from({ length }, () => integer(next, generator.info.vocabSize));
      const expected = await plain(ids, contextLength, stride);
      const got = await generator.perplexity({ ids }, { contextLength, stride });
      expect([got.tokens, got.scoredTokens]).toEqual([length, expected.count]);
      expect(Math.abs(got.logProbability - expected.sum)).toBeLessThan(1e-3);
      const perplexity = Math.exp(-expected.sum / Math.max(1, expected.count));
      expect(Math.abs(got.perplexity / perplexity - 1)).toBeLessThan(1e-5);
    }
  });

  it("takes documents longer than the context, in windows of it by default", async () => {
    const text = "The ship sailed at noon, and the men stood at the rail. ".repeat(120);
    const { contextLength } = generator.info;
    const ids = [...generator.tokenizer.encode(text).ids];
    expect(ids.length).toBeGreaterThan(contextLength);
    const seen: number[] = [];
    const got = await generator.perplexity(text, { onProgress: ({ done }) => seen.push(done) });
    const expected = await plain(ids, contextLength, Math.ceil(contextLength / 2));
    expect(got.scoredTokens).toBe(ids.length - 1);
    expect(seen).toEqual(Array.from({ length: got.windows }, (_, i) => i + 1));
    expect(Math.abs(got.logProbability / expected.sum - 1)).toBeLessThan(1e-6);
  });

  it("agrees with score where one window does", async () => {
    const text = "He went to the sea.";
    const { logProbability, perplexity, scoredTokens } = await generator.score(text);
    expect(await generator.perplexity(text)).toMatchObject({
      logProbability,
      perplexity,
      scoredTokens,
      windows: 1,
    });
    expect(await generator.perplexity("")).toEqual({
      logProbability: 0,
      perplexity: 1,
      scoredTokens: 0,
      tokens: 0,
      windows: 0,
    });
  });

  it("refuses a stride that leaves tokens out, and can be aborted", async () => {
    const { contextLength } = generator.info;
    const wrong = [
      { stride: 0 },
      { stride: contextLength + 1 },
      { contextLength: 8, stride: 9 },
      { contextLength: 1 },
      { contextLength: contextLength + 1 },
    ];
    for (const options of wrong) {
      await expect(generator.perplexity("a", options)).rejects.toThrow(InvalidArgumentError);
    }
    const stop = new AbortController();
    const text = "The ship sailed at noon. ".repeat(400);
    const aborted = generator.perplexity(text, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(aborted).rejects.toThrow(AbortError);
  });
});

describe("scoreContinuations", () => {
  const PROMPT = "The President of the United States sent a message to the";
  const ENDINGS = [" Congress", " whale", " two Houses of Congress", "!", " sea"];

  it("gives what the logits say, whatever the cache held before", async () => {
    await using uncached = await Generator.load("mini-gpt2", { threads: 1, promptCache: 0 });
    const got = await generator.scoreContinuations(PROMPT, ENDINGS);
    expect(await generator.scoreContinuations(PROMPT, ENDINGS)).toEqual(got);
    expect(await uncached.scoreContinuations(PROMPT, ENDINGS)).toEqual(got);
    const first = generator.tokenizer.encode(PROMPT).length;
    for (const [i, ending] of ENDINGS.entries()) {
      const { data, ids, shape } = await generator.logits(PROMPT + ending);
      const expected = reference(data, shape[1]!, ids, first).map(({ logProbability }) => logProbability);
      const { tokens, ...sums } = got.scores[i]!;
      expect(
        maxDifference(
          tokens.map(({ logProbability }) => logProbability!),
          expected,
        ),
      ).toBeLessThan(1e-5);
      expect(tokens[0]!.start).toBe(PROMPT.length);
      const sum = expected.reduce((a, b) => a + b, 0);
      expect(sums.continuation).toBe(ending);
      expect(sums.logProbability).toBeCloseTo(sum, 4);
      expect(sums.logProbabilityPerToken).toBeCloseTo(sum / expected.length, 4);
      expect(sums.logProbabilityPerCharacter).toBeCloseTo(sum / ending.length, 4);
    }
  });

  it("ranks by the sum, per token or per character", async () => {
    for (const [normalization, key] of [
      ["none", "logProbability"],
      ["tokens", "logProbabilityPerToken"],
      ["characters", "logProbabilityPerCharacter"],
    ] as const) {
      const { scores, ranking } = await generator.scoreContinuations(PROMPT, ENDINGS, { normalization });
      expect([...ranking].sort()).toEqual([0, 1, 2, 3, 4]);
      const ranked = ranking.map((i) => scores[i]![key]);
      expect(ranked).toEqual([...ranked].sort((a, b) => b - a));
    }
  });

  it("takes an empty prompt, a token that spans its end, and no continuation", async () => {
    const { scores } = await generator.scoreContinuations("", ["The sea"]);
    const whole = await generator.score("The sea", { beginningOfText: true });
    expect(scores[0]!.logProbability).toBe(whole.logProbability);
    const spanning = await generator.scoreContinuations("He went to the s", ["ea"]);
    expect(spanning.scores[0]!.tokens.at(-1)!.end).toBe("He went to the sea".length);
    expect(spanning.scores[0]!.tokens.length).toBeGreaterThan(0);
    expect(await generator.scoreContinuations(PROMPT, [])).toEqual({ scores: [], ranking: [] });
  });

  it("refuses what it does not know", async () => {
    const call = (prompt: unknown, endings: unknown, options?: object) =>
      generator.scoreContinuations(prompt as string, endings as string[], options as never);
    await expect(call(5, ["a"])).rejects.toThrow(InvalidArgumentError);
    for (const endings of ["a", [""], [5], undefined]) {
      await expect(call("a", endings)).rejects.toThrow(InvalidArgumentError);
    }
    await expect(call("a", ["b"], { normalization: "bytes" })).rejects.toThrow(InvalidArgumentError);
    await expect(call("sea ".repeat(2000), ["b"])).rejects.toThrow(InputTooLongError);
  });
});

describe.skipIf(!hasGolden)("scores of an F32 generator against the reference in double precision", () => {
  let folder: string;
  let exact: Generator;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "golden-score-"));
    await convert(checkpointFolder("mini-gpt2"), join(folder, "model.gguf"), { type: "F32" });
    exact = await Generator.load(join(folder, "model.gguf"));
  });
  afterAll(async () => {
    await exact.dispose();
    await rm(folder, { recursive: true });
  });

  it("are the same", async () => {
    interface Golden {
      cases: { prompt: string; input_ids: number[] }[];
      score: { input_ids: number[]; perplexity: number };
    }
    const { cases, score } = goldenInputs<Golden>("mini-gpt2");
    const arrays = goldenArrays("mini-gpt2");
    const results = await exact.score(cases.map(({ prompt }) => prompt));
    for (const [i, result] of results.entries()) {
      const { data, shape } = arrays.get(`${i}.logits`)!;
      const expected = reference(data, shape[1]!, cases[i]!.input_ids).map((each) => each.logProbability);
      expect(maxDifference(logprobsOf(result), expected)).toBeLessThan(2e-4);
    }
    const { perplexity, logProbability } = await exact.perplexity({ ids: score.input_ids });
    expect(Math.abs(perplexity / score.perplexity - 1)).toBeLessThan(1e-5);
    const sum = arrays.get("score.token_logprobs")!.data.reduce((a, b) => a + b, 0);
    expect(Math.abs(logProbability / sum - 1)).toBeLessThan(1e-5);
  });
});
