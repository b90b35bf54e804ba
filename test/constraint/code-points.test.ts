/** Sets of code points, and their UTF-8. */
import { describe, expect, it } from "vitest";
import {
  ANY,
  codePoints,
  complement,
  difference,
  intersection,
  matching,
  ofText,
  union,
  type CodePoints,
} from "../../lib/constraint/code-points.js";
import { runNow } from "../../lib/tokenizer/time-slices.js";
import { utf8Ranges } from "../../lib/constraint/utf8.js";
import { integer, random } from "../support/random.js";

const isSurrogate = (code: number) => code >= 0xd800 && code <= 0xdfff;
const has = (set: CodePoints, code: number) => set.some(([first, last]) => first <= code && code <= last);

/** Ranges near the places where UTF-8 changes, some of them with surrogates. */
function randomSet(next: () => number): CodePoints {
  const edges = [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff];
  const code = () => {
    const near = edges[integer(next, edges.length)]! + integer(next, 9) - 4;
    return Math.min(0x10ffff, Math.max(0, integer(next, 4) === 0 ? integer(next, 0x110000) : near));
  };
  const ranges = Array.from({ length: 1 + integer(next, 4) }, (): [number, number] => {
    const [a, b] = [code(), code()];
    return [Math.min(a, b), Math.max(a, b)];
  });
  return complement(complement(codePoints(ranges)));
}

describe("sets of code points (seed 91)", () => {
  const next = random(91);
  const sets = Array.from({ length: 40 }, () => randomSet(next));
  const probes = [...new Set(sets.flat(2).flatMap((code) => [code - 1, code, code + 1]))].filter(
    (code) => code >= 0 && code <= 0x10ffff && !isSurrogate(code),
  );

  it("have what their parts say", () => {
    for (const [i, a] of sets.entries()) {
      const b = sets[(i + 1) % sets.length]!;
      for (const code of probes) {
        expect(has(union(a, b), code)).toBe(has(a, code) || has(b, code));
        expect(has(intersection(a, b), code)).toBe(has(a, code) && has(b, code));
        expect(has(difference(a, b), code)).toBe(has(a, code) && !has(b, code));
        expect(has(complement(a), code)).toBe(!has(a, code));
      }
    }
  });

  it("are the byte sequences that decode to them", () => {
    const isIn = (ranges: ReturnType<typeof utf8Ranges>, bytes: Buffer) =>
      ranges.filter(
        (parts) =>
          parts.length === bytes.length &&
          parts.every(([low, high], i) => low <= bytes[i]! && bytes[i]! <= high),
      ).length;
    for (const set of sets) {
      const ranges = utf8Ranges(set);
      for (const code of probes) {
        // Once, and never in two ways.
        expect(isIn(ranges, Buffer.from(String.fromCodePoint(code)))).toBe(has(set, code) ? 1 : 0);
      }
      // Nothing is in the ranges that is no UTF-8.
      for (const parts of ranges) {
        for (const end of [0, 1]) {
          const bytes = Buffer.from(parts.map((range) => range[end]!));
          const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
          expect(has(set, text.codePointAt(0)!)).toBe(true);
        }
      }
    }
  });
});

describe("what a class matches", () => {
  it.each([
    ["\\p{Lu}", "u"],
    ["[^\\s\\S]", "u"],
    ["[\\p{L}--[a-z]]", "v"],
    ["[k-s]", "iu"],
    ["\\P{ASCII}", "u"],
  ])("%s /%s", (source, flags) => {
    const set = runNow(matching(source, flags));
    const single = new RegExp(`^(?:${source})$`, flags);
    for (const [first, last] of ANY) {
      // Every code point of the planes in use, every 97th of the rest.
      for (let code = first; code <= last; code += code < 0x30000 ? 1 : 97) {
        const expected = single.test(String.fromCodePoint(code));
        if (has(set, code) !== expected) throw new Error(`U+${code.toString(16)}: expected ${expected}`);
      }
    }
  });

  it("knows characters beyond the first plane", () => {
    expect(ofText("a😀")).toEqual([
      [0x61, 0x61],
      [0x1f600, 0x1f600],
    ]);
  });
});
