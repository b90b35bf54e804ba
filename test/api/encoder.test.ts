import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder, InputTooLongError, type Progress, type Truncation } from "../../lib/index.js";
import { cosine, maxDifference } from "../support/golden.js";
import { writeRandomBert } from "../support/random-models.js";
import { randomTexts } from "../support/texts.js";

const LONG_TEXT = "the whale and the sea ".repeat(60);

describe("embed", () => {
  let encoder: Encoder;
  beforeAll(async () => {
    encoder = await Encoder.load("mini-embed", { threads: 1 });
  });
  afterAll(() => encoder.dispose());

  it("knows its model", () => {
    expect(encoder.info).toMatchObject({
      architecture: "bert",
      contextLength: 512,
      maxLength: 128,
      dimensions: 256,
      pooling: "mean",
      normalize: true,
      prompts: {},
      vocabSize: 30522,
      device: "cpu",
    });
    expect(encoder.memory().mapped + encoder.memory().weights).toBeGreaterThan(1e6);
  });

  it("returns one vector for a text and an array for an array", async () => {
    const one = await encoder.embed("a whale");
    expect(one).toBeInstanceOf(Float32Array);
    expect(one).toHaveLength(256);
    expect(Math.hypot(...one)).toBeCloseTo(1, 5);
    expect(await encoder.embed(["a whale"])).toEqual([one]);
    expect(await encoder.embed([])).toEqual([]);
  });

  it("keeps the order of a call of many batches and reports progress", async () => {
    const texts = randomTexts(515, 700);
    const progress: Progress[] = [];
    const all = await encoder.embed(texts, { onProgress: (each) => progress.push(each) });
    for (const i of [0, 1, 255, 256, 257, 511, 699]) {
      expect(all[i], `text ${i}`).toEqual(await encoder.embed(texts[i]!));
    }
    expect(progress.at(-1)).toEqual({ done: 700, total: 700 });
    expect(progress.length).toBeGreaterThan(2);
  });

  it("embeds empty texts and texts of only spaces as [CLS] [SEP]", async () => {
    const [empty, spaces, byIds] = [
      await encoder.embed(""),
      await encoder.embed(" \t\n\u00a0 "),
      await encoder.encode({ ids: [101, 102] }),
    ];
    expect(spaces).toEqual(empty);
    const { data } = byIds.lastHiddenState!;
    const mean = Float32Array.from({ length: 256 }, (_, i) => (data[i]! + data[256 + i]!) / 2);
    expect(cosine(empty, mean)).toBeGreaterThan(1 - 1e-6);
  });

  it("pools the last hidden state as asked", async () => {
    const text = "the president of the united states";
    const { lastHiddenState } = await encoder.encode(text);
    const [S, H] = lastHiddenState!.shape as [number, number];
    const column = (h: number) => Array.from({ length: S }, (_, s) => lastHiddenState!.data[s * H + h]!);
    const expected = {
      mean: (h: number) => column(h).reduce((a, b) => a + b, 0) / S,
      max: (h: number) => Math.max(...column(h)),
      cls: (h: number) => column(h)[0]!,
      last: (h: number) => column(h)[S - 1]!,
    };
    for (const pooling of ["mean", "max", "cls", "last"] as const) {
      const vector = await encoder.embed(text, { pooling, normalize: false });
      expect(
        maxDifference(
          vector,
          Float32Array.from({ length: H }, (_, h) => expected[pooling](h)),
        ),
      ).toBeLessThan(1e-5);
      const unit = await encoder.embed(text, { pooling });
      const length = Math.hypot(...vector);
      expect(
        maxDifference(
          unit,
          vector.map((value) => value / length),
        ),
      ).toBeLessThan(1e-6);
    }
  });

  it("shortens to the first dimensions, then normalizes", async () => {
    const whole = await encoder.embed("a whale", { normalize: false });
    const cut = await encoder.embed("a whale", { dimensions: 64, normalize: false });
    expect(cut).toEqual(whole.slice(0, 64));
    const unit = await encoder.embed("a whale", { dimensions: 64 });
    const length = Math.hypot(...cut);
    expect(
      maxDifference(
        unit,
        cut.map((value) => value / length),
      ),
    ).toBeLessThan(1e-6);
  });

  it("refuses a text over the model's limit with both lengths", async () => {
    const call = encoder.embed(["short", LONG_TEXT]);
    await expect(call).rejects.toBeInstanceOf(InputTooLongError);
    await expect(call).rejects.toMatchObject({
      code: "INPUT_TOO_LONG",
      details: { length: 302, limit: 128, index: 1 },
    });
  });

  it("cuts at maxLength, keeping [SEP], and reports it", async () => {
    const reports: Truncation[] = [];
    const onTruncate = (report: Truncation) => reports.push(report);
    const [, cut] = await encoder.embed(["short", LONG_TEXT], { maxLength: 32, onTruncate });
    expect(reports).toEqual([{ index: 1, length: 302, limit: 32 }]);
    const { ids, truncated } = await encoder.encode(LONG_TEXT, { maxLength: 32 });
    expect(truncated).toBe(true);
    expect(ids).toHaveLength(32);
    expect(ids[0]).toBe(101);
    expect(ids[31]).toBe(102);
    const same = await encoder.embed(encoder.tokenizer.decode(ids.slice(1, -1)));
    expect(cut).toEqual(same);
  });

  it("cuts at its own limit with truncate, and refuses over maxLength without", async () => {
    const reports: Truncation[] = [];
    const own = await encoder.embed(LONG_TEXT, {
      truncate: true,
      onTruncate: (report) => reports.push(report),
    });
    expect(reports).toEqual([{ index: 0, length: 302, limit: 128 }]);
    expect(own).toEqual(await encoder.embed(LONG_TEXT, { maxLength: 128 }));
    await expect(
      encoder.embed("the whale and the sea", { maxLength: 4, truncate: false }),
    ).rejects.toMatchObject({
      details: { length: 7, limit: 4 },
    });
  });

  it("lets maxLength exceed the model's limit up to its context", async () => {
    const { ids, lastHiddenState } = await encoder.encode(LONG_TEXT);
    expect(ids).toHaveLength(302);
    const whole = await encoder.embed(LONG_TEXT, { maxLength: 512, truncate: false, normalize: false });
    const mean = Float32Array.from({ length: 256 }, (_, h) => {
      let sum = 0;
      for (let s = 0; s < 302; s++) sum += lastHiddenState!.data[s * 256 + h]!;
      return sum / 302;
    });
    expect(maxDifference(whole, mean)).toBeLessThan(1e-5);
    await expect(encoder.embed("a", { maxLength: 513 })).rejects.toThrow("for maxLength but received 513");
    await expect(encoder.embed("a", { maxLength: 1 })).rejects.toThrow("for maxLength but received 1");
  });

  it("rejects with what a callback throws", async () => {
    const boom = () => {
      throw new RangeError("mine");
    };
    await expect(encoder.embed("a", { onProgress: boom })).rejects.toThrow(RangeError);
    await expect(encoder.embed(LONG_TEXT, { maxLength: 8, onTruncate: boom })).rejects.toThrow(RangeError);
  });
});

