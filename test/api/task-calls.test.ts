/** What every task does alike: batches, hostile texts, progress, abort, wrong arguments, a model that is gone. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AbortError, convert, DisposedError, Encoder, InvalidArgumentError } from "../../lib/index.js";
import type { Progress } from "../../lib/index.js";
import type { BertArchitecture } from "../support/random-models.js";
import { writeRandomEncoder } from "../support/random-encoders.js";
import { taskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const folder = temporaryFolder();
const SEED = 60_714;
type Options = Record<string, unknown> | undefined;

interface Task {
  model: BertArchitecture | "ElectraForPreTraining";
  labels?: string[];
  /** An input that is made of a text. */
  input?(text: string): unknown;
  one(encoder: Encoder, input: never, options: Options): Promise<unknown>;
  many(encoder: Encoder, inputs: never[], options: Options): Promise<unknown[]>;
}

const CONTEXT = "the cat and the man";
const TASKS: Record<string, Task> = {
  embed: {
    model: "BertModel",
    one: (encoder, text, options) => encoder.embed(text, options),
    many: (encoder, texts, options) => encoder.embed(texts, options),
  },
  embedTokens: {
    model: "BertModel",
    one: (encoder, text, options) => encoder.embedTokens(text, options),
    many: (encoder, texts, options) => encoder.embedTokens(texts, options),
  },
  embedWindows: {
    model: "BertModel",
    one: (encoder, text, options) => encoder.embedWindows(text, options),
    many: (encoder, texts, options) => encoder.embedWindows(texts, options),
  },
  embedSparse: {
    model: "BertForMaskedLM",
    one: (encoder, text, options) => encoder.embedSparse(text, options),
    many: (encoder, texts, options) => encoder.embedSparse(texts, options),
  },
  encode: {
    model: "BertModel",
    one: (encoder, text, options) => encoder.encode(text, options),
    many: (encoder, texts, options) => encoder.encode(texts, options),
  },
  fillMask: {
    model: "BertForMaskedLM",
    input: (text) => `[MASK] ${text} [MASK]`,
    one: (encoder, text, options) => encoder.fillMask(text, options),
    many: (encoder, texts, options) => encoder.fillMask(texts, options),
  },
  nextSentence: {
    model: "BertForNextSentencePrediction",
    input: (text) => [CONTEXT, text],
    one: async (encoder, pair, options) => (await encoder.nextSentence([pair], options))[0],
    many: (encoder, pairs, options) => encoder.nextSentence(pairs, options),
  },
  pseudoLogLikelihood: {
    model: "BertForMaskedLM",
    one: (encoder, text, options) => encoder.pseudoLogLikelihood(text, options),
    many: (encoder, texts, options) => encoder.pseudoLogLikelihood(texts, options),
  },
  biasProbe: {
    model: "BertForMaskedLM",
    input: (text) => [`${CONTEXT} ${text}`, `the dog and the man ${text}`],
    one: async (encoder, pair, options) => (await encoder.biasProbe([pair], options)).pairs[0],
    many: async (encoder, pairs, options) =>
      Array.isArray(pairs) && pairs.length === 0 ? [] : [...(await encoder.biasProbe(pairs, options)).pairs],
  },
  classify: {
    model: "BertForSequenceClassification",
    input: (text) => ({ text: CONTEXT, pair: text }),
    one: (encoder, input, options) => encoder.classify(input, options),
    many: (encoder, inputs, options) => encoder.classify(inputs, options),
  },
  classifyZeroShot: {
    model: "BertForSequenceClassification",
    labels: ["contradiction", "neutral", "entailment"],
    one: (encoder, text, options) => encoder.classifyZeroShot(text, ["cat", "dog"], options),
    many: (encoder, texts, options) => encoder.classifyZeroShot(texts, ["cat", "dog"], options),
  },
  rerank: {
    model: "BertForSequenceClassification",
    labels: ["relevance"],
    one: async (encoder, text, options) => (await encoder.rerank(CONTEXT, [text], options))[0]!.score,
    many: async (encoder, texts, options) =>
      (await encoder.rerank(CONTEXT, texts, options))
        .toSorted((a, b) => a.index - b.index)
        .map(({ score }) => score),
  },
  recognizeEntities: {
    model: "BertForTokenClassification",
    labels: ["O", "B-PER", "I-PER"],
    one: (encoder, text, options) => encoder.recognizeEntities(text, options),
    many: (encoder, texts, options) => encoder.recognizeEntities(texts, options),
  },
  answer: {
    model: "BertForQuestionAnswering",
    input: (text) => ({ question: "is it the cat?", context: text }),
    one: (encoder, input, options) => encoder.answer(input, options),
    many: (encoder, inputs, options) => encoder.answer(inputs, options),
  },
  detectReplaced: {
    model: "ElectraForPreTraining",
    one: (encoder, text, options) => encoder.detectReplaced(text, options),
    many: (encoder, texts, options) => encoder.detectReplaced(texts, options),
  },
};

