import { describe, expect, it } from "vitest";
import { InvalidArgumentError, quantizeEmbedding, similarity } from "../../lib/index.js";

describe("similarity", () => {
  const a = Float32Array.of(3, 4, 0);
  const b = [4, 3, 12];

  it.each([
    ["cosine", 24 / 65],
    ["dot", 24],
    ["euclidean", -Math.sqrt(1 + 1 + 144)],
    ["manhattan", -14],
  ] as const)("%s", (measure, expected) => {
    expect(similarity(a, b, measure)).toBeCloseTo(expected, 12);
    expect(similarity(b, a, measure)).toBe(similarity(a, b, measure));
  });

  it("is the cosine by default, and 0 with a zero vector", () => {
    expect(similarity(a, b)).toBe(similarity(a, b, "cosine"));
    expect(similarity(a, a)).toBeCloseTo(1, 12);
    expect(similarity(a, [0, 0, 0])).toBe(0);
  });

  it("counts equal bits, also of signed bytes", () => {
    const [x, y] = [
      [1, -1, 1, -1, 1, -1, 1, -1, 1, 1, 1, 1, 1, 1, 1, 1],
      [1, -1, 1, -1, 1, -1, 1, 1, -1, 1, 1, 1, -1, 1, 1, 1],
    ];
    for (const precision of ["binary", "ubinary"] as const) {
      const [p, q] = [quantizeEmbedding(x!, precision), quantizeEmbedding(y!, precision)];
      expect(similarity(p, q, "hamming")).toBe(13 / 16);
    }
  });

  it.each([
    [() => similarity([1], [1, 2]), "a vector of 1 values for b"],
    [() => similarity([], []), "a vector of one value or more for a"],
    [() => similarity([1], ["1"] as never), "Expected a number for b[0]"],
    [() => similarity("1" as never, [1]), "for a"],
    [() => similarity([1], [1], "cos" as never), 'for measure but received "cos"'],
  ])("refuses %o", (call, message) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});
