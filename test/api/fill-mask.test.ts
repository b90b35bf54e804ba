import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, InvalidArgumentError } from "../../lib/index.js";
import { maxDifference } from "../support/golden.js";
import { softmaxOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();

const TEXT = "The president of the united [MASK] spoke to the congress.";

describe("fillMask", () => {
  let encoder: Encoder;
  beforeAll(async () => {
    encoder = await Encoder.load("mini-bert", { threads: 1 });
  });
  afterAll(() => encoder.dispose());

  it("returns the five most likely tokens by default, each with the text it makes", async () => {
    const { masks, unknownTargets } = await encoder.fillMask(TEXT);
    expect(unknownTargets).toEqual([]);
    expect(masks).toHaveLength(1);
    const { position, offset, predictions } = masks[0]!;
    expect(position).toBe(6);
    expect(TEXT.slice(...offset)).toBe("[MASK]");
    expect(predictions).toHaveLength(5);
    const scores = predictions.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    for (const { token, tokenString, sequence } of predictions) {
      expect(encoder.tokenizer.idToToken(token)).toBe(tokenString);
      expect(sequence).toBe(`the president of the united ${tokenString} spoke to the congress.`);
    }
  });

  it("gives probabilities over the whole vocabulary", async () => {
    const { masks } = await encoder.fillMask("a [MASK]", { topK: 1e9 });
    const { predictions } = masks[0]!;
    expect(predictions).toHaveLength(encoder.info.vocabSize);
    const sum = predictions.reduce((total, { score }) => total + score, 0);
    expect(sum).toBeCloseTo(1, 9);
    expect(new Set(predictions.map(({ token }) => token)).size).toBe(encoder.info.vocabSize);
  });

  it("fills every mask of a text on its own, leaving the others", async () => {
    const { masks } = await encoder.fillMask("[MASK] me [MASK].", { topK: 2 });
    expect(masks.map(({ position }) => position)).toEqual([1, 3]);
    expect(masks[0]!.predictions[0]!.sequence).toBe(`${masks[0]!.predictions[0]!.tokenString} me [MASK].`);
    expect(masks[1]!.predictions[0]!.sequence).toBe(`[MASK] me ${masks[1]!.predictions[0]!.tokenString}.`);
  });

  it("scores targets alone, with the same probabilities, and names the unknown ones", async () => {
    const all = (await encoder.fillMask(TEXT, { topK: 1e6 })).masks[0]!.predictions;
    const scoreOf = new Map(all.map(({ tokenString, score }) => [tokenString, score]));
    const targets = ["states", "Nation", "##s", "whale", "states", "electroencephalography", "two words", ""];
    const { masks, unknownTargets } = await encoder.fillMask(TEXT, { targets });
    expect(unknownTargets).toEqual(["electroencephalography", "two words", ""]);
    const { predictions } = masks[0]!;
    expect(predictions.map(({ tokenString }) => tokenString).toSorted()).toEqual(
      ["##s", "nation", "states", "whale"].toSorted(),
    );
    for (const { tokenString, score } of predictions) expect(score).toBe(scoreOf.get(tokenString));
    const best = await encoder.fillMask(TEXT, { targets, topK: 1 });
    expect(best.masks[0]!.predictions).toEqual([predictions[0]]);
    const none = await encoder.fillMask(TEXT, { targets: ["two words"] });
    expect(none).toMatchObject({ masks: [{ predictions: [] }], unknownTargets: ["two words"] });
  });

  it("sharpens and flattens with temperature, keeping the order", async () => {
    const at = async (temperature: number) =>
      (await encoder.fillMask(TEXT, { temperature, topK: 1e6 })).masks[0]!.predictions;
    const [plain, cold, hot] = [await at(1), await at(0.5), await at(1000)];
    expect(cold[0]!.score).toBeGreaterThan(plain[0]!.score);
    expect(cold.slice(0, 5).map(({ token }) => token)).toEqual(plain.slice(0, 5).map(({ token }) => token));
    // p at temperature 1/2 is p squared, normalized.
    const squares = plain.map(({ score }) => score ** 2);
    const total = squares.reduce((a, b) => a + b, 0);
    expect(
      maxDifference(
        cold.map(({ score }) => score),
        squares.map((square) => square / total),
      ),
    ).toBeLessThan(1e-9);
    expect(hot[0]!.score * encoder.info.vocabSize).toBeLessThan(1.1);
    expect((await encoder.fillMask(TEXT, { temperature: 1e-3 })).masks[0]!.predictions[0]!.score).toBeCloseTo(
      1,
    );
  });

  it("takes many texts, in their order", async () => {
    const texts = Array.from({ length: 150 }, (_, i) => `${"sea ".repeat(i % 17)}[MASK] number ${i}`);
    const results = await encoder.fillMask(texts, { topK: 1 });
    expect(results).toHaveLength(150);
    for (const i of [0, 63, 64, 149])
      expect(results[i]).toEqual(await encoder.fillMask(texts[i]!, { topK: 1 }));
    expect(await encoder.fillMask([])).toEqual([]);
  });

  it("refuses a text without a mask, also when truncation cut it off", async () => {
    await expect(encoder.fillMask("no mask")).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(encoder.fillMask(["a [MASK]", "no mask"])).rejects.toThrow(
      'Expected at least one mask token in text 1 but received "no mask" of type string',
    );
    await expect(encoder.fillMask(`${"sea ".repeat(40)}[MASK]`, { maxLength: 16 })).rejects.toThrow(
      "left after truncation",
    );
  });

  it("needs the head", async () => {
    const embedder = await Encoder.load("mini-embed", { threads: 1 });
    await expect(embedder.fillMask(TEXT)).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { head: "mlm" },
    });
    await embedder.dispose();
  });
});

