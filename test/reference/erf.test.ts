import { describe, expect, it } from "vitest";
import { activate, erf } from "./arithmetic.js";

/** Abramowitz and Stegun, table 7.1, and the values of any multiple-precision program. */
const VALUES: readonly (readonly [number, number])[] = [
  [0, 0],
  [1e-9, 1.1283791670955126e-9],
  [0.1, 0.1124629160182849],
  [0.5, 0.5204998778130465],
  [1, 0.8427007929497149],
  [1.5, 0.9661051464753108],
  [2, 0.9953222650189527],
  [2.5, 0.999593047982555],
  [2.9999, 0.9999778955735178],
  [3, 0.9999779095030014],
  [3.5, 0.9999992569016276],
  [4, 0.9999999845827421],
  [5, 0.9999999999984626],
];

describe("the reference's error function", () => {
  it("has the tabulated values, and is odd", () => {
    for (const [x, value] of VALUES) {
      expect(Math.abs(erf(x) - value), `erf(${x})`).toBeLessThan(1e-15);
      expect(erf(-x)).toBe(-erf(x));
    }
  });

  it("is the integral of its derivative across the join of its two formulas", () => {
    for (let x = 2.8; x < 3.2; x += 0.01) {
      const step = 1e-4;
      const slope = (erf(x + step) - erf(x - step)) / (2 * step);
      // The error of the central difference is step^2 f'''(x) / 6, below 1e-10 here.
      expect(Math.abs(slope - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x))).toBeLessThan(1e-10);
    }
  });

  it("ends at one, and keeps what is not a number", () => {
    expect([erf(6.5), erf(-40), erf(Infinity), erf(-Infinity)]).toEqual([1, -1, 1, -1]);
    expect(erf(Number.NaN)).toBeNaN();
  });
});

describe("the reference's activations", () => {
  it("have their known values", () => {
    expect(activate("gelu", 1)).toBeCloseTo(0.8413447460685429, 15);
    expect(activate("gelu", -3)).toBeCloseTo(-0.00404969409489031, 15);
    expect(activate("gelu_new", 1)).toBeCloseTo(0.8411919906082768, 15);
    expect(activate("silu", 2)).toBeCloseTo(1.7615941559557649, 15);
    expect([activate("relu", -2), activate("relu", 2)]).toEqual([0, 2]);
    expect(activate("tanh", 0.5)).toBe(Math.tanh(0.5));
  });
});
