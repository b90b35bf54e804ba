import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, InvalidArgumentError, maxSim, type Truncation } from "../../lib/index.js";
import { maxDifference } from "../support/golden.js";
import { taskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomTexts } from "../support/texts.js";

const folder = temporaryFolder();
const H = 256;
let encoder: Encoder;
beforeAll(async () => {
  encoder = await Encoder.load("mini-embed", { threads: 1 });
});
afterAll(() => encoder.dispose());

const unit = (values: ArrayLike<number>) => {
  const length = Math.hypot(...Array.from(values));
  return Float32Array.from(values, (value) => value / length);
};

describe("embedTokens", () => {
  it("gives the last hidden state of every token, of unit length", async () => {
    const text = "the SEA, Zürich";
    const { vectors, tokens, offsets } = await encoder.embedTokens(text);
    const { lastHiddenState } = await encoder.encode(text);
    expect(tokens).toEqual(["[CLS]", "the", "sea", ",", "zurich", "[SEP]"]);
    expect(text.slice(offsets[4], offsets[5])).toBe("SEA");
    expect(vectors.shape).toEqual([6, H]);
    for (let s = 0; s < 6; s++) {
      const state = lastHiddenState!.data.subarray(s * H, (s + 1) * H);
      expect(maxDifference(vectors.data.subarray(s * H, (s + 1) * H), unit(state))).toBeLessThan(1e-6);
    }
    const plain = await encoder.embedTokens(text, { normalize: false });
    expect(plain.vectors).toEqual(lastHiddenState);
  });

  it("takes many texts, each as alone, and keeps to the limit of embed", async () => {
    const texts = randomTexts(41, 50, 8);
    const many = await encoder.embedTokens(texts);
    for (const i of [0, 7, 49]) expect(many[i]).toEqual(await encoder.embedTokens(texts[i]!));
    expect(await encoder.embedTokens([])).toEqual([]);
    const long = "the sea ".repeat(100);
    await expect(encoder.embedTokens(long)).rejects.toMatchObject({ details: { length: 202, limit: 128 } });
    expect((await encoder.embedTokens(long, { truncate: true })).tokens).toHaveLength(128);
    await expect(encoder.embedTokens("a", { normalize: 1 as never })).rejects.toThrow("for normalize");
  });
});

describe("maxSim", () => {
  it("adds the best match of every vector of the query", () => {
    const query = { data: Float32Array.of(1, 0, 0, 1, 2, 2), shape: [3, 2] };
    const document = { data: Float32Array.of(0.5, 0.25, -1, 3), shape: [2, 2] };
    // Best of [0.5, -1], [0.25, 3] and [1.5, 4].
    expect(maxSim(query, document)).toBe(0.5 + 3 + 4);
  });

  it("is the number of tokens for a text with itself", async () => {
    const { vectors } = await encoder.embedTokens("a little ship on the sea");
    expect(maxSim(vectors, vectors)).toBeCloseTo(vectors.shape[0]!, 4);
  });

  it("refuses other shapes", () => {
    const good = { data: Float32Array.of(1, 2), shape: [1, 2] };
    expect(() => maxSim({ data: Float32Array.of(1, 2), shape: [2, 2] }, good)).toThrow("for query");
    expect(() => maxSim(good, { data: new Float32Array(0), shape: [0, 2] })).toThrow("for document");
    expect(() => maxSim(good, { data: Float32Array.of(1, 2, 3), shape: [1, 3] })).toThrow(
      "vectors of 2 values",
    );
    expect(() => maxSim(good, Float32Array.of(1) as never)).toThrow(InvalidArgumentError);
  });
});

