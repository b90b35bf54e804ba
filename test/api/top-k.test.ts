import { describe, expect, it } from "vitest";
import { topIndices } from "../../lib/top-k.js";
import { integer, random } from "../support/random.js";

/** Independent of the heap: a full, stable sort. */
function bySorting(values: Float32Array, k: number): number[] {
  return Array.from(values.keys())
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, k);
}

describe("topIndices", () => {
  it("equals a full sort, ties and all", () => {
    const seed = 20261;
    const next = random(seed);
    for (let round = 0; round < 500; round++) {
      const levels = 1 + integer(next, 50);
      const values = Float32Array.from({ length: integer(next, 80) }, () => integer(next, levels) - 25);
      const k = integer(next, 90);
      expect([...topIndices(values, k)], `seed ${seed}, round ${round}`).toEqual(bySorting(values, k));
    }
  });

  it("ranks infinities", () => {
    const values = Float32Array.of(1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0);
    expect([...topIndices(values, 4)]).toEqual([2, 0, 3, 1]);
  });
});
