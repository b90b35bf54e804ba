import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  convert,
  DisposedError,
  Generator,
  InputTooLongError,
  InvalidArgumentError,
  type BeamSearchOptions,
} from "../../lib/index.js";
import {
  referenceBeamSearch,
  type NextLogProbs,
  type ReferenceBeamOptions,
} from "../reference/beam-search.js";
import { writeRandomGpt2 } from "../support/random-models.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
let generator: Generator;
/** Its end-of-text token is likely, and its context short. */
let tiny: Generator;

beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2, promptCache: 0 });
  const dir = join(folder, "tiny");
  await writeRandomGpt2(dir, { vocabSize: 270, positions: 24, hidden: 32, heads: 2, std: 0.3 });
  await convert(dir, `${dir}.gguf`, { type: "F32" });
  tiny = await Generator.load(`${dir}.gguf`, { threads: 1, promptCache: 0 });
});
afterAll(async () => {
  await generator?.dispose();
  await tiny?.dispose();
});

/** Logits computed from scratch, in double precision from there. */
function logProbsOf(
  model: Generator,
  prompt: readonly number[],
  change: (row: Float64Array, tokens: readonly number[]) => void = () => {},
): NextLogProbs {
  const known = new Map<string, Float64Array>();
  return async (generated) => {
    const key = generated.join();
    const before = known.get(key);
    if (before) return before;
    const tokens = [...prompt, ...generated];
    const { data, shape } = await model.logits({ ids: tokens });
    const row = Float64Array.from(data.subarray((tokens.length - 1) * shape[1]!));
    const highest = row.reduce((a, b) => Math.max(a, b));
    const logSum = highest + Math.log(row.reduce((sum, each) => sum + Math.exp(each - highest), 0));
    const logProbs = row.map((each) => each - logSum);
    change(logProbs, tokens);
    known.set(key, logProbs);
    return logProbs;
  };
}

async function expectReference(
  model: Generator,
  prompt: readonly number[],
  reference: ReferenceBeamOptions,
  options: BeamSearchOptions = {},
  change?: (row: Float64Array, tokens: readonly number[]) => void,
): Promise<void> {
  const { eos, ...settings } = reference;
  const all = { ...settings, ...options, ignoreEos: eos === undefined };
  const wanted = await referenceBeamSearch(logProbsOf(model, prompt, change), {
    ...reference,
    maxTokens: Math.min(reference.maxTokens, model.info.contextLength - prompt.length),
  });
  const { sequences } = await model.beamSearch(
    { ids: prompt },
    { ...all, numReturnSequences: reference.numBeams },
  );
  expect(sequences).toHaveLength(Math.min(reference.numBeams, wanted.length));
  for (const [i, { tokens, score, finishReason }] of sequences.entries()) {
    const expected = wanted[i]!;
    expect(Math.abs(score - expected.score)).toBeLessThan(1e-4);
    const stopped = expected.tokens.at(-1) === eos && eos !== undefined;
    expect([...tokens]).toEqual(stopped ? expected.tokens.slice(0, -1) : expected.tokens);
    if (stopped) expect(finishReason).toBe("stop");
    else expect(["length", "context"]).toContain(finishReason);
  }
}

