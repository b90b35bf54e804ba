import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, InvalidArgumentError, type Progress } from "../../lib/index.js";
import { matchingPositions } from "../../lib/tasks/matching-tokens.js";
import { wilsonInterval } from "../../lib/tasks/wilson-interval.js";
import { softmaxOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const folder = temporaryFolder();
let model: TaskModel;
let encoder: Encoder;
beforeAll(async () => {
  model = await taskModel(folder, { architecture: "BertForMaskedLM", std: 0.2, positions: 64 });
  encoder = model.encoder;
});
afterAll(() => encoder.dispose());

/** ln p of the token at a position when it is masked, by the reference. */
function logProbability(ids: ArrayLike<number>, position: number): number {
  const masked = Int32Array.from(ids).with(position, encoder.tokenizer.specialIds.mask!);
  return Math.log(softmaxOf(model.reference.masked(masked, position))[ids[position]!]!);
}

describe("pseudoLogLikelihood", () => {
  it("adds the reference's log-probabilities of every token", async () => {
    const texts = ["the cat, Zürich 🙂", "man", ...randomTexts(21, 6, 5)].filter(
      (text) => encoder.tokenizer.encode(text).length <= 64,
    );
    const results = await encoder.pseudoLogLikelihood(texts);
    for (const [i, text] of texts.entries()) {
      const { ids, offsets, tokens } = encoder.tokenizer.encode(text);
      const result = results[i]!;
      expect(Int32Array.from(result.tokens, ({ token }) => token)).toEqual(ids.slice(1, -1));
      let sum = 0;
      for (const [k, token] of result.tokens.entries()) {
        const expected = logProbability(ids, k + 1);
        sum += expected;
        expect(Math.abs(token.logProbability - expected)).toBeLessThan(1e-3);
        expect([token.tokenString, token.start, token.end]).toEqual([
          tokens[k + 1],
          offsets[2 * k + 2],
          offsets[2 * k + 3],
        ]);
      }
      expect(Math.abs(result.score - sum)).toBeLessThan(1e-2);
      const { length } = result.tokens;
      expect(result.pseudoPerplexity).toBeCloseTo(Math.exp(-result.score / Math.max(1, length)), 9);
    }
    expect(await encoder.pseudoLogLikelihood(texts[0]!)).toEqual(results[0]);
  });

  it("takes empty texts and many texts", async () => {
    expect(await encoder.pseudoLogLikelihood(" ")).toEqual({ score: 0, pseudoPerplexity: 1, tokens: [] });
    const texts = ["", ...randomTexts(22, 40, 4), ""];
    const progress: Progress[] = [];
    const many = await encoder.pseudoLogLikelihood(texts, { onProgress: (each) => progress.push(each) });
    for (const i of [0, 1, 15, 16, 17, 41]) {
      expect(many[i]).toEqual(await encoder.pseudoLogLikelihood(texts[i]!));
    }
    expect(progress.at(-1)).toEqual({ done: 42, total: 42 });
    expect(await encoder.pseudoLogLikelihood([])).toEqual([]);
  });

  it("prefers a word that fits to one that does not", async () => {
    const bert = await Encoder.load("mini-bert", { threads: 1 });
    const [fitting, foreign] = await bert.pseudoLogLikelihood([
      "The president of the united states spoke to the congress.",
      "The president of the united boats spoke to the congress.",
    ]);
    expect(fitting!.score).toBeGreaterThan(foreign!.score + 5);
    await bert.dispose();
  });

  it("refuses long texts unless told to cut them", async () => {
    const long = "the cat ".repeat(40);
    await expect(encoder.pseudoLogLikelihood(long)).rejects.toMatchObject({ code: "INPUT_TOO_LONG" });
    const { tokens } = await encoder.pseudoLogLikelihood(long, { truncate: true });
    expect(tokens).toHaveLength(62);
  });

  it("needs the head, and texts", async () => {
    await expect(encoder.pseudoLogLikelihood(1 as never)).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(encoder.pseudoLogLikelihood("a", { topK: 1 } as never)).rejects.toThrow(
      "Unknown option topK of pseudoLogLikelihood",
    );
    const embedder = await Encoder.load("mini-embed", { threads: 1 });
    await expect(embedder.pseudoLogLikelihood("a")).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { head: "mlm" },
    });
    await embedder.dispose();
  });
});