describe("fillings of several masks", () => {
  let model: TaskModel;
  let encoder: Encoder;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture: "BertForMaskedLM", std: 0.2, positions: 32 });
    encoder = model.encoder;
  });
  afterAll(() => encoder.dispose());

  const maskedIds = (text: string) => [...encoder.tokenizer.encode(text).ids];
  const placesOf = (ids: number[]) => {
    const mask = encoder.tokenizer.specialIds.mask!;
    return [...ids.keys()].filter((i) => ids[i] === mask);
  };
  const rows = (fillings: readonly { tokens: readonly number[]; score: number }[]) => ({
    tokens: fillings.map(({ tokens }) => tokens.join(" ")),
    scores: fillings.map(({ score }) => score),
  });

  /** The `k` best of all pairs and triples of tokens, by the reference; the first `most` tokens are enough. */
  function independent(text: string, k: number): { tokens: number[]; score: number }[] {
    const ids = maskedIds(text);
    let all = [{ tokens: [] as number[], score: 1 }];
    for (const place of placesOf(ids)) {
      const scores = softmaxOf(model.reference.masked(ids, place));
      const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, k);
      all = all.flatMap(({ tokens, score }) =>
        best.map((token) => ({ tokens: [...tokens, token], score: score * scores[token]! })),
      );
    }
    return all.sort((a, b) => b.score - a.score).slice(0, k);
  }

  /** Beam search, written a second time over the reference. */
  function sequential(text: string, k: number): { tokens: number[]; score: number }[] {
    const ids = maskedIds(text);
    const places = placesOf(ids);
    let beams = [{ tokens: [] as number[], score: 1 }];
    for (const [m, place] of places.entries()) {
      const longer = beams.flatMap(({ tokens, score }) => {
        const filled = [...ids];
        for (let i = 0; i < m; i++) filled[places[i]!] = tokens[i]!;
        const scores = softmaxOf(model.reference.masked(filled, place));
        const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, k);
        return best.map((token) => ({ tokens: [...tokens, token], score: score * scores[token]! }));
      });
      beams = longer.sort((a, b) => b.score - a.score).slice(0, k);
    }
    return beams;
  }

  const TEXTS = ["the [MASK] and the [MASK]", "[MASK] [MASK] of [MASK]", "a [MASK]", "[MASK] dog [MASK]"];

  it.each(["independent", "sequential"] as const)("%s: as over the reference's scores", async (filling) => {
    const expected = filling === "sequential" ? sequential : independent;
    const results = await encoder.fillMask(TEXTS, { filling, topK: 4 });
    for (const [i, text] of TEXTS.entries()) {
      const { tokens, scores } = rows(results[i]!.fillings);
      const wanted = rows(expected(text, 4));
      expect(tokens, text).toEqual(wanted.tokens);
      expect(maxDifference(scores, wanted.scores)).toBeLessThan(1e-4);
      expect(results[i]!.masks).toEqual((await encoder.fillMask(text, { topK: 4 })).masks);
      expect(results[i]).toEqual(await encoder.fillMask(text, { filling, topK: 4 }));
    }
    const differing = TEXTS.filter(
      (text) => rows(sequential(text, 4)).tokens.join() !== rows(independent(text, 4)).tokens.join(),
    );
    expect(differing.length).toBeGreaterThan(0);
  });

  it("say what each makes of the text", async () => {
    const { masks, fillings } = await encoder.fillMask("the [MASK] of [MASK] dog", { topK: 9 });
    expect(fillings).toHaveLength(9);
    for (const { tokens, tokenStrings, sequence } of fillings) {
      expect(tokenStrings).toEqual(tokens.map((token) => encoder.tokenizer.idToToken(token)));
      const ids = maskedIds("the [MASK] of [MASK] dog").slice(1, -1);
      masks.forEach(({ position }, m) => (ids[position - 1] = tokens[m]!));
      expect(sequence).toBe(encoder.tokenizer.decode(ids));
    }
    const { masks: one, fillings: same } = await encoder.fillMask("a [MASK]", { topK: 3 });
    expect(same.map(({ sequence, score }) => [sequence, score])).toEqual(
      one[0]!.predictions.map(({ sequence, score }) => [sequence, score]),
    );
  });

  it("are bounded, of targets where these are given, and report progress", async () => {
    expect((await encoder.fillMask("[MASK] [MASK]", { topK: 400 })).fillings).toHaveLength(400);
    expect((await encoder.fillMask("[MASK] [MASK]", { topK: 1e9 })).fillings).toHaveLength(1000);
    const ofTwo = await encoder.fillMask("[MASK] [MASK]", { targets: ["cat", "dog"], topK: 9 });
    expect(ofTwo.fillings.map(({ tokenStrings }) => tokenStrings.join(" ")).sort()).toEqual([
      "cat cat",
      "cat dog",
      "dog cat",
      "dog dog",
    ]);
    const none = await encoder.fillMask("[MASK] [MASK]", { targets: ["two words"], filling: "sequential" });
    expect(none.fillings).toEqual([]);
    const progress: number[] = [];
    await encoder.fillMask(TEXTS, { filling: "sequential", onProgress: ({ done }) => progress.push(done) });
    expect(progress).toEqual([1, 3, 4]);
    const stopped = encoder.fillMask(TEXTS, { filling: "sequential", signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("nextSentence", () => {
  let encoder: Encoder;
  beforeAll(async () => {
    encoder = await Encoder.load("mini-bert", { threads: 1 });
  });
  afterAll(() => encoder.dispose());

  it("tells a following sentence from a foreign one", async () => {
    const first = "And he said unto them, Go ye up.";
    const next = await encoder.nextSentence(first, "And they went up to Jerusalem.");
    const foreign = await encoder.nextSentence(first, "A program is a set of instructions for a computer.");
    expect(next.probability).toBeGreaterThan(10 * foreign.probability);
    const [isNext, notNext] = next.logits;
    expect(next.probability).toBeCloseTo(Math.exp(isNext) / (Math.exp(isNext) + Math.exp(notNext)), 12);
  });

  it("takes many pairs, in their order, and empty texts", async () => {
    const pairs = Array.from({ length: 100 }, (_, i) => [`sentence ${i}`, i % 3 ? `and ${i}` : ""] as const);
    const results = await encoder.nextSentence(pairs);
    for (const i of [0, 1, 99]) expect(results[i]).toEqual(await encoder.nextSentence(...pairs[i]!));
    expect(await encoder.nextSentence([])).toEqual([]);
  });

  it("cuts the longer of two texts first", async () => {
    const [a, b] = ["the sea ".repeat(400), "a whale"];
    await expect(encoder.nextSentence(a, b)).rejects.toMatchObject({ details: { length: 805, limit: 512 } });
    const cut = await encoder.nextSentence(a, b, { maxLength: 21 });
    expect(cut).toEqual(await encoder.nextSentence("the sea ".repeat(8), b));
  });
});
