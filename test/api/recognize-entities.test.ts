import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Encoder,
  InvalidArgumentError,
  type Entity,
  type EntityAggregation,
  type Truncation,
} from "../../lib/index.js";
import { EntityGrouper } from "../../lib/tasks/entity-groups.js";
import { entityPipeline, type Found, type Token } from "../reference/entity-pipeline.js";
import { integer, random } from "../support/random.js";
import { softmaxOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const folder = temporaryFolder();
const architecture = "BertForTokenClassification";
const IOB = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];
const AGGREGATIONS: EntityAggregation[] = ["none", "simple", "first", "average", "max"];
const SEED = 90_210;

describe("recognizeEntities", () => {
  let model: TaskModel;
  let encoder: Encoder;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture, labels: IOB, positions: 64, std: 0.2 });
    encoder = model.encoder;
  });
  afterAll(() => encoder.dispose());

  /** Its tokens with the reference's scores; `rows` are logits, [S, labels], of all tokens. */
  function tokensOf(text: string, rows?: Float64Array[]): Token[] {
    const { ids, offsets, tokens } = encoder.tokenizer.encode(text);
    const logits = rows ? undefined : model.reference.tokens(ids);
    return Array.from({ length: ids.length - 2 }, (_, i) => {
      const at = i + 1;
      const row = rows ? rows[i]! : logits!.subarray(at * IOB.length, (at + 1) * IOB.length);
      return {
        start: offsets[2 * at]!,
        end: offsets[2 * at + 1]!,
        isSubword: tokens[at]!.startsWith("##"),
        scores: softmaxOf(row),
      };
    });
  }

  function expectSame(actual: readonly Entity[], expected: readonly Found[], text: string): void {
    expect(
      actual.map(({ label, start, end }) => ({ label, start, end })),
      text,
    ).toEqual(expected.map(({ label, start, end }) => ({ label, start, end })));
    for (const [i, entity] of actual.entries()) {
      expect(Math.abs(entity.score - expected[i]!.score)).toBeLessThan(2e-4);
      expect(entity.text).toBe(text.slice(entity.start, entity.end));
    }
  }

  it.each(AGGREGATIONS)(
    `%s: as the pipeline over the reference's scores (seed ${SEED})`,
    async (aggregation) => {
      const texts = [
        "",
        "the cat, the man and Zürich 🙂 dog",
        "日本 cafés",
        ...randomTexts(SEED, 30, 7),
      ].filter((text) => encoder.tokenizer.encode(text).length <= 64);
      const found = await encoder.recognizeEntities(texts, { aggregation });
      for (const [i, text] of texts.entries()) {
        expectSame(found[i]!, entityPipeline(tokensOf(text), IOB, aggregation), text);
      }
      expect(found.flat().length).toBeGreaterThan(20);
    },
  );

  it("groups by default as simple does, and returns one array for one text", async () => {
    const text = "the cat, the man and Zürich 🙂 dog";
    const one = await encoder.recognizeEntities(text);
    expect(one).toEqual(await encoder.recognizeEntities(text, { aggregation: "simple" }));
    expect(await encoder.recognizeEntities([text])).toEqual([one]);
    expect(await encoder.recognizeEntities([])).toEqual([]);
  });

  it("leaves out the labels it is told to", async () => {
    const text = "the cat, the man and Zürich 🙂 dog of it in the man";
    const all = await encoder.recognizeEntities(text, { ignoreLabels: [] });
    const covered = all.map(({ text: part }) => part).join("");
    expect(covered.length).toBeGreaterThan(30);
    const without = await encoder.recognizeEntities(text, { ignoreLabels: ["PER"] });
    expect(without).toEqual(all.filter(({ label }) => label !== "PER"));
  });

  it("reads long texts in windows, each token where most of the text is around it", async () => {
    const next = random(SEED);
    const words = ["the", "cat", "of", "unhappily", "man", "Zürich", "dog", "it"];
    const text = Array.from({ length: 160 }, () => words[integer(next, words.length)]).join(" ");
    const { cls, sep } = encoder.tokenizer.specialIds;
    const content = [...encoder.tokenizer.encode(text, { addSpecialTokens: false }).ids];
    for (const [options, stride, size] of [
      [{}, 15, 62],
      [{ stride: 50 }, 50, 62],
      [{ stride: 0 }, 0, 62],
      [{ maxLength: 20, stride: 7 }, 7, 18],
    ] as const) {
      const rows: Float64Array[] = [];
      const margins: number[] = [];
      for (let from = 0; ; from += size - stride) {
        const window = content.slice(from, from + size);
        const isLast = from + size >= content.length;
        const logits = model.reference.tokens([cls!, ...window, sep!]);
        for (let i = 0; i < window.length; i++) {
          const margin = Math.min(from === 0 ? 1e9 : i, isLast ? 1e9 : window.length - 1 - i);
          if (margins[from + i] !== undefined && margins[from + i]! >= margin) continue;
          margins[from + i] = margin;
          rows[from + i] = logits.subarray((i + 1) * IOB.length, (i + 2) * IOB.length);
        }
        if (isLast) break;
      }
      expect(rows).toHaveLength(content.length);
      for (const aggregation of ["simple", "first"] as const) {
        const found = await encoder.recognizeEntities(text, { ...options, aggregation });
        expectSame(found, entityPipeline(tokensOf(text, rows), IOB, aggregation), text);
      }
    }
  });

  it("cuts or refuses long texts when asked to", async () => {
    const text = "the cat ".repeat(60);
    const reports: Truncation[] = [];
    const cut = await encoder.recognizeEntities(["a", text], {
      overflow: "truncate",
      onTruncate: (each) => reports.push(each),
    });
    expect(reports).toEqual([{ index: 1, length: 122, limit: 64 }]);
    expect(cut[1]).toEqual(await encoder.recognizeEntities("the cat ".repeat(31)));
    await expect(encoder.recognizeEntities(["a", text], { overflow: "refuse" })).rejects.toMatchObject({
      code: "INPUT_TOO_LONG",
      details: { index: 1, length: 122, limit: 64 },
    });
  });

  it.each([
    ["text", () => encoder.recognizeEntities(5 as never), "for text but received 5"],
    ["texts", () => encoder.recognizeEntities([{ text: "a" }] as never), "Expected a string for texts[0]"],
    [
      "aggregation",
      () => encoder.recognizeEntities("a", { aggregation: "last" as never }),
      "for aggregation",
    ],
    [
      "ignoreLabels",
      () => encoder.recognizeEntities("a", { ignoreLabels: "O" as never }),
      "for ignoreLabels",
    ],
    [
      "option",
      () => encoder.recognizeEntities("a", { topK: 1 } as never),
      "Unknown option topK of recognizeEntities",
    ],
  ])("refuses a wrong %s", async (_, call, message) => {
    await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call()).rejects.toThrow(message);
  });

  it("needs the head", async () => {
    const bert = await Encoder.load("mini-bert", { threads: 1 });
    await expect(bert.recognizeEntities("a")).rejects.toThrow(
      "has no token classifier, which recognizeEntities needs",
    );
    await expect(bert.recognizeEntities("a")).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { head: "tokenLabels" },
    });
    await bert.dispose();
  });
});

