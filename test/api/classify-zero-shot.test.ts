import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, InvalidArgumentError, type Progress, type Truncation } from "../../lib/index.js";
import { softmaxOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const folder = temporaryFolder();
const architecture = "BertForSequenceClassification";
const NLI = ["contradiction", "neutral", "entailment"];
const LABELS = ["cat", "a dog", "men & $& money"];

describe("classifyZeroShot", () => {
  let model: TaskModel;
  let encoder: Encoder;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture, labels: NLI, std: 0.15 });
    encoder = model.encoder;
  });
  afterAll(() => encoder.dispose());

  const logitsOf = (text: string, pair: string) => {
    const { ids, typeIds } = encoder.tokenizer.encode(text, { pair });
    return model.reference.sequence(ids, typeIds);
  };

  it("scores labels against each other by their entailment", async () => {
    for (const text of ["the cat", "", "it is the man of the dog", ...randomTexts(9, 6, 6)]) {
      const { predictions } = await encoder.classifyZeroShot(text, LABELS);
      const logits = LABELS.map((label) => logitsOf(text, `This example is ${label}.`)[2]!);
      const scores = softmaxOf(logits);
      expect(predictions.map(({ index }) => index)).toEqual(
        [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!),
      );
      for (const { label, index, score } of predictions) {
        expect(label).toBe(LABELS[index]);
        expect(Math.abs(score - scores[index]!)).toBeLessThan(2e-4);
      }
    }
  });

  it("scores each on its own with multiLabel, or when there is one", async () => {
    const options = { hypothesis: "{}: is it {}?", multiLabel: true };
    const { predictions } = await encoder.classifyZeroShot("the cat", LABELS, options);
    for (const { label, index, score } of predictions) {
      const [contradiction, , entailment] = logitsOf("the cat", `${label}: is it ${label}?`);
      expect(Math.abs(score - softmaxOf([contradiction!, entailment!])[1]!)).toBeLessThan(2e-4);
      const alone = await encoder.classifyZeroShot("the cat", [label], { hypothesis: options.hypothesis });
      expect(alone.predictions).toEqual([{ label, index: 0, score }]);
      expect(LABELS[index]).toBe(label);
    }
    expect(predictions.reduce((sum, { score }) => sum + score, 0)).not.toBeCloseTo(1, 3);
  });

  it("takes many texts and many labels, each text as alone", async () => {
    const texts = randomTexts(10, 60, 6);
    const labels = Array.from({ length: 9 }, (_, i) => `the ${i}`);
    const progress: Progress[] = [];
    const many = await encoder.classifyZeroShot(texts, labels, { onProgress: (each) => progress.push(each) });
    expect(many).toHaveLength(60);
    for (const i of [0, 28, 29, 59]) {
      expect(many[i]).toEqual(await encoder.classifyZeroShot(texts[i]!, labels));
    }
    expect(progress.at(-1)).toEqual({ done: 60, total: 60 });
    expect(await encoder.classifyZeroShot([], labels)).toEqual([]);
  });

  it("cuts the text and never the hypothesis, and tells so once", async () => {
    const text = "the cat ".repeat(80);
    const reports: Truncation[] = [];
    const cut = await encoder.classifyZeroShot(["a", text], ["cat", "dog"], {
      truncate: true,
      hypothesis: "it is {}",
      onTruncate: (each) => reports.push(each),
    });
    expect(reports).toEqual([{ index: 1, length: 166, limit: 128 }]);
    const same = await encoder.classifyZeroShot("the cat ".repeat(61), ["cat", "dog"], {
      hypothesis: "it is {}",
    });
    expect(cut[1]).toEqual(same);
    await expect(encoder.classifyZeroShot(["a", text], ["cat"])).rejects.toMatchObject({
      code: "INPUT_TOO_LONG",
      details: { index: 1, limit: 128 },
    });
  });

  it.each([
    ["text", () => encoder.classifyZeroShot(1 as never, ["a"]), "for text but received 1"],
    [
      "labels",
      () => encoder.classifyZeroShot("a", "b" as never),
      "Expected an array of one label or more for labels",
    ],
    [
      "no labels",
      () => encoder.classifyZeroShot("a", []),
      "Expected an array of one label or more for labels",
    ],
    ["label", () => encoder.classifyZeroShot("a", ["b", ""]), "a string that is not empty for labels[1]"],
    [
      "hypothesis",
      () => encoder.classifyZeroShot("a", ["b"], { hypothesis: "no place" }),
      "with {} for the label",
    ],
    [
      "multiLabel",
      () => encoder.classifyZeroShot("a", ["b"], { multiLabel: "no" as never }),
      "for multiLabel",
    ],
    [
      "option",
      () => encoder.classifyZeroShot("a", ["b"], { multilabel: true } as never),
      "Did you mean multiLabel?",
    ],
  ])("refuses a wrong %s", async (_, call, message) => {
    await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call()).rejects.toThrow(message);
  });
});

describe("labels of inference models", () => {
  const score = async (labels: string[], of: (text: string, model: TaskModel) => number) => {
    const model = await taskModel(folder, { architecture, labels, seed: 5, std: 0.15 });
    const { encoder } = model;
    const { predictions } = await encoder.classifyZeroShot("the cat", ["dog"]);
    expect(Math.abs(predictions[0]!.score - of("This example is dog.", model))).toBeLessThan(2e-4);
    await encoder.dispose();
  };

  it.each([
    [["ENTAILMENT", "NEUTRAL", "CONTRADICTION"], 0, 2],
    [["neutral", "entailment", "contradiction"], 1, 2],
    [["entailment", "not_entailment"], 0, 1],
    [["no", "perhaps", "entail"], 2, 0],
    [["entailed", "perhaps", "no"], 0, 2],
  ])("%j: entailment is number %i, contradiction %i", async (labels, entailment, contradiction) => {
    await score(labels, (pair, { encoder, reference }) => {
      const { ids, typeIds } = encoder.tokenizer.encode("the cat", { pair });
      const logits = reference.sequence(ids, typeIds);
      return softmaxOf([logits[contradiction]!, logits[entailment]!])[1]!;
    });
  });

  it("without entailment are refused by name, as is a model without a classifier", async () => {
    const { encoder } = await taskModel(folder, { architecture, labels: ["good", "bad"] });
    await expect(encoder.classifyZeroShot("a", ["b"])).rejects.toThrow(
      "no label for entailment among good, bad",
    );
    await expect(encoder.classifyZeroShot("a", ["b"])).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await encoder.dispose();
    const bert = await Encoder.load("mini-bert", { threads: 1 });
    await expect(bert.classifyZeroShot("a", ["b"])).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await bert.dispose();
  });
});