/** Texts that have broken tokenizers and offsets elsewhere; duplicates among them. */
const HOSTILE = [
  "",
  "   \n\t",
  "[SEP]",
  "[CLS] [SEP] [PAD]",
  "\ud83d",
  "\u0000\ufeff\u200b",
  "\u{1f642}\u{1f468}‍\u{1f469}‍\u{1f467} the cat \u{1d518}",
  "cafe\u0301 de\u0301ja\u0300 \u0301\u0301",
  "한국어 हिन्दी 東京 שלום",
  "the cat",
  "the cat",
];

async function load({ model, labels }: Task): Promise<Encoder> {
  if (model !== "ElectraForPreTraining") {
    return (await taskModel(folder, { architecture: model, ...(labels && { labels }) })).encoder;
  }
  const dir = join(folder, model);
  await writeRandomEncoder(dir, { family: "electra", architecture: model, positions: 128 });
  await convert(dir, `${dir}.gguf`, { type: "F32" });
  return Encoder.load(`${dir}.gguf`, { threads: 1 });
}

describe.each(Object.entries(TASKS))("%s", (_, task) => {
  const { input = (text: string): unknown => text } = task;
  const inputs = (texts: readonly string[]) => texts.map((text) => input(text)) as never[];
  let encoder: Encoder;
  beforeAll(async () => {
    encoder = await load(task);
  });
  afterAll(() => encoder.dispose());

  it("gives hostile texts the same alone and together", async () => {
    const together = await task.many(encoder, inputs(HOSTILE), undefined);
    expect(together).toHaveLength(HOSTILE.length);
    for (const [i, text] of HOSTILE.entries()) {
      const alone = await task.one(encoder, input(text) as never, undefined);
      expect(alone, JSON.stringify(text)).toEqual(together[i]);
    }
    expect(JSON.stringify(together)).not.toMatch(/null/); // which is what becomes of NaN and infinity
  });

  it("returns nothing for nothing", async () => {
    expect(await task.many(encoder, [], undefined)).toEqual([]);
  });

  it(`tells its progress to the end (seed ${SEED})`, async () => {
    const texts = randomTexts(SEED, 300, 6);
    const told: Progress[] = [];
    await task.many(encoder, inputs(texts), { onProgress: (progress: Progress) => told.push(progress) });
    expect(told.at(-1)).toEqual({ done: 300, total: 300 });
    for (const [i, { done, total }] of told.entries()) {
      expect(total).toBe(300);
      expect(done).toBeGreaterThanOrEqual(i === 0 ? 0 : told[i - 1]!.done);
    }
  });

  it("aborts before and in the middle, and goes on afterwards", async () => {
    const texts = randomTexts(SEED, 600, 6);
    const gone = task.many(encoder, inputs(texts), { signal: AbortSignal.abort() });
    await expect(gone).rejects.toThrow(AbortError);
    const abort = new AbortController();
    let done = 0;
    const running = task.many(encoder, inputs(texts), {
      signal: abort.signal,
      onProgress: (progress: Progress) => {
        done = progress.done;
        abort.abort(new Error("enough"));
      },
    });
    await expect(running).rejects.toThrow(AbortError);
    expect(done).toBeLessThan(600);
    expect(await task.many(encoder, inputs(["the cat"]), undefined)).toHaveLength(1);
  });

  it("refuses what is no input and no option, by name", async () => {
    const wrong: [unknown, Options][] = [
      [null, undefined],
      [5, undefined],
      [{}, undefined],
      [[5], undefined],
      [[null], undefined],
      [Array.from({ length: 2 }), undefined],
      [new Map(), undefined],
      [inputs(["the cat"]), "fast" as never],
      [inputs(["the cat"]), { batchSize: 8 }],
      [inputs(["the cat"]), { maxLength: 1 }],
      [inputs(["the cat"]), { signal: true }],
      [inputs(["the cat"]), { onProgress: "yes" }],
    ];
    for (const [value, options] of wrong) {
      const call = task.many(encoder, value as never[], options);
      await expect(call, JSON.stringify([value, options])).rejects.toThrow(InvalidArgumentError);
    }
  });

  it("rejects once the model is gone", async () => {
    const other = await load(task);
    await other.dispose();
    await expect(task.many(other, inputs(["the cat"]), undefined)).rejects.toThrow(DisposedError);
  });
});
