/** Every option of sampling, through the library, against the plain reference on the model's own logits. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generator, InvalidArgumentError, type GenerateOptions } from "../../lib/index.js";
import * as reference from "../reference/sampling.js";
import type { Choice } from "../reference/sampling.js";
import { surprise } from "../support/chi-square.js";

const PROMPT = "The sea was the sea, and the ship was the ship: the sea and the ship";
const TOKENS = 20;
const DRAWS = 1000;

let generator: Generator;
let V: number;
let prompt: Int32Array;
let row: Choice[];
let likeliest: number[];
const encode = (text: string) => [...generator.tokenizer.encode(text).ids];

async function choicesAfter(ids: ArrayLike<number>): Promise<Choice[]> {
  const { data } = await generator.logits({ ids });
  return Array.from(data.subarray(-V), (logit, id) => ({ id, logit }));
}

beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 1 });
  V = generator.info.vocabSize;
  prompt = generator.tokenizer.encode(PROMPT).ids;
  row = await choicesAfter(prompt);
  likeliest = reference.topK(row, 6).map(({ id }) => id);
});
afterAll(() => generator.dispose());

type Adjust = (all: Choice[], text: number[], generated: number) => Choice[];

/** Greedy generation with the reference's adjustments. */
async function expectedTokens(adjust: Adjust): Promise<number[]> {
  const text = [...prompt];
  for (let i = 0; i < TOKENS; i++) {
    const left = adjust(await choicesAfter(text), text, i);
    text.push(left.reduce((a, b) => (b.logit > a.logit ? b : a)).id);
  }
  return text.slice(prompt.length);
}

describe("greedy generation with", () => {
  const cases: [string, () => [GenerateOptions, Adjust]][] = [
    [
      "repetitionPenalty",
      () => [{ repetitionPenalty: 1.5 }, (all, text) => reference.repetitionPenalty(all, text, 1.5)],
    ],
    [
      "frequencyPenalty",
      () => [{ frequencyPenalty: 0.6 }, (all, text) => reference.frequencyPenalty(all, text, 0.6)],
    ],
    [
      "presencePenalty",
      () => [{ presencePenalty: 2 }, (all, text) => reference.presencePenalty(all, text, 2)],
    ],
    [
      "penaltyWindow",
      () => [
        { presencePenalty: 2, penaltyWindow: 5 },
        (all, text) => reference.presencePenalty(all, text.slice(-5), 2),
      ],
    ],
    [
      "noRepeatNgramSize",
      () => [{ noRepeatNgramSize: 2 }, (all, text) => reference.noRepeatNgram(all, text, 2)],
    ],
    [
      "badWords as texts",
      () => {
        const words = [encode("the"), encode(" the"), encode(" was the"), encode(" sea")];
        const texts = ["the", " was the", " sea"];
        return [{ badWords: texts }, (all, text) => reference.badWords(all, text, words)];
      },
    ],
    [
      "badWords as tokens",
      () => {
        const words = likeliest.map((id) => [prompt.at(-1)!, id]);
        return [{ badWords: words }, (all, text) => reference.badWords(all, text, words)];
      },
    ],
    [
      "suppressTokens",
      () => [
        { suppressTokens: Uint16Array.from(likeliest) },
        (all) => reference.suppressTokens(all, likeliest),
      ],
    ],
    [
      "logitBias",
      () => {
        const biases = new Map([
          [likeliest[0]!, -Infinity],
          [likeliest[3]!, 2.5],
        ]);
        return [{ logitBias: biases }, (all) => reference.logitBias(all, biases)];
      },
    ],
    [
      "logitBias as an object",
      () => [
        { logitBias: { [likeliest[0]!]: -3 } },
        (all) => reference.logitBias(all, new Map([[likeliest[0]!, -3]])),
      ],
    ],
    [
      "dry",
      () => {
        const options = { multiplier: 2, base: 2, allowedLength: 1, breakers: breakers("\n", ":", '"', "*") };
        const { breakers: _, ...dry } = options;
        return [{ dry }, (all, text) => reference.dry(all, text, options)];
      },
    ],
    [
      "dry with a window and sequenceBreakers",
      () => {
        const dry = { multiplier: 3, base: 1.5, allowedLength: 1, window: 8, sequenceBreakers: ["sea"] };
        const options = { ...dry, breakers: breakers("sea") };
        return [{ dry }, (all, text) => reference.dry(all, text.slice(-8), options)];
      },
    ],
  ];

  const breakers = (...texts: string[]) =>
    Array.from({ length: V }, (_, id) => id).filter((id) =>
      texts.some((text) => generator.tokenizer.decode([id]).includes(text)),
    );

  it.each(cases)("%s", async (_, make) => {
    const [options, adjust] = make();
    const settings = { maxTokens: TOKENS, ignoreEos: true };
    const plain = await generator.generate({ ids: prompt }, settings);
    const { tokens } = await generator.generate({ ids: prompt }, { ...settings, ...options });
    expect([...tokens]).toEqual(await expectedTokens(adjust));
    expect(tokens).not.toEqual(plain.tokens);
  });

  it("minNewTokens", async () => {
    const eos = generator.info.eosToken!;
    const options = { maxTokens: TOKENS, logitBias: { [eos]: 100 } };
    const early = await generator.generate(PROMPT, options);
    expect(early).toMatchObject({ finishReason: "stop", tokens: new Int32Array(0) });
    const late = await generator.generate(PROMPT, { ...options, minNewTokens: 7 });
    expect(late.finishReason).toBe("stop");
    expect(late.tokens).toHaveLength(7);
  });
});

