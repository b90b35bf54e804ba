import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GenerateResult, NativeModel, SamplingOptions } from "../../lib/native.js";
import { logSoftmax } from "../reference/gpt2.js";
import { surprise } from "../support/chi-square.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { loadNative, randomGpt2 } from "./models.js";
import { generate, logits, randomIds } from "./requests.js";

const SEED = 424_242;
const V = 16;
const CONTEXT = 64;
const DRAWS = 3000;
const folder = temporaryFolder();

/** What sampling should give, from the logits: temperature, then the k best, then the nucleus of p. */
function expectedDistribution(row: ArrayLike<number>, options: Partial<SamplingOptions>): Float64Array {
  const { temperature = 1, topK = 0, topP = 1 } = options;
  const scaled = Array.from(row, (logit) => logit / temperature);
  const order = [...scaled.keys()].sort((a, b) => scaled[b]! - scaled[a]! || a - b);
  const best = order.slice(0, topK || V);
  const chances = logSoftmax(best.map((id) => scaled[id]!)).map(Math.exp);
  let kept = 0;
  for (let reached = 0; kept < best.length && reached < topP - 1e-12; kept++) reached += chances[kept]!;
  const total = chances.subarray(0, kept).reduce((a, b) => a + b, 0);
  const distribution = new Float64Array(V);
  for (let i = 0; i < kept; i++) distribution[best[i]!] = chances[i]! / total;
  return distribution;
}

describe(`sampling (seed ${SEED})`, () => {
  let model: NativeModel;
  let prompt: Int32Array;
  let row: Float32Array;
  beforeAll(async () => {
    const sizes = { H: 16, A: 2, F: 16, L: 1, V, context: CONTEXT };
    const { spec } = await randomGpt2(folder, { ...sizes, seed: SEED, std: 0.35, tied: false });
    model = await loadNative(spec, { threads: 1 });
    prompt = randomIds(random(SEED), 3, V);
    row = (await logits(model, prompt)).subarray(-V);
  });
  afterAll(() => model.dispose());

  const draw = (options: Partial<SamplingOptions>, seed: number, count = 1) =>
    generate(model, prompt, count, { sampling: { temperature: 1, ...options, seed } });

  const CASES: Record<string, Partial<SamplingOptions>> = {
    "the model's own distribution": {},
    "a low temperature": { temperature: 0.5 },
    "a high temperature": { temperature: 3 },
    "the five best": { topK: 5 },
    "the best": { topK: 1 },
    "more than there are": { topK: V + 10 },
    "a nucleus": { topP: 0.7 },
    "a tiny nucleus": { topP: 1e-9 },
    "all together": { temperature: 1.7, topK: 8, topP: 0.8 },
  };

  it.each(Object.entries(CASES))("draws from %s", async (_, options) => {
    const expected = expectedDistribution(row, options);
    const counts = new Int32Array(V);
    const seeds = Array.from({ length: DRAWS }, (_each, i) => SEED + i);
    const results = await Promise.all(seeds.map((seed) => draw(options, seed)));
    for (const { tokens } of results) counts[tokens[0]!]!++;
    // One run in thirty thousand is above four by chance; this one is always the same.
    expect(surprise(counts, expected), `${[...counts]}`).toBeLessThan(4);
    if (expected.filter((chance) => chance > 0).length > 3) {
      // The test can tell: the distribution turned by one token would be far away.
      const turned = expected.map((_each, id) => expected[(id + 1) % V]!);
      expect(surprise(counts, turned)).toBeGreaterThan(10);
    }
  });

  it("keeps drawing fairly along a text", async () => {
    const texts = await Promise.all(Array.from({ length: 100 }, (_, i) => draw({}, i, CONTEXT - 3)));
    let [sum, mean, variance] = [0, 0, 0];
    for (const { tokens, logprobs } of texts.slice(0, 40)) {
      const rows = await logits(model, Int32Array.of(...prompt, ...tokens));
      for (const [i, logprob] of logprobs!.entries()) {
        const chances = logSoftmax(rows.subarray((i + 2) * V, (i + 3) * V));
        const entropy = -chances.reduce((total, each) => total + Math.exp(each) * each, 0);
        const square = chances.reduce((total, each) => total + Math.exp(each) * each * each, 0);
        sum += logprob;
        mean -= entropy;
        variance += square - entropy * entropy;
      }
    }
    // The drawn tokens are as likely as drawn tokens should be.
    expect(Math.abs(sum - mean) / Math.sqrt(variance)).toBeLessThan(4);
    const distinct = new Set(texts.map(({ tokens }) => tokens.join(" ")));
    expect(distinct.size).toBe(texts.length);
  });

  it("repeats itself for a seed, and not for another", async () => {
    const same = (a: GenerateResult, b: GenerateResult) => expect(a.tokens).toEqual(b.tokens);
    for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1]) same(await draw({}, seed, 40), await draw({}, seed, 40));
    const [one, other] = [await draw({}, 10, 40), await draw({}, 11, 40)];
    expect(one.tokens).not.toEqual(other.tokens);
  });

  it("is greedy at temperature zero, whatever else is asked", async () => {
    const best = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    for (const options of [
      { temperature: 0 },
      { temperature: 0, topK: 3, topP: 0.5 },
      { temperature: 1e-30 },
    ]) {
      for (let seed = 0; seed < 20; seed++) expect((await draw(options, seed)).tokens[0]).toBe(best);
    }
  });

  it("reports the log-probability under the model's own distribution, before temperature and cuts", async () => {
    const own = logSoftmax(row);
    for (let seed = 0; seed < 30; seed++) {
      const { tokens, logprobs } = await draw({ temperature: 2.5, topK: 6, topP: 0.9 }, seed);
      expect(Math.abs(logprobs![0]! - own[tokens[0]!]!)).toBeLessThan(1e-6);
    }
  });
});
