import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, InvalidArgumentError, UnsupportedError, type Classification } from "../../lib/index.js";
import { maxDifference } from "../support/golden.js";
import { sigmoidOf, softmaxOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const TOLERANCE = 2e-4;
const folder = temporaryFolder();
const architecture = "BertForSequenceClassification";
const LABELS = ["negative", "neutral", "positive", "mixed"];

describe("classify", () => {
  let model: TaskModel;
  let encoder: Encoder;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture, labels: LABELS });
    encoder = model.encoder;
  });
  afterAll(() => encoder.dispose());

  it("knows its labels", () => {
    expect(encoder.info.labels).toEqual(LABELS);
    expect(encoder.info.heads).toMatchObject({ sequenceLabels: 4, pooler: true, tokenLabels: 0 });
    expect(encoder.info.problemType).toBeUndefined();
  });

  it("gives the reference's logits and their softmax, the best label first", async () => {
    const inputs = [
      "the cat and the dog",
      "",
      { text: "is it the cat?", pair: "the man" },
      { text: "the man", pair: "is it the cat?" },
      ...randomTexts(31, 12),
    ];
    const results = await encoder.classify(inputs);
    for (const [i, input] of inputs.entries()) {
      const { text, pair } = typeof input === "string" ? { text: input, pair: undefined } : input;
      const { ids, typeIds } = encoder.tokenizer.encode(text, { pair });
      const expected = model.reference.sequence(ids, typeIds);
      const { logits, predictions } = results[i]!;
      expect(maxDifference(logits, expected), text).toBeLessThan(TOLERANCE);
      const scores = softmaxOf(expected);
      const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
      expect(predictions.map(({ index }) => index)).toEqual(order);
      for (const { label, index, score } of predictions) {
        expect(label).toBe(LABELS[index]);
        expect(score).toBeCloseTo(scores[index]!, 4);
      }
    }
    const segments = results[2]!.logits.map((logit, i) => logit - results[3]!.logits[i]!);
    expect(Math.max(...segments.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it("takes topK, and any activation", async () => {
    const text = "the cat";
    const all = await encoder.classify(text);
    expect((await encoder.classify(text, { topK: 2 })).predictions).toEqual(all.predictions.slice(0, 2));
    expect((await encoder.classify(text, { topK: 99 })).predictions).toEqual(all.predictions);
    for (const [activation, scoreOf] of [
      ["sigmoid", sigmoidOf],
      ["none", (logit: number) => logit],
    ] as const) {
      const { predictions } = await encoder.classify(text, { activation });
      expect(predictions.map(({ index }) => index)).toEqual(all.predictions.map(({ index }) => index));
      for (const { index, score } of predictions) expect(score).toBe(scoreOf(all.logits[index]!));
    }
  });

  it("gives each of many inputs the same bits as alone, and takes ids", async () => {
    const texts = randomTexts(77, 300, 8);
    const many = await encoder.classify(texts);
    for (const i of [0, 1, 255, 256, 299]) {
      expect(many[i], `text ${i}`).toEqual(await encoder.classify(texts[i]!));
    }
    const { ids } = encoder.tokenizer.encode(texts[1]!);
    expect(await encoder.classify({ ids })).toEqual(many[1]);
    expect(await encoder.classify([])).toEqual([]);
  });

  it("refuses overlong inputs, or cuts them before the closing [SEP]", async () => {
    const long = "the cat ".repeat(100);
    await expect(encoder.classify(["a", long])).rejects.toMatchObject({
      code: "INPUT_TOO_LONG",
      details: { length: 202, limit: 128, index: 1 },
    });
    const cut = await encoder.classify(long, { truncate: true });
    expect(cut).toEqual(await encoder.classify("the cat ".repeat(63)));
  });

  it("stops when its signal fires", async () => {
    await expect(encoder.classify("a", { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
  });

  it.each([
    ["nothing", () => encoder.classify(undefined as never), "for input but received undefined"],
    ["a tuple", () => encoder.classify([["a", "b"]] as never), "for inputs[0]"],
    ["topK", () => encoder.classify("a", { topK: 0 }), "for topK but received 0"],
    [
      "activation",
      () => encoder.classify("a", { activation: "relu" as never }),
      'for activation but received "relu"',
    ],
    ["an option", () => encoder.classify("a", { topk: 1 } as never), "Did you mean topK?"],
    [
      "maxLength",
      () => encoder.classify({ text: "a", pair: "b" }, { maxLength: 2 }),
      "from 3 to 128 for maxLength",
    ],
  ])("refuses a wrong %s", async (_, call, message) => {
    await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call()).rejects.toThrow(message);
  });
});

describe("the default activation of classify", () => {
  const first = async (labels: number, config: Record<string, unknown> = {}) => {
    const { encoder } = await taskModel(folder, { architecture, labels, config, seed: 3 });
    const result: Classification = await encoder.classify("the cat");
    const forced = await encoder
      .classify("the cat", { activation: "softmax" })
      .catch((error: unknown) => error);
    await encoder.dispose();
    return { result, forced };
  };

  it("is the sigmoid for one label, which never has a constant score", async () => {
    const { result, forced } = await first(1);
    expect(result.predictions).toEqual([{ label: "label 0", index: 0, score: sigmoidOf(result.logits[0]!) }]);
    expect(result.predictions[0]!.score).toBeLessThan(0.999);
    expect(forced).toBeInstanceOf(InvalidArgumentError);
    expect((forced as Error).message).toContain("for activation");
  });

  it("is none for a regression", async () => {
    const { result } = await first(1, { problem_type: "regression" });
    expect(result.predictions[0]!.score).toBe(result.logits[0]);
  });

  it("is the sigmoid for several labels at once", async () => {
    const { result } = await first(3, { problem_type: "multi_label_classification" });
    for (const { index, score } of result.predictions) expect(score).toBe(sigmoidOf(result.logits[index]!));
  });

  it("is the softmax for labels that exclude each other", async () => {
    const { result } = await first(3, { problem_type: "single_label_classification" });
    const sum = result.predictions.reduce((total, { score }) => total + score, 0);
    expect(sum).toBeCloseTo(1, 12);
  });
});

describe("a model without the classifier", () => {
  it("is refused by name", async () => {
    const encoder = await Encoder.load("mini-bert", { threads: 1 });
    await expect(encoder.classify("a")).rejects.toBeInstanceOf(UnsupportedError);
    await expect(encoder.classify("a")).rejects.toThrow(
      "mini-bert has no sequence classifier over a pooler, which classify needs",
    );
    await expect(encoder.classify("a")).rejects.toMatchObject({ details: { head: "sequenceLabels" } });
    await encoder.dispose();
  });
});

describe.each(["F16", "Q8_0"] as const)("a file of type %s", (type) => {
  it("keeps the classifier close to the reference", async () => {
    const { encoder, reference } = await taskModel(folder, { architecture, labels: LABELS, type });
    for (const text of randomTexts(5, 10)) {
      const { logits } = await encoder.classify(text);
      const expected = reference.sequence(encoder.tokenizer.encode(text).ids);
      expect(maxDifference(logits, expected)).toBeLessThan(type === "F16" ? 5e-3 : 5e-2);
    }
    await encoder.dispose();
  });
});
