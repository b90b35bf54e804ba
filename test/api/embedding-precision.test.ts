import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embeddingRanges, Encoder, InvalidArgumentError, quantizeEmbedding } from "../../lib/index.js";
import { randomTexts } from "../support/texts.js";

/**
 * What sentence-transformers' `quantize_embeddings` computes, by NumPy in float32:
 * `((e - min) / ((max - min) / 255) - 128).astype(int8)`, `packbits(e > 0)`, and the latter less 128.
 */
interface Fixture {
  embeddings: number[][];
  min: number[];
  max: number[];
  int8: number[][];
  binary: number[][];
  ubinary: number[][];
}
const fixture = JSON.parse(
  readFileSync(join(__dirname, "../fixtures/embedding-precision.json"), "utf8"),
) as Fixture;

describe("quantizeEmbedding", () => {
  it("gives what NumPy gives", () => {
    const { embeddings, min, max, int8, binary, ubinary } = fixture;
    for (const [i, embedding] of embeddings.entries()) {
      const vector = Float32Array.from(embedding);
      expect(quantizeEmbedding(vector, "int8", { min, max })).toEqual(Int8Array.from(int8[i]!));
      expect(quantizeEmbedding(vector, "binary")).toEqual(Int8Array.from(binary[i]!));
      expect(quantizeEmbedding(vector, "ubinary")).toEqual(Uint8Array.from(ubinary[i]!));
      expect(quantizeEmbedding(vector, "float32")).toBe(vector);
    }
  });

  it("keeps values outside the ranges to their ends, and takes ranges of no width", () => {
    const ranges = { min: [-1, -1, 2], max: [1, 1, 2] };
    expect(quantizeEmbedding([-9, 9, 2], "int8", ranges)).toEqual(Int8Array.of(-128, 127, -128));
  });

  it("refuses what it cannot do", () => {
    expect(() => quantizeEmbedding([1, 2], "int8")).toThrow("Expected ranges together with precision");
    expect(() => quantizeEmbedding([1, 2], "binary")).toThrow("a multiple of 8");
    expect(() => quantizeEmbedding([1, 2], "int4" as never)).toThrow('for precision but received "int4"');
    expect(() => quantizeEmbedding("1" as never, "int8")).toThrow("for embedding");
    expect(() => quantizeEmbedding([1], "int8", { min: [1, 2], max: [1] })).toThrow(
      "1 finite numbers for ranges.min",
    );
    expect(() => quantizeEmbedding([1], "int8", { min: [0], max: [Number.NaN] })).toThrow("for ranges.max");
    expect(() => quantizeEmbedding([1], "int8", 5 as never)).toThrow("Expected { min, max } for ranges");
  });
});

describe("embeddingRanges", () => {
  it("finds the least and the greatest value of each dimension", () => {
    const vectors = [Float32Array.of(1, -2, 0), Float32Array.of(-1, 5, 0), Float32Array.of(0, 0, 0.5)];
    expect(embeddingRanges(vectors)).toEqual({
      min: Float32Array.of(-1, -2, 0),
      max: Float32Array.of(1, 5, 0.5),
    });
  });

  it("refuses none, and vectors of different lengths", () => {
    expect(() => embeddingRanges([])).toThrow("an array of one embedding or more");
    expect(() => embeddingRanges([[1], [1, 2]])).toThrow("for embeddings[1]");
    expect(() => embeddingRanges([[1], ["a"]] as never)).toThrow(InvalidArgumentError);
  });
});

describe("embed with a precision", () => {
  let encoder: Encoder;
  beforeAll(async () => {
    encoder = await Encoder.load("mini-embed", { threads: 1 });
  });
  afterAll(() => encoder.dispose());

  it("quantizes the vector it would return, after cutting and scaling it", async () => {
    const texts = randomTexts(13, 20, 8);
    const vectors = await encoder.embed(texts, { dimensions: 64 });
    const ranges = embeddingRanges(vectors);
    const int8 = await encoder.embed(texts, { dimensions: 64, precision: "int8", ranges });
    expect(int8[0]).toBeInstanceOf(Int8Array);
    expect(int8).toEqual(vectors.map((vector) => quantizeEmbedding(vector, "int8", ranges)));
    const bits = await encoder.embed(texts, { dimensions: 64, precision: "ubinary" });
    expect(bits[0]).toHaveLength(8);
    expect(bits).toEqual(vectors.map((vector) => quantizeEmbedding(vector, "ubinary")));
    const signed = await encoder.embed(texts[0]!, { dimensions: 64, precision: "binary" });
    expect(signed).toEqual(quantizeEmbedding(vectors[0]!, "binary"));
    // The same alone as with others: the ranges do not come from the batch.
    const alone = await encoder.embed(texts[3]!, { dimensions: 64, precision: "int8", ranges });
    expect(alone).toEqual(int8[3]);
  });

  it.each([
    ["precision", { precision: "int4" }, 'for precision but received "int4"'],
    ["no ranges", { precision: "int8" }, "Expected ranges together with precision"],
    ["ranges", { precision: "int8", ranges: { min: [1], max: [1] } }, "256 finite numbers for ranges.min"],
    ["dimensions", { precision: "binary", dimensions: 12 }, "a multiple of 8"],
  ])("refuses wrong %s", async (_, options, message) => {
    const call = encoder.embed("a", options as never);
    await expect(call).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(call).rejects.toThrow(message);
  });
});