describe("draws with", () => {
  const cases: [string, GenerateOptions, (all: Choice[]) => Choice[]][] = [
    ["minP", { minP: 0.2 }, (all) => reference.minP(all, 0.2)],
    ["typicalP", { typicalP: 0.3 }, (all) => reference.typicalP(all, 0.3)],
    ["topNSigma", { topNSigma: 1 }, (all) => reference.topNSigma(all, 1)],
    [
      "xtc",
      { xtc: { probability: 1, threshold: 0.01 }, topK: 20 },
      (all) => reference.xtc(reference.topK(all, 20), 0.01),
    ],
    ["mirostat 1", { mirostat: { version: 1, tau: 2.5 } }, (all) => reference.mirostat(1, all, 5, V).kept],
    [
      "mirostat 2",
      { mirostat: { version: 2, tau: 2, eta: 0.2 } },
      (all) => reference.mirostat(2, all, 4, V).kept,
    ],
    [
      "dynamicTemperature",
      {
        topK: 20,
        temperature: 0.8,
        dynamicTemperature: { range: 0.7, exponent: 0.5 },
        order: ["topK", "temperature"],
      },
      (all) => reference.dynamicTemperature(reference.topK(all, 20), 0.8, 0.7, 0.5),
    ],
    [
      "order",
      { topP: 0.5, temperature: 3, order: ["topP", "temperature"] },
      (all) => reference.temperature(reference.topP(all, 0.5), 3),
    ],
  ];

  it.each(cases)("%s", async (_, options, expected) => {
    const counts = new Int32Array(V);
    const draw = (seed: number) =>
      generator.generate({ ids: prompt }, { maxTokens: 1, ignoreEos: true, seed, ...options });
    for (const { tokens } of await Promise.all(Array.from({ length: DRAWS }, (__, seed) => draw(seed)))) {
      counts[tokens[0]!]!++;
    }
    expect(surprise(counts, reference.distribution(expected(row), V))).toBeLessThan(4);
    expect(surprise(counts, reference.distribution(row, V))).toBeGreaterThan(6);
  });

  it("xtc's default threshold, and mirostat's rate, told by its text", async () => {
    const at = (options: GenerateOptions) =>
      generator.generate(PROMPT, { maxTokens: 60, seed: 4, ...options });
    const text = async (options: GenerateOptions) => (await at(options)).text;
    const excluding = await text({ xtc: { probability: 0.5 } });
    expect(excluding).toBe(await text({ xtc: { probability: 0.5, threshold: 0.1 } }));
    expect(excluding).not.toBe(await text({ xtc: { probability: 0.5, threshold: 0.3 } }));
    const steady = await text({ mirostat: { version: 2 } });
    expect(steady).toBe(await text({ mirostat: { version: 2, tau: 5, eta: 0.1 } }));
    expect(steady).not.toBe(await text({ mirostat: { version: 2, tau: 5, eta: 0.9 } }));
    expect(await text({ mirostat: { version: 1 } })).not.toBe(steady);
  });
});