describe("beam search", () => {
  it("finds what the reference finds (seed 21)", async () => {
    const next = random(21);
    const eos = tiny.info.eosToken!;
    for (let round = 0; round < 60; round++) {
      const prompt = Array.from({ length: 1 + integer(next, 6) }, () => integer(next, 256));
      await expectReference(tiny, prompt, {
        numBeams: 1 + integer(next, 6),
        lengthPenalty: [-1, 0, 0.7, 1, 2][integer(next, 5)]!,
        earlyStopping: ([true, false, "never"] as const)[integer(next, 3)]!,
        maxTokens: 1 + integer(next, 12),
        ...(integer(next, 3) > 0 && { eos }),
      });
    }
  });

  it("ends sequences where the model does, long before the limit (seed 22)", async () => {
    const next = random(22);
    const eos = tiny.info.eosToken!;
    const favour = (row: Float64Array) => void (row[eos]! += 3);
    for (let round = 0; round < 30; round++) {
      const prompt = Array.from({ length: 1 + integer(next, 4) }, () => integer(next, 256));
      const reference = {
        numBeams: 2 + integer(next, 4),
        lengthPenalty: [-1, 0, 1, 2][integer(next, 4)]!,
        earlyStopping: ([true, false, "never"] as const)[integer(next, 3)]!,
        maxTokens: 14,
        eos,
      };
      await expectReference(tiny, prompt, reference, { logitBias: { [eos]: 3 } }, favour);
    }
  });

  it("keeps groups apart (seed 23)", async () => {
    const next = random(23);
    const eos = tiny.info.eosToken!;
    for (let round = 0; round < 24; round++) {
      const prompt = Array.from({ length: 1 + integer(next, 4) }, () => integer(next, 256));
      const [numBeams, numBeamGroups] = ([[4, 2], [6, 3], [3, 3], [6, 2]] as const)[integer(next, 4)]!; // prettier-ignore
      const diversityPenalty = [0.3, 1, 5][integer(next, 3)]!;
      await expectReference(tiny, prompt, { numBeams, numBeamGroups, diversityPenalty, maxTokens: 8, eos });
    }
  });

  it("adjusts log-probabilities as generate does logits", async () => {
    const { ids } = generator.tokenizer.encode("The sea was calm");
    const noBigrams = (row: Float64Array, tokens: readonly number[]) => {
      for (let i = 0; i + 1 < tokens.length; i++) {
        if (tokens[i] === tokens.at(-1)) row[tokens[i + 1]!] = Number.NEGATIVE_INFINITY;
      }
    };
    const reference = { numBeams: 3, maxTokens: 12 };
    await expectReference(generator, [...ids], reference, { noRepeatNgramSize: 2 }, noBigrams);
    const penalized = (row: Float64Array, tokens: readonly number[]) => {
      // Log-probabilities are negative.
      for (const token of new Set(tokens)) row[token]! *= 1.5;
    };
    await expectReference(generator, [...ids], reference, { repetitionPenalty: 1.5 }, penalized);
  });

  it("is greedy with one beam, and never worse by its own measure than greedy", async () => {
    for (const prompt of ["The sea", "Call me", "It was the"]) {
      const greedy = await generator.generate(prompt, { maxTokens: 30, logprobs: true });
      const one = await generator.beamSearch(prompt, { numBeams: 1, maxTokens: 30 });
      expect(one.sequences[0]!.tokens).toEqual(greedy.tokens);
      expect(one.sequences[0]!.text).toBe(greedy.text);
      const { sequences } = await generator.beamSearch(prompt, {
        numBeams: 5,
        numReturnSequences: 5,
        maxTokens: 30,
        ignoreEos: true,
        lengthPenalty: 0,
      });
      expect(sequences.map(({ score }) => score)).toEqual(
        sequences.map(({ score }) => score).toSorted((a, b) => b - a),
      );
      expect(new Set(sequences.map(({ tokens }) => tokens.join())).size).toBe(5);
    }
  });

  it("gives the same beside other requests, with more threads, and after others (seed 24)", async () => {
    await using other = await Generator.load("mini-gpt2", { threads: 1 });
    const next = random(24);
    const jobs = Array.from({ length: 10 }, (_, i) => ({
      ids: Array.from({ length: 1 + integer(next, 60) }, () => integer(next, 400)),
      options: { numBeams: 1 + integer(next, 7), maxTokens: 1 + integer(next, 40), numReturnSequences: 1 },
      seed: i,
    }));
    const content = ({ sequences }: Awaited<ReturnType<Generator["beamSearch"]>>) => sequences;
    const [together] = await Promise.all([
      Promise.all(jobs.map(({ ids, options }) => generator.beamSearch({ ids }, options))),
      Promise.all(jobs.map(({ ids, seed }) => generator.generate({ ids }, { maxTokens: 50, seed }))),
    ]);
    for (const [i, { ids, options }] of jobs.entries()) {
      const alone = await other.beamSearch({ ids }, options);
      expect(content(alone)).toEqual(content(together[i]!));
      const again = await other.beamSearch({ ids }, options);
      expect(content(again)).toEqual(content(alone));
    }
  });

  it("gives its memory back, stops at the context, and reports progress", async () => {
    const { contextLength } = generator.info;
    const ids = Array.from({ length: contextLength - 5 }, (_, i) => 300 + (i % 9));
    const seen: number[] = [];
    const { sequences } = await generator.beamSearch(
      { ids },
      { maxTokens: 50, ignoreEos: true, onProgress: ({ done, total }) => seen.push(done, total) },
    );
    expect(sequences[0]!.tokens).toHaveLength(5);
    expect(sequences[0]!.finishReason).toBe("context");
    expect(seen).toEqual([1, 5, 2, 5, 3, 5, 4, 5, 5, 5]);
    const full = Array.from({ length: contextLength }, (_, i) => 300 + (i % 9));
    expect((await generator.beamSearch({ ids: full })).sequences[0]).toMatchObject({
      text: "",
      finishReason: "context",
    });
    await expect(generator.beamSearch({ ids: [...full, 1] })).rejects.toThrow(InputTooLongError);
    expect(generator.memory().kvCache).toBe(0);
  });

  it("can be aborted at any step, and ends with the model", async () => {
    for (const after of [0, 1, 5]) {
      const stop = new AbortController();
      const { signal } = stop;
      const onProgress = ({ done }: { done: number }) => {
        if (done > after) stop.abort();
      };
      const run = generator.beamSearch("The sea", { maxTokens: 400, ignoreEos: true, signal, onProgress });
      if (after === 0) stop.abort();
      await expect(run).rejects.toThrow(AbortError);
    }
    const failing = generator.beamSearch("The sea", {
      onProgress: () => {
        throw new RangeError("mine");
      },
    });
    await expect(failing).rejects.toThrow("mine");
    const other = await Generator.load("mini-gpt2", { threads: 1 });
    const run = other.beamSearch("The sea", { maxTokens: 400, ignoreEos: true });
    const disposal = other.dispose();
    await expect(run).rejects.toThrow(DisposedError);
    await disposal;
    await expect(other.beamSearch("a")).rejects.toThrow(DisposedError);
    expect((await generator.beamSearch("The sea", { maxTokens: 3 })).sequences).toHaveLength(1);
  });

  it("refuses what makes no sense", async () => {
    const wrong: object[] = [
      { numBeams: 0 },
      { numBeams: 257 },
      { numBeams: 2, numReturnSequences: 3 },
      { numBeams: 4, numBeamGroups: 3 },
      { numBeams: 4, numBeamGroups: 2 },
      { diversityPenalty: 1 },
      { earlyStopping: "always" },
      { lengthPenalty: Number.NaN },
      { maxTokens: 0 },
      { temperature: 1 },
      { topK: 3 },
      { numbeams: 3 },
    ];
    for (const options of wrong) {
      await expect(generator.beamSearch("a", options)).rejects.toThrow(InvalidArgumentError);
    }
    const every = Array.from({ length: generator.info.vocabSize }, (_, i) => i);
    await expect(generator.beamSearch("a", { suppressTokens: every })).rejects.toThrow(/forbid every token/);
    await expect(tiny.beamSearch("a", { numBeams: 200 })).rejects.toThrow(/fewer beams/);
  });
});
