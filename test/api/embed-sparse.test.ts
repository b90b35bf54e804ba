import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  convert,
  Encoder,
  inspect,
  sparseSimilarity,
  UnsupportedError,
  type Progress,
} from "../../lib/index.js";
import { bertWeights } from "../golden/checkpoints.js";
import { bertCases } from "../golden/inputs.js";
import { bertEncoder, bertMaskedTokens } from "../reference/bert.js";
import { checkpointFolder, goldenArrays, hasGolden, maxDifference } from "../support/golden.js";
import { writeRandomBert } from "../support/random-models.js";
import { taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const SEED = 3_402;
const folder = temporaryFolder();

/** SPLADE in double precision, from the logits of each token: weights of the whole vocabulary. */
function spladeOf(logits: readonly Float64Array[], pooling: "max" | "sum", twice = false): Float64Array {
  return logits[0]!.map((_, v) => {
    const weights = logits.map((row) => Math.log1p(Math.max(0, row[v]!)));
    const outer = twice ? weights.map((weight) => Math.log1p(weight)) : weights;
    return pooling === "max" ? Math.max(...outer) : outer.reduce((a, b) => a + b, 0);
  });
}

function dense({ indices, values }: { indices: Int32Array; values: Float32Array }, V: number): Float64Array {
  const all = new Float64Array(V);
  for (const [at, v] of indices.entries()) all[v] = values[at]!;
  return all;
}

describe("embedSparse", () => {
  let model: TaskModel;
  beforeAll(async () => {
    model = await taskModel(folder, { architecture: "BertForMaskedLM" });
  });
  afterAll(() => model.encoder.dispose());

  it("pools the logits of all tokens, special ones included, as the reference does", async () => {
    const { encoder, reference } = model;
    const V = encoder.info.vocabSize;
    for (const text of ["", ...randomTexts(SEED, 6)]) {
      const { ids } = encoder.tokenizer.encode(text);
      const logits = Array.from(ids, (_, position) => reference.masked(ids, position));
      for (const pooling of ["max", "sum"] as const) {
        for (const activation of ["relu", "log1p_relu"] as const) {
          const embedding = await encoder.embedSparse(text, { pooling, activation });
          const expected = spladeOf(logits, pooling, activation === "log1p_relu");
          expect(maxDifference(dense(embedding, V), expected)).toBeLessThan(2e-4);
          expect(embedding.tokens).toEqual(
            Array.from(embedding.indices, (id) => encoder.tokenizer.idToToken(id)),
          );
          expect(embedding.indices).toEqual(embedding.indices.toSorted());
          expect(embedding.values.every((value) => value > 0)).toBe(true);
        }
      }
    }
  });

  it("gives a text the same bits alone, in any batch and with more threads, and tells its progress", async () => {
    const texts = randomTexts(SEED + 1, 400);
    const progress: Progress[] = [];
    const truncate = true;
    const many = await model.encoder.embedSparse(texts, {
      truncate,
      onProgress: (each) => progress.push(each),
    });
    expect(progress.at(-1)).toEqual({ done: 400, total: 400 });
    await using threaded = await Encoder.load(model.path, { threads: 2 });
    for (const i of [0, 1, 77, 399]) {
      expect(await model.encoder.embedSparse(texts[i]!, { truncate })).toEqual(many[i]);
      expect(await threaded.embedSparse(texts[i]!, { truncate })).toEqual(many[i]);
    }
    expect(await model.encoder.embedSparse([])).toEqual([]);
  });

  it("keeps the heaviest, or what is above a threshold, and puts a prompt before the text", async () => {
    const { encoder } = model;
    const [text] = randomTexts(SEED + 2, 1) as [string];
    const all = await encoder.embedSparse(text);
    const sorted = all.values.toSorted().toReversed();
    const five = await encoder.embedSparse(text, { topK: 5 });
    expect(five.values.toSorted().toReversed()).toEqual(sorted.slice(0, 5));
    const heavy = await encoder.embedSparse(text, { threshold: sorted[9]! });
    expect(heavy.values.toSorted().toReversed()).toEqual(sorted.slice(0, 9));
    expect(await encoder.embedSparse(text, { prompt: "query: " })).toEqual(
      await encoder.embedSparse(`query: ${text}`),
    );
  });

  it("aborts", async () => {
    const controller = new AbortController();
    const texts = randomTexts(SEED + 3, 3000);
    const result = model.encoder.embedSparse(texts, {
      truncate: true,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(result).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("refuses wrong options, long texts, and models without the head", async () => {
    const { encoder } = model;
    const wrong = [{ pooling: "mean" }, { activation: "gelu" }, { topK: 0 }, { threshold: -1 }];
    for (const options of wrong) {
      await expect(encoder.embedSparse("a", options as never)).rejects.toThrow(Object.keys(options)[0]!);
    }
    await expect(encoder.embedSparse("the ".repeat(500))).rejects.toMatchObject({ code: "INPUT_TOO_LONG" });
    await using other = await Encoder.load("mini-embed");
    await expect(other.embedSparse("a")).rejects.toThrow(UnsupportedError);
  });
});

describe.skipIf(!hasGolden)("embedSparse of mini-bert", () => {
  it("is what its logits in double precision give, and these are the recorded ones", async () => {
    const dir = checkpointFolder("mini-bert");
    const path = join(folder, "mini-bert-f32.gguf");
    await convert(dir, path, { type: "F32" });
    await using encoder = await Encoder.load(path);
    const weights = bertWeights(dir);
    const shape = { H: 256, A: 4, L: 4, epsilon: 1e-12, activation: "gelu" as const };
    const golden = goldenArrays("mini-bert");
    const V = encoder.info.vocabSize;
    const cases = [...bertCases.entries()].filter(
      ([, { text, mask_position: mask }]) => typeof text === "string" && mask !== undefined,
    );
    expect(cases.length).toBeGreaterThan(0);
    for (const [i, { text, input_ids: ids, mask_position: mask }] of cases.slice(0, 3)) {
      const { last } = bertEncoder(weights, shape, ids);
      const logits = ids.map((_, position) => bertMaskedTokens(weights, shape, last, [position]));
      expect(maxDifference(logits[mask!]!, goldenArray(golden, `${i}.mlm_logits`))).toBeLessThan(1e-5);
      for (const pooling of ["max", "sum"] as const) {
        const embedding = await encoder.embedSparse(text as string, { pooling });
        expect(maxDifference(dense(embedding, V), spladeOf(logits, pooling))).toBeLessThan(2e-4);
      }
    }
  });
});

function goldenArray(arrays: ReturnType<typeof goldenArrays>, name: string): Float32Array {
  const array = arrays.get(name);
  if (!array) throw new Error(`${name} is not recorded`);
  return array.data;
}

describe("sparseSimilarity", () => {
  const vector = (entries: Record<number, number>) => ({
    indices: Int32Array.from(Object.keys(entries), Number),
    values: Float32Array.from(Object.values(entries)),
  });

  it("is the dot product over the tokens that both have", () => {
    const a = vector({ 1: 2, 5: 0.5, 9: 4 });
    expect(sparseSimilarity(a, vector({ 0: 3, 5: 8, 9: 0.25, 12: 7 }))).toBe(4 + 1);
    expect(sparseSimilarity(a, vector({}))).toBe(0);
    expect(sparseSimilarity(a, a)).toBe(4 + 0.25 + 16);
  });

  it("refuses what is no sparse vector", () => {
    const good = vector({ 1: 2 });
    const short = { indices: Int32Array.of(1, 2), values: Float32Array.of(1) };
    const unsorted = { indices: Int32Array.of(2, 1), values: Float32Array.of(1, 1) };
    expect(() => sparseSimilarity(short, good)).toThrow("for a");
    expect(() => sparseSimilarity(good, unsorted)).toThrow("ascending indices for b.indices");
    expect(() => sparseSimilarity(good, Float32Array.of(1) as never)).toThrow("for b");
  });
});

describe("a folder of sentence-transformers' SparseEncoder", () => {
  async function writeSplade(name: string, kinds: string[], pooling: object): Promise<string> {
    const dir = join(folder, name);
    await writeRandomBert(dir, { architecture: "BertForMaskedLM" });
    const types = ["sentence_transformers.sparse_encoder.models.", "sentence_transformers.models."];
    const modules = kinds.map((kind, idx) => ({
      idx,
      name: `${idx}`,
      path: idx === 0 ? "" : `${idx}_${kind}`,
      type: types[idx % 2] + kind,
    }));
    await mkdir(join(dir, "1_SpladePooling"), { recursive: true });
    await writeFile(join(dir, "modules.json"), JSON.stringify(modules));
    await writeFile(join(dir, "1_SpladePooling", "config.json"), JSON.stringify(pooling));
    await writeFile(join(dir, "sentence_bert_config.json"), '{ "max_seq_length": 64 }');
    return dir;
  }

  it.each([
    ["MLMTransformer", { pooling_strategy: "sum", activation_function: "log1p_relu" }, "sum", "log1p_relu"],
    ["Transformer", { pooling_strategy: "max", word_embedding_dimension: 400 }, "max", "relu"],
    ["MLMTransformer", {}, "max", "relu"],
  ])("with %s and %j sets the defaults", async (kind, config, pooling, activation) => {
    const dir = await writeSplade(`splade-${kind}-${pooling}`, [kind, "SpladePooling"], config);
    await convert(dir, `${dir}.gguf`);
    await using encoder = await Encoder.load(`${dir}.gguf`);
    expect(encoder.info).toMatchObject({
      sparsePooling: pooling,
      sparseActivation: activation,
      maxLength: 64,
    });
    expect((await inspect(`${dir}.gguf`)).tasks).toContain("embed-sparse");
    const text = "the ship sails";
    expect(await encoder.embedSparse(text)).toEqual(
      await encoder.embedSparse(text, { pooling, activation } as never),
    );
  });

  it("is refused with what is not computed", async () => {
    const kinds = ["MLMTransformer", "SpladePooling"];
    const unknown = await writeSplade("splade-unknown", kinds, { activation_function: "softplus" });
    await expect(convert(unknown, `${unknown}.gguf`)).rejects.toThrow('activation_function "softplus"');
    const pooling = await writeSplade("splade-mean", kinds, { pooling_strategy: "mean" });
    await expect(convert(pooling, `${pooling}.gguf`)).rejects.toThrow('pooling_strategy "mean"');
    const more = await writeSplade("splade-more", [...kinds, "Normalize"], {});
    await expect(convert(more, `${more}.gguf`)).rejects.toThrow("the modules");
  });
});
