/** Every sampler on fixed logits, against a plain reference; and what is drawn, against its probability. */
import { beforeAll, describe, expect, it } from "vitest";
import { logSoftmax } from "../reference/gpt2.js";
import * as reference from "../reference/sampling.js";
import type { Choice } from "../reference/sampling.js";
import { surprise } from "../support/chi-square.js";
import { gaussian, integer, random } from "../support/random.js";
import { BUILD_TIMEOUT } from "./build-program.js";
import { buildSamplingCheck, choose, drawCounts, type Lines, type Step } from "./sampling-check.js";

const SEED = 20_251;
const V = 300;
const DRAWS = 100_000;

beforeAll(buildSamplingCheck, BUILD_TIMEOUT);

const next = random(SEED);
const normal = gaussian(next);
/** Steep as a language model's: some tokens stand out. */
const LOGITS = Float32Array.from({ length: V }, () => 3 * normal());
const FLAT = Float32Array.from({ length: V }, () => 0.3 * normal());
/** Of few tokens, so that all things recur; and at last a piece that was there before. */
const TEXT = [...Array.from({ length: 60 }, () => integer(next, 12)), 7, 3, 9, 1, 5, 2, 7, 3, 9, 1];

const choices = (logits: Float32Array): Choice[] => Array.from(logits, (logit, id) => ({ id, logit }));

/** The candidates, by id; the program prints those that are forbidden as -1e30. */
function candidatesOf({ candidates }: Step): Map<number, number> {
  const pairs = candidates.map(([id, logit]) => [id, logit <= -1e30 ? -Infinity : logit] as const);
  return new Map(pairs.toSorted(([a], [b]) => a - b));
}

function expectCandidates(step: Step, expected: readonly Choice[]): void {
  const found = candidatesOf(step);
  expect([...found.keys()]).toEqual(expected.map(({ id }) => id).toSorted((a, b) => a - b));
  // A product or a quotient may round otherwise in double than in single precision.
  for (const { id, logit } of expected) {
    const least = Math.max(1, Math.abs(logit)) * 2 ** -22;
    if (logit === -Infinity) expect(found.get(id), `${id}`).toBe(-Infinity);
    else expect(Math.abs(found.get(id)! - logit), `${id}`).toBeLessThan(least);
  }
}

const WINDOW = TEXT.slice(-20);
const DRY = { multiplier: 0.8, base: 1.75, allowedLength: 2, breakers: [] as number[] };
const dryLine = ({ multiplier, base, allowedLength, breakers }: typeof DRY, window = 0) => ({
  dry: [multiplier, base, allowedLength, window, ...breakers],
});