describe("entities from labels", () => {
  /** One token of two letters per label; `##` before a label continues the word. */
  function group(
    labels: readonly string[],
    written: readonly string[],
    aggregation: EntityAggregation = "simple",
  ) {
    const grouper = new EntityGrouper(labels, aggregation);
    for (const [i, entry] of written.entries()) {
      const label = entry.replace("##", "");
      const scores = new Float64Array(labels.length);
      scores[labels.indexOf(label)] = 1;
      grouper.push({ start: 2 * i, end: 2 * i + 2, startsWord: label === entry, scores });
    }
    const spans = grouper.finish().filter(({ label }) => label !== "O");
    return spans.map(({ label, start, end }) => `${label} ${start / 2}-${end / 2}`);
  }

  it("begin at B, and where the kind changes", () => {
    expect(group(IOB, ["B-PER", "I-PER", "O", "B-PER", "B-PER", "I-PER"])).toEqual([
      "PER 0-2",
      "PER 3-4",
      "PER 4-6",
    ]);
    expect(group(IOB, ["B-PER", "I-LOC", "I-PER"])).toEqual(["PER 0-1", "LOC 1-2", "PER 2-3"]);
    expect(group(IOB, ["I-PER", "I-PER", "O", "I-PER"])).toEqual(["PER 0-2", "PER 3-4"]);
    expect(group(["O", "PER"], ["PER", "PER", "O", "PER"])).toEqual(["PER 0-2", "PER 3-4"]);
  });

  it("end at E, and are one token at S, where the labels are IOBES", () => {
    const iobes = ["O", ...["B", "I", "E", "S"].flatMap((position) => [`${position}-A`, `${position}-B`])];
    expect(group(iobes, ["B-A", "I-A", "E-A", "I-A", "S-A", "S-A"])).toEqual([
      "A 0-3",
      "A 3-4",
      "A 4-5",
      "A 5-6",
    ]);
    expect(group(iobes, ["B-A", "E-A", "E-A", "O", "S-B", "B-B", "E-B"])).toEqual([
      "A 0-2",
      "A 2-3",
      "B 4-5",
      "B 5-7",
    ]);
    const bilou = ["O", ...["B", "I", "L", "U"].map((position) => `${position}-A`)];
    expect(group(bilou, ["U-A", "B-A", "L-A", "I-A"])).toEqual(["A 0-1", "A 1-3", "A 3-4"]);
  });

  it("take E and S for names of kinds where the labels are IOB", () => {
    expect(group(["O", "B-A", "I-A", "E-mail"], ["E-mail", "E-mail"])).toEqual(["E-mail 0-2"]);
  });

  it("never split a word, except simple and none", () => {
    const written = ["B-PER", "##I-LOC", "##O", "I-PER"];
    expect(group(IOB, written, "none")).toEqual(["B-PER 0-1", "I-LOC 1-2", "I-PER 3-4"]);
    expect(group(IOB, written, "simple")).toEqual(["PER 0-1", "LOC 1-2", "PER 3-4"]);
    expect(group(IOB, written, "first")).toEqual(["PER 0-4"]);
  });
});