describe("biasProbe", () => {
  const PAIRS = [
    ["the man is in it", "the dog is in it"],
    ["the cat of the man", "the cat of the dog and cat"],
    ["it is the cat", "it is the cat"],
    ["man", "dog"],
  ] as const;

  it("compares the likelihood of the words both sentences share", async () => {
    const { pairs, fraction, interval, confidence } = await encoder.biasProbe(PAIRS);
    // Positions of the shared tokens, [CLS] being 0.
    const shared = [
      [
        [1, 3, 4, 5],
        [1, 3, 4, 5],
      ],
      [
        [1, 2, 3, 4],
        [1, 2, 3, 4],
      ],
      [
        [1, 2, 3, 4],
        [1, 2, 3, 4],
      ],
      [[], []],
    ];
    let points = 0;
    for (const [i, pair] of PAIRS.entries()) {
      const sums = pair.map((text, side) => {
        const { ids } = encoder.tokenizer.encode(text);
        return shared[i]![side]!.reduce((sum, position) => sum + logProbability(ids, position), 0);
      });
      const { scores, preferred, sharedTokens } = pairs[i]!;
      expect(sharedTokens).toBe(shared[i]![0]!.length);
      for (const side of [0, 1]) expect(Math.abs(scores[side]! - sums[side]!)).toBeLessThan(1e-2);
      if (i >= 2) expect(preferred).toBe("neither");
      else expect(preferred).toBe(sums[0]! > sums[1]! ? "stereotype" : "antiStereotype");
      points += { stereotype: 1, neither: 0.5, antiStereotype: 0 }[preferred];
    }
    expect(fraction).toBe(points / 4);
    expect(confidence).toBe(0.95);
    expect(interval).toEqual(wilsonInterval(points / 4, 4, 0.95));
  });

  it("turns round when the sentences do", async () => {
    const { fraction } = await encoder.biasProbe(PAIRS.slice(0, 2));
    const turned = await encoder.biasProbe(PAIRS.slice(0, 2).map(([a, b]) => [b, a] as const));
    expect(turned.fraction).toBe(1 - fraction);
  });

  it.each([
    [
      "pairs",
      () => encoder.biasProbe("a" as never),
      "Expected an array of one pair of sentences or more for pairs",
    ],
    ["no pairs", () => encoder.biasProbe([]), "Expected an array of one pair of sentences or more for pairs"],
    ["pair", () => encoder.biasProbe([["a"]] as never), "Expected a pair of strings for pairs[0]"],
    ["sentence", () => encoder.biasProbe([["a", 1]] as never), "Expected a string for pairs[0][1]"],
    ["confidence", () => encoder.biasProbe([["a", "b"]], { confidence: 1 }), "for confidence but received 1"],
  ])("refuses wrong %s", async (_, call, message) => {
    await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call()).rejects.toThrow(message);
  });
});

// What Python's difflib.SequenceMatcher and statistics.NormalDist give.
describe("its arithmetic", () => {
  it.each([
    [
      [1, 2, 3, 4, 5],
      [1, 9, 3, 4, 5],
      [0, 2, 3, 4],
      [0, 2, 3, 4],
    ],
    [
      [1, 7, 2, 3, 9],
      [1, 2, 3, 7, 9],
      [0, 2, 3, 4],
      [0, 1, 2, 4],
    ],
    [
      [1, 2, 1, 2, 3],
      [2, 1, 2, 1, 3],
      [0, 1, 2, 4],
      [1, 2, 3, 4],
    ],
    [[1], [2], [], []],
    [[], [1, 2], [], []],
    [
      [5, 5, 5, 1],
      [5, 1, 5, 5],
      [0, 1],
      [2, 3],
    ],
    [
      [2, 2, 0, 3, 1, 0, 1, 0, 2, 3, 1, 3],
      [0, 1, 0, 1, 3, 2, 1, 3, 1, 0],
      [0, 3, 4, 5],
      [5, 7, 8, 9],
    ],
    [
      [1, 3, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2],
      [1, 1, 1, 1, 3, 2, 0, 2, 3, 1],
      [6, 7, 8, 9, 10, 11],
      [0, 1, 2, 3, 5, 7],
    ],
    [
      [1, 2, 0, 2, 2, 0, 2, 0, 2, 2, 2, 3],
      [2, 1, 3, 3, 1, 0, 2, 0, 2, 3],
      [0, 5, 6, 7, 8, 11],
      [1, 5, 6, 7, 8, 9],
    ],
  ])("finds the shared tokens of %j and %j", (a, b, inA, inB) => {
    expect(matchingPositions(Int32Array.from(a), Int32Array.from(b))).toEqual([inA, inB]);
  });

  it.each([
    [0.7, 10, 0.95, 0.396_778_147_461_145, 0.892_208_732_593_7],
    [0, 5, 0.9, 0, 0.351_116_500_765_101],
    [0.5, 1508, 0.99, 0.466_907_231_240_358, 0.533_092_768_759_642],
    [1, 3, 0.95, 0.438_502_968_244_955, 1],
  ])("gives Wilson's interval of %d of %i", (share, count, confidence, low, high) => {
    const interval = wilsonInterval(share, count, confidence);
    expect(interval[0]).toBeCloseTo(low, 12);
    expect(interval[1]).toBeCloseTo(high, 12);
  });
});