type Case = [name: string, lines: Lines, expected: (all: Choice[]) => Choice[]];
const CASES: Case[] = [
  ["temperature 0.6", { temperature: 0.6 }, (all) => reference.temperature(all, 0.6)],
  [
    "a dynamic temperature",
    { temperature: 1.1, dynamicTemperature: [0.5, 1.3] },
    (all) => reference.dynamicTemperature(all, 1.1, 0.5, 1.3),
  ],
  [
    "a dynamic temperature from zero on",
    { temperature: 0.5, dynamicTemperature: [2, 1] },
    (all) => reference.dynamicTemperature(all, 0.5, 2, 1),
  ],
  ["the 7 best", { topK: 7 }, (all) => reference.topK(all, 7)],
  ...[1e-9, 0.3, 0.9, 0.999, 0.9999999].map((p): Case => [
    `the nucleus of ${p}`,
    { topP: p },
    (all) => reference.topP(all, p),
  ]),
  ...[0.01, 0.5, 1].map((p): Case => [`minP ${p}`, { minP: p }, (all) => reference.minP(all, p)]),
  ...[1e-9, 0.2, 0.9, 0.99999].map((p): Case => [
    `typicalP ${p}`,
    { typicalP: p },
    (all) => reference.typicalP(all, p),
  ]),
  ...[0.3, 1, 2.5].map((n): Case => [
    `${n} standard deviations`,
    { topNSigma: n },
    (all) => reference.topNSigma(all, n),
  ]),
  ["xtc", { xtc: [1, 0.02] }, (all) => reference.xtc(all, 0.02)],
  ["xtc that nothing reaches", { xtc: [1, 0.99] }, (all) => all],
  ["a repetition penalty", { repetitionPenalty: 1.3 }, (all) => reference.repetitionPenalty(all, TEXT, 1.3)],
  [
    "a repetition penalty within a window",
    { repetitionPenalty: 0.7, penaltyWindow: 20 },
    (all) => reference.repetitionPenalty(all, WINDOW, 0.7),
  ],
  ["a frequency penalty", { frequencyPenalty: 0.4 }, (all) => reference.frequencyPenalty(all, TEXT, 0.4)],
  [
    "a frequency penalty within a window",
    { frequencyPenalty: -0.4, penaltyWindow: 20 },
    (all) => reference.frequencyPenalty(all, WINDOW, -0.4),
  ],
  ["a presence penalty", { presencePenalty: 1.5 }, (all) => reference.presencePenalty(all, TEXT, 1.5)],
  [
    "a presence penalty within a window longer than the text",
    { presencePenalty: 1.5, penaltyWindow: 2000 },
    (all) => reference.presencePenalty(all, TEXT, 1.5),
  ],
  ...[1, 2, 3, 4, 5, 70, 71, 500].map((n): Case => [
    `no ${n} tokens again`,
    { noRepeatNgramSize: n },
    (all) => reference.noRepeatNgram(all, TEXT, n),
  ]),
  ["bad words", { badWord: [9, 1, 44] }, (all) => reference.badWords(all, TEXT, [[9, 1, 44]])],
  ["a bad word of one token", { badWord: [17] }, (all) => reference.badWords(all, TEXT, [[17]])],
  ["a bad word that does not fit", { badWord: [1, 9, 44] }, (all) => all],
  ["a bad word longer than the text", { badWord: [...TEXT, ...TEXT, 5] }, (all) => all],
  [
    "suppressed tokens",
    { suppressTokens: [0, 5, V - 1] },
    (all) => reference.suppressTokens(all, [0, 5, V - 1]),
  ],
  ["a bias", { logitBias: [11, 2.25] }, (all) => reference.logitBias(all, new Map([[11, 2.25]]))],
  [
    "too few new tokens",
    { generated: 3, minNewTokens: [4, 8, 9] },
    (all) => reference.suppressTokens(all, [8, 9]),
  ],
  ["enough new tokens", { generated: 4, minNewTokens: [4, 8, 9] }, (all) => all],
  ["dry", dryLine(DRY), (all) => reference.dry(all, TEXT, DRY)],
  [
    "dry with a breaker on the way",
    dryLine({ ...DRY, breakers: [250, 3] }),
    (all) => reference.dry(all, TEXT, { ...DRY, breakers: [250, 3] }),
  ],
  ["dry with a breaker at the end", dryLine({ ...DRY, breakers: [1] }), (all) => all],
  ["dry with a breaker that would follow", dryLine({ ...DRY, breakers: [5] }), (all) => all],
  [
    "dry from one token on, within a window",
    dryLine({ ...DRY, allowedLength: 1 }, 20),
    (all) => reference.dry(all, WINDOW, { ...DRY, allowedLength: 1 }),
  ],
  [
    "all that adjust, in their order",
    {
      logitBias: [7, 1],
      repetitionPenalty: 1.2,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      noRepeatNgramSize: 3,
    },
    (all) => {
      let left = reference.repetitionPenalty(reference.logitBias(all, new Map([[7, 1]])), TEXT, 1.2);
      left = reference.presencePenalty(reference.frequencyPenalty(left, TEXT, 0.1), TEXT, 0.2);
      return reference.noRepeatNgram(left, TEXT, 3);
    },
  ],
  [
    "all that restrict, in their order",
    { temperature: 1.4, topNSigma: 2.5, topK: 100, topP: 0.95, minP: 0.01, typicalP: 0.9 },
    (all) => {
      const best = reference.topK(reference.topNSigma(reference.temperature(all, 1.4), 2.5), 100);
      return reference.typicalP(reference.minP(reference.topP(best, 0.95), 0.01), 0.9);
    },
  ],
  [
    "another order",
    { temperature: 3, topP: 0.6, order: ["topP", "temperature", "topK"] },
    (all) => reference.temperature(reference.topP(all, 0.6), 3),
  ],
  [
    "penalties after the cut",
    {
      topK: 9,
      repetitionPenalty: 2,
      suppressTokens: [1, 2],
      order: ["topK", "suppressTokens", "repetitionPenalty"],
    },
    (all) => reference.repetitionPenalty(reference.suppressTokens(reference.topK(all, 9), [1, 2]), TEXT, 2),
  ],
];

const common: Lines = { temperature: 1, seed: 1, tokens: TEXT };