it("repeats every kind of draw for a seed, beside others and at another thread count", async () => {
  const all: GenerateOptions = {
    maxTokens: 40,
    temperature: 1.2,
    dynamicTemperature: { range: 0.4 },
    repetitionPenalty: 1.1,
    dry: { multiplier: 0.5 },
    minP: 0.005,
    typicalP: 0.98,
    xtc: { probability: 0.3 },
    mirostat: { version: 2, tau: 6 },
  };
  const seeds = [1, 2, 3, 4, 5, 6];
  const alone = [];
  for (const seed of seeds) alone.push((await generator.generate(PROMPT, { ...all, seed })).tokens);
  await using other = await Generator.load("mini-gpt2", { threads: 2 });
  const beside = await Promise.all(seeds.map((seed) => other.generate(PROMPT, { ...all, seed })));
  expect(beside.map(({ tokens }) => tokens)).toEqual(alone);
  expect(new Set(alone.map((tokens) => tokens.join())).size).toBe(seeds.length);
});

describe("refuses", () => {
  const wrong = (value: unknown) => value as never;
  it.each<[string, GenerateOptions, string]>([
    ["minP", { minP: 2 }, "Expected a number from 0 to 1 for minP"],
    ["typicalP", { typicalP: 0 }, "for typicalP"],
    ["topNSigma", { topNSigma: -1 }, "for topNSigma"],
    ["repetitionPenalty", { repetitionPenalty: 0 }, "Expected a number above 0 for repetitionPenalty"],
    ["frequencyPenalty", { frequencyPenalty: Number.NaN }, "for frequencyPenalty"],
    ["presencePenalty", { presencePenalty: wrong("1") }, "for presencePenalty"],
    ["penaltyWindow alone", { penaltyWindow: 5 }, "with penaltyWindow"],
    ["noRepeatNgramSize", { noRepeatNgramSize: 1.5 }, "for noRepeatNgramSize"],
    ["badWords", { badWords: wrong("sea") }, "for badWords"],
    ["an empty bad word", { badWords: ["a", ""] }, "for badWords[1]"],
    ["a bad word without tokens", { badWords: [[]] }, "for badWords[0]"],
    ["a bad word of another vocabulary", { badWords: [[1, 8192]] }, "for badWords[0][1]"],
    ["suppressTokens", { suppressTokens: [-1] }, "for suppressTokens[0]"],
    ["minNewTokens past maxTokens", { minNewTokens: 9, maxTokens: 8 }, "minNewTokens of at most maxTokens"],
    ["minNewTokens with ignoreEos", { minNewTokens: 9, ignoreEos: true }, "no minNewTokens with ignoreEos"],
    ["a bias on what is no token", { logitBias: wrong({ sea: 1 }) }, "for a token of logitBias"],
    ["an infinite bias", { logitBias: { 5: Infinity } }, "for logitBias[5]"],
    ["a list of biases", { logitBias: wrong([1]) }, "for logitBias"],
    ["xtc without probability", { xtc: wrong({ threshold: 0.2 }) }, "for xtc.probability"],
    ["xtc as a number", { xtc: wrong(0.5) }, "Expected an object with probability for xtc"],
    ["what xtc does not have", { xtc: wrong({ probability: 1, treshold: 1 }) }, "Did you mean threshold?"],
    ["mirostat 3", { mirostat: wrong({ version: 3 }) }, "Expected 1 or 2 for version"],
    ["dry.base", { dry: { multiplier: 1, base: 0.5 } }, "for base"],
    ["an empty breaker", { dry: { multiplier: 1, sequenceBreakers: [""] } }, "for sequenceBreakers[0]"],
    ["dynamicTemperature", { dynamicTemperature: wrong({ range: 0 }) }, "for range"],
    ["an unknown sampler", { order: wrong(["topX"]) }, "for order[0]"],
    ["a sampler twice", { order: ["topK", "topK"] }, "Expected each sampler once for order"],
    ["an order without what is in use", { topK: 3, order: ["topP"] }, "topK is missing"],
    ["an unknown option", wrong({ min_p: 0.1 }), "Did you mean minP?"],
  ])("%s", async (_, options, message) => {
    const result = generator.generate("a", { maxTokens: 20, ...options });
    await expect(result).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(result).rejects.toThrow(message);
  });

  it("to forbid every token, and goes on with the others", async () => {
    const all = Int32Array.from({ length: V }, (_, id) => id);
    const [none, some] = await Promise.allSettled([
      generator.generate(PROMPT, { maxTokens: 8, suppressTokens: all }),
      generator.generate(PROMPT, { maxTokens: 8 }),
    ]);
    expect(none).toMatchObject({ status: "rejected", reason: { code: "INVALID_ARGUMENT" } });
    expect(some.status).toBe("fulfilled");
  });
});