describe("embed with prompts", () => {
  let folder: string;
  let encoder: Encoder;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "prompts-"));
    await writeRandomBert(join(folder, "checkpoint"), {
      architecture: "BertModel",
      sentenceTransformers: {
        pooling: "cls",
        normalize: false,
        prompts: { query: "find this: ", passage: "text: " },
        defaultPromptName: "passage",
      },
    });
    const path = join(folder, "prompted.gguf");
    await convert(join(folder, "checkpoint"), path);
    encoder = await Encoder.load(path);
  });
  afterAll(async () => {
    await encoder.dispose();
    await rm(folder, { recursive: true });
  });

  it("takes pooling, normalization and prompts from the model", async () => {
    expect(encoder.info).toMatchObject({
      pooling: "cls",
      normalize: false,
      prompts: { query: "find this: ", passage: "text: " },
      defaultPromptName: "passage",
    });
    const { lastHiddenState } = await encoder.encode("text: a whale");
    const vector = await encoder.embed("a whale");
    expect(maxDifference(vector, lastHiddenState!.data.slice(0, vector.length))).toBeLessThan(1e-6);
  });

  it("finds a prompt by name, takes one as it is, or none", async () => {
    const plain = (text: string) => encoder.embed(text, { prompt: "" });
    expect(await encoder.embed("a whale")).toEqual(await plain("text: a whale"));
    expect(await encoder.embed("a whale", { prompt: "query" })).toEqual(await plain("find this: a whale"));
    expect(await encoder.embed("a whale", { prompt: "search: " })).toEqual(await plain("search: a whale"));
  });

  it("refuses a misspelt name", async () => {
    await expect(encoder.embed("a", { prompt: "querry" })).rejects.toThrow(
      /query, passage.*Did you mean query\?/,
    );
  });
});