describe(`candidates (seed ${SEED})`, () => {
  it.each(CASES)("%s", (_, lines, expected) => {
    for (const logits of [LOGITS, FLAT]) {
      const all = choices(logits);
      expectCandidates(choose(logits, { ...common, ...lines })[0]!, expected(all));
    }
  });

  it("do not need all of a large vocabulary sorted: the nucleus and the typical ones are the same", () => {
    const large = Float32Array.from({ length: 20_000 }, () => 2.5 * normal());
    for (const p of [0.5, 0.9, 0.99]) {
      const options = { temperature: 1, seed: 1 };
      expectCandidates(choose(large, { ...options, topP: p })[0]!, reference.topP(choices(large), p));
      expectCandidates(choose(large, { ...options, typicalP: p })[0]!, reference.typicalP(choices(large), p));
    }
  }, 60_000);

  it.each([1, 2] as const)("Mirostat %i follows the surprise of what it draws", (version) => {
    for (const [tau, eta] of [
      [3, 0.1],
      [1, 0.5],
      [6, 0.3],
    ] as const) {
      let mu = 2 * tau;
      for (const step of choose(LOGITS, { temperature: 1, seed: 9, mirostat: [version, tau, eta] }, 200)) {
        const { kept, next: move } = reference.mirostat(version, choices(LOGITS), mu, V);
        expectCandidates(step, kept);
        mu = move(step.id, tau, eta);
      }
    }
  });

  it("are what the greedy choice is made from, of those samplers that adjust", () => {
    const best = (all: Choice[]) => all.reduce((a, b) => (b.logit > a.logit ? b : a)).id;
    const lines = { tokens: TEXT, topK: 5, typicalP: 0.2, minP: 0.9, xtc: [1, 0.01], mirostat: [2, 1, 0.1] };
    const top = reference.topK(choices(LOGITS), 3).map(({ id }) => id);
    expect(choose(LOGITS, lines)[0]!.id).toBe(top[0]);
    expect(choose(LOGITS, { ...lines, suppressTokens: top.slice(0, 2) })[0]!.id).toBe(top[2]);
    const bias = Math.fround(LOGITS[top[0]!]! - LOGITS[40]! + 1);
    expect(choose(LOGITS, { ...lines, logitBias: [40, bias] })[0]!.id).toBe(40);
    const penalized = reference.frequencyPenalty(choices(LOGITS), TEXT, 5);
    expect(choose(LOGITS, { ...lines, frequencyPenalty: 5 })[0]!.id).toBe(best(penalized));
  });

  it("may not all be forbidden", () => {
    const none = { suppressTokens: Array.from({ length: V }, (_, id) => id) };
    for (const temperature of [0, 1]) {
      expect(() => choose(LOGITS, { temperature, ...none })).toThrow("forbid every token");
    }
    const damaged = new Float32Array(V).fill(-Infinity);
    expect(drawCounts(damaged, { temperature: 1 }, V).reduce((a, b) => a + b)).toBe(V);
  });

  it("come in an order that names each sampler in use once", () => {
    const at =
      (...order: string[]) =>
      () =>
        choose(LOGITS, { temperature: 2, topK: 5, order });
    expect(at("topK", "temperature")).not.toThrow();
    expect(at("topK")).toThrow("temperature is missing");
    expect(at("topK", "temperature", "topK")).toThrow("topK twice");
    expect(at("topK", "temperature", "topX")).toThrow("topX");
  });
});

describe(`${DRAWS} draws (seed ${SEED})`, () => {
  const DRAWN: Case[] = [
    ["all of them", {}, (all) => all],
    ...CASES.filter(([name]) =>
      /^(temperature|a dynamic|the nucleus of 0.3|minP|typicalP 0|0.3 st|xtc$|all|a rep)/.test(name),
    ),
  ];
  it.each(DRAWN)("%s", (_, lines, expected) => {
    const logits = LOGITS.subarray(0, 40);
    const text = TEXT.filter((id) => id < 40);
    const chances = reference.distribution(expected(choices(logits)), 40);
    const counts = drawCounts(logits, { temperature: 1, tokens: text, seed: SEED, ...lines }, DRAWS);
    expect(counts.reduce((a, b) => a + b)).toBe(DRAWS);
    // One run in thirty thousand is above four by chance; this one is always the same.
    expect(surprise(counts, chances), `${counts}`).toBeLessThan(4);
  });

  it("exclude the top choices as often as asked", () => {
    const logits = LOGITS.subarray(0, 40);
    const all = reference.distribution(choices(logits), 40);
    const without = reference.distribution(reference.xtc(choices(logits), 0.05), 40);
    const mixed = all.map((chance, id) => 0.7 * chance + 0.3 * without[id]!);
    const counts = drawCounts(logits, { temperature: 1, seed: SEED, xtc: [0.3, 0.05] }, DRAWS);
    expect(surprise(counts, mixed)).toBeLessThan(4);
    expect(surprise(counts, all)).toBeGreaterThan(10);
  });

  it("of Mirostat have the surprise that was asked for", () => {
    for (const version of [1, 2]) {
      const steps = choose(LOGITS, { temperature: 1, seed: SEED, mirostat: [version, 2, 0.05] }, 3000);
      const bits = steps.slice(500).map(({ logprob }) => -logprob / Math.LN2);
      expect(Math.abs(bits.reduce((a, b) => a + b, 0) / bits.length - 2)).toBeLessThan(0.1);
    }
  });
});

it("log-probabilities are exact to double precision", () => {
  for (const logits of [LOGITS, FLAT, LOGITS.map((each) => each * 50), Float32Array.of(-3)]) {
    const expected = logSoftmax(logits);
    for (const { id, logprob } of choose(logits, { temperature: 30, seed: 5 }, 50)) {
      expect(Math.abs(logprob - expected[id]!)).toBeLessThan(1e-13 * Math.max(1, Math.abs(expected[id]!)));
    }
  }
});
