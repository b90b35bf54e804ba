import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Encoder,
  InputTooLongError,
  InvalidArgumentError,
  type Progress,
  type Truncation,
} from "../../lib/index.js";
import { ggufWeights } from "../golden/checkpoints.js";
import { bertEncoder, bertPooler, bertSequenceLabels } from "../reference/bert.js";
import { buildGguf } from "../support/gguf-bytes.js";
import { gaussian, integer, random } from "../support/random.js";
import { sigmoidOf, taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";
import { tinyBert, withKey } from "../support/tiny-gguf.js";

const TOLERANCE = 2e-4;
const folder = temporaryFolder();
const architecture = "BertForSequenceClassification";
const QUERY = "is it the cat?";
const SEED = 4_711;

/** Words that are one token each, so that lengths can be told. */
function words(count: number, seed: number): string {
  const next = random(seed);
  const list = ["the", "of", "and", "to", "in", "is", "it", "cat", "dog", "man"];
  return Array.from({ length: count }, () => list[integer(next, list.length)]!).join(" ");
}

describe("rerank", () => {
  let model: TaskModel;
  let encoder: Encoder;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture, labels: 1, positions: 64 });
    encoder = model.encoder;
  });
  afterAll(() => encoder.dispose());

  /** The logit of the pair as BERT takes it: [CLS] query [SEP] document [SEP], segments 0 and 1. */
  const reference = (query: readonly number[], document: readonly number[]) => {
    const { cls, sep } = encoder.tokenizer.specialIds;
    const first = [cls!, ...query, sep!];
    const ids = [...first, ...document, sep!];
    return model.reference.sequence(
      ids,
      ids.map((_, i) => (i < first.length ? 0 : 1)),
    )[0]!;
  };
  const idsOf = (text: string) => [...encoder.tokenizer.encode(text, { addSpecialTokens: false }).ids];

  it(`orders documents by the reference's scores, ties by their place (seed ${SEED})`, async () => {
    const documents = [...randomTexts(SEED, 20, 6), "the cat", "", "the cat"];
    const ranked = await encoder.rerank(QUERY, documents);
    const expected = documents.map((each) => sigmoidOf(reference(idsOf(QUERY), idsOf(each))));
    expect(ranked.map(({ index }) => index).sort((a, b) => a - b)).toEqual([...documents.keys()]);
    for (const { index, score } of ranked) expect(Math.abs(score - expected[index]!)).toBeLessThan(TOLERANCE);
    for (const [i, { index, score }] of ranked.slice(1).entries()) {
      const before = ranked[i]!;
      expect(score < before.score || (score === before.score && index > before.index)).toBe(true);
    }
    expect(new Set(expected.map((score) => score.toFixed(3))).size).toBeGreaterThan(10);
  });

  it("gives logits with none, in the same order, and the best with topK", async () => {
    const documents = randomTexts(8, 10, 6);
    const scores = await encoder.rerank(QUERY, documents);
    const logits = await encoder.rerank(QUERY, documents, { activation: "none" });
    expect(scores).toEqual(logits.map(({ index, score }) => ({ index, score: sigmoidOf(score) })));
    expect(await encoder.rerank(QUERY, documents, { topK: 3 })).toEqual(scores.slice(0, 3));
    expect(await encoder.rerank(QUERY, [])).toEqual([]);
  });

  it("scores a document that is too long by its best window, each with its closing [SEP]", async () => {
    const documents = [words(150, 1), "the cat", words(51, 2), words(57, 3)];
    const query = idsOf(QUERY);
    expect(query).toHaveLength(5);
    // 64 positions less three special tokens and the query leave 56; a quarter of 61 is shared.
    const windows = (ids: number[], stride: number) => {
      const all: number[][] = [];
      for (let from = 0; ; from += 56 - stride) {
        all.push(ids.slice(from, from + 56));
        if (from + 56 >= ids.length) return all;
      }
    };
    for (const [options, stride] of [
      [{}, 15],
      [{ stride: 0 }, 0],
      [{ stride: 40 }, 40],
    ] as const) {
      const ranked = await encoder.rerank(QUERY, documents, { ...options, activation: "none" });
      for (const { index, score } of ranked) {
        const all = windows(idsOf(documents[index]!), stride);
        expect(all.length).toBeGreaterThan(index === 0 ? 2 : 0);
        const expected = Math.max(...all.map((window) => reference(query, window)));
        expect(Math.abs(score - expected)).toBeLessThan(TOLERANCE);
      }
    }
  });

  it("cuts long documents when asked to, and says which", async () => {
    const documents = ["the cat", words(150, 1)];
    const reports: Truncation[] = [];
    const options = { overflow: "truncate", onTruncate: (each: Truncation) => reports.push(each) } as const;
    const ranked = await encoder.rerank(QUERY, documents, { ...options, activation: "none" });
    expect(reports).toEqual([{ index: 1, length: 158, limit: 64 }]);
    const expected = reference(idsOf(QUERY), idsOf(documents[1]!).slice(0, 56));
    expect(Math.abs(ranked.find(({ index }) => index === 1)!.score - expected)).toBeLessThan(TOLERANCE);
    await expect(encoder.rerank(QUERY, documents, { overflow: "refuse" })).rejects.toMatchObject({
      code: "INPUT_TOO_LONG",
      details: { index: 1, length: 158, limit: 64 },
    });
  });

  it("refuses a query that leaves no room", async () => {
    const call = encoder.rerank(words(70, 9), ["the cat"]);
    await expect(call).rejects.toBeInstanceOf(InputTooLongError);
    await expect(call).rejects.toMatchObject({ details: { index: 0, limit: 64 } });
  });

  it("ranks thousands in shared batches, each as alone, with progress and abort", async () => {
    const documents = randomTexts(12, 2000, 5);
    const progress: Progress[] = [];
    const ranked = await encoder.rerank(QUERY, documents, { onProgress: (each) => progress.push(each) });
    expect(progress.at(-1)).toEqual({ done: 2000, total: 2000 });
    expect(progress.length).toBeGreaterThan(5);
    expect(progress.every(({ done }, i) => i === 0 || done > progress[i - 1]!.done)).toBe(true);
    for (const { index, score } of [ranked[0]!, ranked[999]!, ranked.at(-1)!]) {
      expect(await encoder.rerank(QUERY, [documents[index]!])).toEqual([{ index: 0, score }]);
    }
    const stop = new AbortController();
    const call = encoder.rerank(QUERY, documents, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(call).rejects.toMatchObject({ code: "ABORTED" });
  });

  it.each([
    ["query", () => encoder.rerank(1 as never, ["a"]), "Expected a string for query but received 1"],
    ["documents", () => encoder.rerank("a", "b" as never), "Expected an array of strings for documents"],
    ["document", () => encoder.rerank("a", ["b", null] as never), "Expected a string for documents[1]"],
    ["activation", () => encoder.rerank("a", [], { activation: "softmax" as never }), "for activation"],
    [
      "overflow",
      () => encoder.rerank("a", [], { overflow: "cut" as never }),
      'for overflow but received "cut"',
    ],
    ["stride", () => encoder.rerank("a", ["b"], { stride: 62 }), "for stride but received 62"],
    [
      "truncate",
      () => encoder.rerank("a", [], { truncate: true } as never),
      "Unknown option truncate of rerank",
    ],
  ])("refuses a wrong %s", async (_, call, message) => {
    await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call()).rejects.toThrow(message);
  });
});

