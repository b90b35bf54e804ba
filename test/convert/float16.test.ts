import { describe, expect, test } from "vitest";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../lib/convert/float16.js";
import { random } from "../support/random.js";

/** The value of a binary16, from its definition. */
function valueOfF16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction > 0 ? Number.NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The value of a bfloat16: the upper half of a binary32, read by DataView. */
function valueOfBf16(half: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, half);
  return view.getFloat32(0);
}

const everyHalf = Uint16Array.from({ length: 65_536 }, (_, i) => i);

describe.each([
  ["F16", f16ToF32, f32ToF16, valueOfF16, 0x7c00],
  ["BF16", bf16ToF32, f32ToBf16, valueOfBf16, 0x7f80],
] as const)("%s", (_name, widen, narrow, valueOf, infinity) => {
  test("widening gives the value of every bit pattern", () => {
    const wide = new Float32Array(65_536);
    widen(everyHalf, wide);
    for (const half of everyHalf)
      if (!Object.is(wide[half], valueOf(half))) throw new Error(`0x${half.toString(16)}`);
  });

  test("narrowing inverts widening, and keeps NaN a NaN", () => {
    const wide = new Float32Array(65_536);
    const back = new Uint16Array(65_536);
    widen(everyHalf, wide);
    narrow(wide, back);
    for (const half of everyHalf) {
      const same = Number.isNaN(valueOf(half)) ? Number.isNaN(valueOf(back[half]!)) : back[half] === half;
      if (!same) throw new Error(`0x${half.toString(16)} became 0x${back[half]!.toString(16)}`);
    }
  });

  test("between neighbours the nearer wins, and the even one at the middle", () => {
    const probes: number[] = [];
    const expected: number[] = [];
    for (let half = 0; half < infinity - 1; half++) {
      const low = valueOf(half);
      const high = valueOf(half + 1);
      const middle = low + (high - low) / 2;
      probes.push(middle, Math.fround(middle - (high - low) / 8), Math.fround(middle + (high - low) / 8));
      expected.push(half % 2 === 0 ? half : half + 1, half, half + 1);
    }
    const narrowed = new Uint16Array(probes.length);
    narrow(Float32Array.from(probes), narrowed);
    expect(Buffer.compare(Buffer.from(narrowed.buffer), Buffer.from(Uint16Array.from(expected).buffer))).toBe(
      0,
    );
  });

  test("beyond the largest value lies infinity", () => {
    const largest = valueOf(infinity - 1);
    const step = largest - valueOf(infinity - 2);
    const probes = Float32Array.from([largest + step / 4, largest + step / 2, Infinity, -Infinity, -0]);
    const narrowed = new Uint16Array(probes.length);
    narrow(probes, narrowed);
    expect([...narrowed]).toEqual([infinity - 1, infinity, infinity, infinity | 0x8000, 0x8000]);
  });
});

test("random values round to the nearest F16", () => {
  const next = random(20_240_607);
  const source = Float32Array.from({ length: 100_000 }, () => (next() - 0.5) * 2 ** (next() * 44 - 28));
  const narrowed = new Uint16Array(source.length);
  f32ToF16(source, narrowed);
  const worse = source.filter((value, i) => !isNearest(value, narrowed[i]!));
  expect([...worse]).toEqual([]);
});

function isNearest(value: number, half: number): boolean {
  if ((half & 0x7fff) === 0x7c00) return Math.abs(value) >= 65_520;
  const error = Math.abs(valueOfF16(half) - value);
  return [half - 1, half + 1]
    .filter((neighbour) => neighbour >= 0 && (neighbour & 0x7c00) !== 0x7c00)
    .every((neighbour) => error <= Math.abs(valueOfF16(neighbour) - value));
}