describe("encode", () => {
  let encoder: Encoder;
  beforeAll(async () => {
    encoder = await Encoder.load("mini-bert", { threads: 1 });
  });
  afterAll(() => encoder.dispose());

  it("describes the tokens of a text and of a pair", async () => {
    const text = "Zürich, the SEA";
    const one = await encoder.encode(text);
    expect(one.tokens).toEqual(["[CLS]", "zurich", ",", "the", "sea", "[SEP]"]);
    const words = one.tokens.map((_, i) => text.slice(one.offsets[2 * i], one.offsets[2 * i + 1]));
    expect(words).toEqual(["", "Zürich", ",", "the", "SEA", ""]);
    expect(one.truncated).toBe(false);
    const two = await encoder.encode({ text: "the sea", pair: "a whale" });
    expect(two.tokens).toEqual(["[CLS]", "the", "sea", "[SEP]", "a", "whale", "[SEP]"]);
    expect([...two.segmentIds]).toEqual([0, 0, 0, 0, 1, 1, 1]);
  });

  it("returns what is asked for and nothing else", async () => {
    const least = await encoder.encode("a", { lastHiddenState: false, poolerOutput: true });
    expect(Object.keys(least).sort()).toEqual(
      ["ids", "offsets", "poolerOutput", "segmentIds", "tokens", "truncated"].sort(),
    );
    const usual = await encoder.encode("a");
    expect(usual.lastHiddenState!.shape).toEqual([3, 256]);
    expect(usual.poolerOutput).toHaveLength(256);
    expect(usual.hiddenStates).toBeUndefined();
    const tokensOnly = await encoder.encode("a", { lastHiddenState: false, poolerOutput: false });
    expect(tokensOnly.tokens).toEqual(["[CLS]", "a", "[SEP]"]);
  });

  it("gives layers whose last is the last hidden state, and attentions that add up to one", async () => {
    const { hiddenStates, lastHiddenState, attentions } = await encoder.encode("the sea", {
      hiddenStates: true,
      attentions: true,
    });
    expect(hiddenStates!.shape).toEqual([5, 4, 256]);
    expect(hiddenStates!.data.slice(4 * 4 * 256)).toEqual(lastHiddenState!.data);
    expect(attentions!.shape).toEqual([4, 4, 4, 4]);
    for (let row = 0; row < 64; row++) {
      const sum = attentions!.data.slice(row * 4, row * 4 + 4).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(1, 5);
    }
  });

  it("returns arrays that share no memory", async () => {
    const [a, b] = await encoder.encode(["the sea", "the sea"]);
    a!.lastHiddenState!.data.fill(0);
    a!.ids.fill(0);
    expect(b!.lastHiddenState!.data.some((value) => value !== 0)).toBe(true);
    expect(b!.ids[0]).toBe(101);
    expect(b!.lastHiddenState!.data.buffer.byteLength).toBe(4 * 256 * 4);
  });

  it("cuts the longer text of a pair first, and ids before their last", async () => {
    const pair = await encoder.encode({ text: LONG_TEXT, pair: "a whale" }, { maxLength: 10 });
    expect(pair.tokens.slice(-4)).toEqual(["[SEP]", "a", "whale", "[SEP]"]);
    expect(pair.tokens).toHaveLength(10);
    const ids = await encoder.encode({ ids: [101, 7, 8, 9, 102] }, { maxLength: 3 });
    expect([...ids.ids]).toEqual([101, 7, 102]);
    expect(ids.truncated).toBe(true);
    await expect(encoder.encode({ text: LONG_TEXT, pair: LONG_TEXT })).rejects.toMatchObject({
      details: { length: 603, limit: 512 },
    });
  });

  it("refuses a pooler output that the model does not have", async () => {
    const folder = await mkdtemp(join(tmpdir(), "no-pooler-"));
    await writeRandomBert(join(folder, "checkpoint"), { architecture: "BertForMaskedLM" });
    await convert(join(folder, "checkpoint"), join(folder, "model.gguf"));
    const bare = await Encoder.load(join(folder, "model.gguf"));
    expect(bare.info.heads).toMatchObject({ pooler: false, mlm: true, nextSentence: false });
    expect((await bare.encode("a")).poolerOutput).toBeUndefined();
    await expect(bare.encode("a", { poolerOutput: true })).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await expect(bare.nextSentence("a", "b")).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await bare.dispose();
    await rm(folder, { recursive: true });
  });
});