describe("the scores of a cross-encoder", () => {
  const score = async (config: Record<string, unknown>, options = {}) => {
    const { encoder } = await taskModel(folder, { architecture, labels: 1, config });
    try {
      const [raw] = await encoder.rerank(QUERY, ["the cat"], { activation: "none" });
      const [own] = await encoder.rerank(QUERY, ["the cat"], options);
      return [raw!.score, own!.score] as const;
    } finally {
      await encoder.dispose();
    }
  };

  it.each([
    { sbert_ce_default_activation_function: "torch.nn.modules.linear.Identity" },
    { sentence_transformers: { activation_fn: "torch.nn.modules.linear.Identity", version: "5.0.0" } },
  ])("are logits where %j", async (config) => {
    const [raw, own] = await score(config);
    expect(own).toBe(raw);
  });

  it("are sigmoids where the configuration says so, or nothing", async () => {
    for (const config of [
      {},
      { sbert_ce_default_activation_function: "torch.nn.modules.activation.Sigmoid" },
    ]) {
      const [raw, own] = await score(config);
      expect(own).toBe(sigmoidOf(raw));
    }
  });

  it("are refused where it names another function, unless one is chosen", async () => {
    const config = { sbert_ce_default_activation_function: "torch.nn.modules.activation.GELU" };
    await expect(score(config)).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await expect(score(config, { activation: "none" })).resolves.toHaveLength(2);
  });
});

describe("a model that does not rerank", () => {
  it("is refused by name", async () => {
    const { encoder } = await taskModel(folder, { architecture, labels: 3 });
    await expect(encoder.rerank("a", ["b"])).rejects.toThrow(
      "a classifier of 3 labels, and rerank needs one",
    );
    await encoder.dispose();
    const bert = await Encoder.load("mini-bert", { threads: 1 });
    await expect(bert.rerank("a", ["b"])).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await bert.dispose();
  });
});

describe("a reranker in a GGUF file as llama.cpp has them", () => {
  it("is read with its dense layer and its output, without keys of our own", async () => {
    const ours = /^(sentence_transformers|huggingface)|hidden_activation|output_labels/;
    const heads = /^(mlm|nsp|qa)|^cls\.output/;
    const tiny = tinyBert();
    const next = gaussian(random(SEED));
    const shapes = [
      ...tiny.tensors.filter(({ name }) => !heads.test(name) && name !== "position_embd.weight"),
      { name: "position_embd.weight", shape: [8, 16] },
      { name: "cls.output.weight", shape: [8, 1] },
      { name: "cls.output.bias", shape: [1] },
    ];
    const tensors = shapes.map(({ name, shape }) => {
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next());
      return { name, shape, data: new Uint8Array(values.buffer) };
    });
    const kept = { metadata: tiny.metadata.filter(([key]) => !ours.test(key)), tensors };
    const path = join(folder, "llama.gguf");
    writeFileSync(path, buildGguf(withKey(kept, "bert.context_length", { type: "u32", value: 16 })).bytes);

    const encoder = await Encoder.load(path, { threads: 1 });
    const [{ score } = { score: Number.NaN }] = await encoder.rerank("a", ["a a"], { activation: "none" });
    const { ids, typeIds } = encoder.tokenizer.encode("a", { pair: "a a" });
    expect([...ids]).toEqual([2, 5, 3, 5, 5, 3]);
    const weights = await ggufWeights(path);
    const shape = { H: 8, A: 2, L: 1, epsilon: 1e-12, activation: "gelu" } as const;
    const { last } = bertEncoder(weights, shape, ids, typeIds);
    const [expected] = bertSequenceLabels(weights, bertPooler(weights, 8, last));
    expect(Math.abs(score - expected!)).toBeLessThan(TOLERANCE);
    await encoder.dispose();
  });
});
