import { describe, expect, it } from "vitest";
import { StopStringScanner } from "../../lib/stop-strings.js";
import { integer, random } from "../support/random.js";

/** Feeds a text in pieces; returns what was released and how much of it before the end. */
function scan(pieces: readonly string[], stops: readonly string[]) {
  const scanner = new StopStringScanner(stops);
  let text = "";
  for (const piece of pieces) {
    text += scanner.push(piece);
    if (scanner.found !== undefined) break;
  }
  return { text: text + scanner.end(), found: scanner.found };
}

describe("StopStringScanner", () => {
  it("ends before the stop string, however the text is cut", () => {
    for (const pieces of [["one\n\ntwo"], ["one\n", "\ntwo"], [..."one\n\ntwo"]]) {
      expect(scan(pieces, ["\n\n"])).toEqual({ text: "one", found: "\n\n" });
    }
  });

  it("gives back what only began like a stop string", () => {
    expect(scan(["a<", "|en", "d", "x"], ["<|end|>"])).toEqual({ text: "a<|endx", found: undefined });
    expect(scan(["a<|end"], ["<|end|>"])).toEqual({ text: "a<|end", found: undefined });
    expect(scan(["aab", "aac"], ["aabaad"])).toEqual({ text: "aabaac", found: undefined });
  });

  it("takes the earliest of several", () => {
    expect(scan(["xx END yy STOP"], ["STOP", "END"])).toEqual({ text: "xx ", found: "END" });
  });

  it("releases nothing after the end", () => {
    const scanner = new StopStringScanner(["."]);
    expect(scanner.push("a.b")).toBe("a");
    expect(scanner.push("c")).toBe("");
    expect(scanner.end()).toBe("");
  });

  it("never releases a part of a stop string, and loses nothing, on random texts and cuts", () => {
    const seed = 77_003;
    const next = random(seed);
    const word = (length: number) => Array.from({ length }, () => "ab"[integer(next, 2)]).join("");
    for (let round = 0; round < 2000; round++) {
      const stops = Array.from({ length: 1 + integer(next, 3) }, () => word(1 + integer(next, 5)));
      const pieces = Array.from({ length: integer(next, 12) }, () => word(integer(next, 4)));
      const whole = pieces.join("");
      // The shortest beginning of the text, piece by piece, that contains a stop string.
      let seen = "";
      for (const piece of pieces) {
        seen += piece;
        if (stops.some((stop) => seen.includes(stop))) break;
      }
      const ends = stops.map((stop) => seen.indexOf(stop)).filter((at) => at >= 0);
      const expected = ends.length > 0 ? seen.slice(0, Math.min(...ends)) : whole;
      const { text, found } = scan(pieces, stops);
      expect(text, `seed ${seed}, round ${round}`).toBe(expected);
      expect(found !== undefined).toBe(ends.length > 0);
    }
  });
});
