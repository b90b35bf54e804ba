import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, InvalidArgumentError, type AnswerOptions, type Truncation } from "../../lib/index.js";
import { integer, random } from "../support/random.js";
import { softmaxOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const folder = temporaryFolder();
const architecture = "BertForQuestionAnswering";
const QUESTION = "is it the cat?";
const SEED = 1_819;

interface Span {
  start: number;
  end: number;
  score: number;
}

describe("answer", () => {
  let model: TaskModel;
  let encoder: Encoder;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture, positions: 128, std: 0.25 });
    encoder = model.encoder;
  });
  afterAll(() => encoder.dispose());

  /** The tokens of a text without special ones, with their offsets and whether they go on with a word. */
  function tokensOf(text: string) {
    const { ids, offsets, tokens } = encoder.tokenizer.encode(text, { addSpecialTokens: false });
    return Array.from(ids, (id, i) => ({
      id,
      start: offsets[2 * i]!,
      end: offsets[2 * i + 1]!,
      isSubword: tokens[i]!.startsWith("##"),
    }));
  }
  type Token = ReturnType<typeof tokensOf>[number];

  /** Hugging Face's QuestionAnsweringPipeline over the reference's logits: all spans of one window by score. */
  function windowSpans(question: readonly Token[], context: readonly Token[], options: AnswerOptions) {
    const { maxAnswerLength = 15, alignToWords = true, topK = 1 } = options;
    const { cls, sep } = encoder.tokenizer.specialIds;
    const ids = [cls!, ...question.map(({ id }) => id), sep!, ...context.map(({ id }) => id), sep!];
    const first = question.length + 2;
    const logits = model.reference.answer(
      ids,
      ids.map((_, i) => (i < first ? 0 : 1)),
    );
    const shares = (column: number) =>
      softmaxOf([0, ...context.map((_, i) => first + i)].map((at) => logits[2 * at + column]!));
    const [starts, ends] = [shares(0), shares(1)];
    const spans: { from: number; to: number; score: number }[] = [];
    for (let from = 0; from < context.length; from++) {
      for (let to = from; to < Math.min(from + maxAnswerLength, context.length); to++) {
        spans.push({ from, to, score: starts[from + 1]! * ends[to + 1]! });
      }
    }
    spans.sort((a, b) => b.score - a.score);
    const merged: Span[] = [];
    for (const span of spans.slice(0, alignToWords ? 2 * topK + 10 : topK)) {
      const { score } = span;
      let { from, to } = span;
      while (alignToWords && from > 0 && context[from]!.isSubword) from--;
      while (alignToWords && context[to + 1]?.isSubword) to++;
      const [start, end] = [context[from]!.start, context[to]!.end];
      const same = merged.find((each) => each.start === start && each.end === end);
      if (same) same.score += score;
      else merged.push({ start, end, score });
    }
    return { spans: merged, none: starts[0]! * ends[0]! };
  }

  /** Over all windows, which `size` tokens of context and `stride` make. */
  function pipeline(question: string, context: string, options: AnswerOptions, size = 1e9, stride = 0) {
    const [asked, tokens] = [tokensOf(question), tokensOf(context)];
    const spans: Span[] = [];
    let none = 1;
    for (let from = 0; ; from += size - stride) {
      const window = windowSpans(asked, tokens.slice(from, from + size), options);
      none = Math.min(none, window.none);
      for (const span of window.spans) {
        const same = spans.find(({ start, end }) => start === span.start && end === span.end);
        if (same) same.score = Math.max(same.score, span.score);
        else spans.push(span);
      }
      if (from + size >= tokens.length) break;
    }
    return { spans: spans.sort((a, b) => b.score - a.score).slice(0, options.topK ?? 1), none };
  }

  async function expectPipeline(context: string, options: AnswerOptions, size?: number, stride?: number) {
    const { answers, noAnswerScore } = await encoder.answer({ question: QUESTION, context }, options);
    const { spans, none } = pipeline(QUESTION, context, options, size, stride);
    expect(
      answers.map(({ start, end }) => [start, end]),
      context,
    ).toEqual(spans.map(({ start, end }) => [start, end]));
    for (const [i, { text, score, start, end }] of answers.entries()) {
      expect(text).toBe(context.slice(start, end));
      expect(Math.abs(score - spans[i]!.score)).toBeLessThan(2e-4);
    }
    expect(Math.abs(noAnswerScore - none)).toBeLessThan(2e-4);
  }

  it.each<AnswerOptions>([
    {},
    { topK: 5 },
    { topK: 4, maxAnswerLength: 1 },
    { topK: 3, maxAnswerLength: 4, alignToWords: false },
  ])(`as the pipeline over the reference's logits, %j (seed ${SEED})`, async (options) => {
    const contexts = ["the cat, the man and Zürich 🙂 dog", "cat", ...randomTexts(SEED, 30, 9)].filter(
      (text) => text !== "" && encoder.tokenizer.encode(text).length < 120,
    );
    expect(contexts.length).toBeGreaterThan(15);
    for (const context of contexts) await expectPipeline(context, options);
  });

  it("reads long contexts in windows that overlap", async () => {
    const next = random(SEED);
    const words = ["the", "cat", "of", "unhappily", "man", "Zürich", "dog", "it"];
    const context = Array.from({ length: 120 }, () => words[integer(next, words.length)]).join(" ");
    expect(tokensOf(context).length).toBeGreaterThan(250);
    // 128 positions, less three special tokens and the question's five; half a window is shared.
    await expectPipeline(context, { topK: 6 }, 120, 64);
    await expectPipeline(context, { topK: 6, stride: 16 }, 120, 16);
    await expectPipeline(context, { topK: 6, maxLength: 48, stride: 0 }, 40, 0);
  });

  it("has no answer among the answers when there may be none", async () => {
    for (const context of ["the cat and the man", "dog", "it is in the man of the dog"]) {
      const input = { question: QUESTION, context };
      const plain = await encoder.answer(input, { topK: 50 });
      const { answers, noAnswerScore } = await encoder.answer(input, { topK: 50, noAnswer: true });
      const none = answers.filter(({ text }) => text === "");
      expect(none).toEqual([{ text: "", start: 0, end: 0, score: noAnswerScore }]);
      expect(answers.filter(({ text }) => text !== "")).toEqual(plain.answers);
      const scores = answers.map(({ score }) => score);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    }
  });

  it("finds nothing in an empty context", async () => {
    const empty = { question: QUESTION, context: " " };
    expect((await encoder.answer(empty)).answers).toEqual([]);
    const { answers, noAnswerScore } = await encoder.answer(empty, { noAnswer: true });
    expect(noAnswerScore).toBe(1);
    expect(answers).toEqual([{ text: "", start: 0, end: 0, score: 1 }]);
  });

  it("answers many, each as alone", async () => {
    const inputs = randomTexts(3, 300, 6).map((context, i) => ({ question: `is it ${i}`, context }));
    const many = await encoder.answer(inputs, { topK: 2 });
    for (const i of [0, 1, 255, 256, 299]) {
      expect(many[i]).toEqual(await encoder.answer(inputs[i]!, { topK: 2 }));
    }
    expect(await encoder.answer([])).toEqual([]);
  });

  it("cuts or refuses long contexts when asked to, and questions that leave no room always", async () => {
    const [context, reports] = ["the cat ".repeat(100), [] as Truncation[]];
    const onTruncate = (each: Truncation) => reports.push(each);
    const cut = await encoder.answer({ question: QUESTION, context }, { overflow: "truncate", onTruncate });
    expect(reports).toEqual([{ index: 0, length: 208, limit: 128 }]);
    const same = { question: QUESTION, context: "the cat ".repeat(60) };
    expect(cut).toEqual(await encoder.answer(same));
    await expect(
      encoder.answer([same, { question: QUESTION, context }], { overflow: "refuse" }),
    ).rejects.toMatchObject({ code: "INPUT_TOO_LONG", details: { index: 1, length: 208, limit: 128 } });
    await expect(encoder.answer([same, { question: context, context: "a" }])).rejects.toMatchObject({
      code: "INPUT_TOO_LONG",
      details: { index: 1 },
    });
  });

  it.each([
    ["input", () => encoder.answer("a" as never), "Expected { question, context } for input"],
    ["question", () => encoder.answer({ context: "a" } as never), "Expected a string for input.question"],
    ["context", () => encoder.answer([{ question: "a", context: 1 }] as never), "for inputs[0].context"],
    ["key", () => encoder.answer({ question: "a", contexts: "b" } as never), "only question and context"],
    ["topK", () => encoder.answer({ question: "a", context: "b" }, { topK: 0 }), "for topK but received 0"],
    [
      "maxAnswerLength",
      () => encoder.answer({ question: "a", context: "b" }, { maxAnswerLength: 0 }),
      "for maxAnswerLength but received 0",
    ],
    [
      "noAnswer",
      () => encoder.answer({ question: "a", context: "b" }, { noAnswer: 1 as never }),
      "Expected true or false for noAnswer",
    ],
  ])("refuses a wrong %s", async (_, call, message) => {
    await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call()).rejects.toThrow(message);
  });

  it("needs the head", async () => {
    const bert = await Encoder.load("mini-bert", { threads: 1 });
    const call = bert.answer({ question: "a", context: "b" });
    await expect(call).rejects.toThrow("has no question-answering head, which answer needs");
    await expect(call).rejects.toMatchObject({ code: "UNSUPPORTED", details: { head: "questionAnswering" } });
    await bert.dispose();
  });
});