describe("embedWindows", () => {
  const words = ["the", "whale", "ship", "of", "Zürich", "sea", "and", "war", "law"];
  const text = Array.from({ length: 200 }, (_, i) => words[(i * i + 3 * i) % words.length]).join(" ");

  it("gives a short text the vector of embed", async () => {
    const { windows, vector } = await encoder.embedWindows("a little ship ");
    expect(windows.map(({ start, end }) => [start, end])).toEqual([[0, 13]]);
    expect(maxDifference(windows[0]!.vector, await encoder.embed("a little ship "))).toBeLessThan(1e-6);
    expect(maxDifference(vector, windows[0]!.vector)).toBeLessThan(1e-6);
    const empty = await encoder.embedWindows("");
    expect(empty.windows).toMatchObject([{ start: 0, end: 0 }]);
    expect(maxDifference(empty.vector, await encoder.embed(""))).toBeLessThan(1e-6);
  });

  it("cuts a long one into windows that overlap, each embedded as the text it stands for", async () => {
    const { windows, vector } = await encoder.embedWindows(text, { maxLength: 50, stride: 10 });
    // All words are one token each: 48 in a window, 38 further on in the next.
    expect(windows).toHaveLength(5);
    const lengths: number[] = [];
    for (const [i, window] of windows.entries()) {
      const part = text.slice(window.start, window.end);
      expect(part).toBe(
        text
          .split(" ")
          .slice(38 * i, 38 * i + 48)
          .join(" "),
      );
      expect(maxDifference(window.vector, await encoder.embed(part))).toBeLessThan(1e-6);
      lengths.push(part.split(" ").length);
    }
    expect(lengths).toEqual([48, 48, 48, 48, 48]);
    const mean = Array.from({ length: H }, (_, h) => {
      return windows.reduce((sum, window, i) => sum + lengths[i]! * window.vector[h]!, 0);
    });
    expect(maxDifference(vector, unit(mean))).toBeLessThan(1e-6);
  });

  it("weighs windows by their tokens, and takes pooling, dimensions and no scaling", async () => {
    const options = { maxLength: 100, stride: 0, pooling: "cls", normalize: false, dimensions: 16 } as const;
    const { windows, vector } = await encoder.embedWindows(text, options);
    const sizes = windows.map(({ start, end }) => text.slice(start, end).split(" ").length);
    expect(sizes).toEqual([98, 98, 4]);
    const mean = Float32Array.from({ length: 16 }, (_, h) => {
      return windows.reduce((sum, window, i) => sum + (sizes[i]! * window.vector[h]!) / 200, 0);
    });
    expect(maxDifference(vector, mean)).toBeLessThan(1e-5);
    const part = text.slice(windows[2]!.start, windows[2]!.end);
    const same = await encoder.embed(part, { pooling: "cls", normalize: false, dimensions: 16 });
    expect(maxDifference(windows[2]!.vector, same)).toBeLessThan(1e-5);
  });

  it("puts a prompt into every window", async () => {
    const options = { prompt: "the law: ", maxLength: 53, stride: 10 };
    const { windows } = await encoder.embedWindows(text, options);
    expect(windows).toHaveLength(5);
    for (const { vector, start, end } of windows) {
      const same = await encoder.embed(text.slice(start, end), { prompt: "the law: " });
      expect(maxDifference(vector, same)).toBeLessThan(1e-6);
    }
    const one = await encoder.embedWindows("", { prompt: "the law: " });
    expect(maxDifference(one.vector, await encoder.embed("", { prompt: "the law: " }))).toBeLessThan(1e-6);
  });

  it("takes many texts, each as alone, cuts and refuses", async () => {
    const texts = ["a ship", text, ""];
    const many = await encoder.embedWindows(texts);
    for (const [i, each] of texts.entries()) expect(many[i]).toEqual(await encoder.embedWindows(each));
    const reports: Truncation[] = [];
    const onTruncate = (each: Truncation) => reports.push(each);
    const cut = await encoder.embedWindows(texts, { overflow: "truncate", onTruncate });
    expect(cut[1]!.windows).toHaveLength(1);
    expect(reports).toEqual([{ index: 1, length: 202, limit: 128 }]);
    await expect(encoder.embedWindows(texts, { overflow: "refuse" })).rejects.toMatchObject({
      details: { index: 1, length: 202, limit: 128 },
    });
  });

  it("refuses wrong options, and a prompt that leaves no room", async () => {
    const wrong = (options: object) => encoder.embedWindows("a", options as never);
    await expect(wrong({ pooling: "avg" })).rejects.toThrow("for pooling");
    await expect(wrong({ stride: 126 })).rejects.toThrow("for stride but received 126");
    await expect(wrong({ prompt: "the law ".repeat(80) })).rejects.toThrow("a prompt that leaves room");
    await expect(wrong({ truncate: true })).rejects.toThrow("Unknown option truncate of embedWindows");
  });

  it("works for any encoder", async () => {
    const { encoder: other } = await taskModel(folder, { architecture: "BertForTokenClassification" });
    const { windows } = await other.embedWindows("the cat of it ".repeat(60));
    expect(windows.length).toBeGreaterThan(1);
    await other.dispose();
  });
});
