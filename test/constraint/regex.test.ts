/** Automata of regular expressions beside JavaScript's own. */
import { describe, expect, it } from "vitest";
import { buildAutomaton } from "../../lib/constraint/automaton.js";
import { regexExpression } from "../../lib/constraint/regex.js";
import { InvalidArgumentError, UnsatisfiableConstraintError, UnsupportedError } from "../../lib/index.js";
import { randomText, read } from "../support/automaton.js";
import { integer, random } from "../support/random.js";

const automatonOf = (source: string, flags = "u", searching = false) =>
  buildAutomaton({ start: regexExpression(source, flags, searching), rules: new Map() });

/** A text or its neighbour: a character added, taken away or put in the place of another. */
function changed(text: string, next: () => number, alphabet: readonly string[]): string {
  const characters = Array.from(text);
  const at = integer(next, characters.length + 1);
  const other = alphabet[integer(next, alphabet.length)]!;
  const kind = integer(next, 4);
  if (kind === 1) characters.splice(at, 0, other);
  if (kind === 2) characters.splice(at, 1);
  if (kind === 3) characters.splice(at, 1, other);
  return characters.join("");
}

const ALPHABET = Array.from('abczABKſK09_-. \t\n\u2028"\\/é漢😀ßıİ@:');

const PATTERNS: readonly (readonly [string, string?])[] = [
  ["yes|no"],
  ["(a|ab)(c|bcd)?(d*)"],
  ["a{2,4}b{0,2}c{3}"],
  ["(?:[ab]|cc){17}"],
  ["(?:a{0,18}b){1,17}|c{20,}"],
  ["(?:[a-cé]{16,18}|z{0,3}\\.){3}"],
  ["(?:(?:a|bc){17,19}z){0,20}"],
  ["[\\p{L} ]{17,30}"],
  ["(?:a*)*b+?"],
  ["[^abc\\s]{1,3}"],
  ["\\w+@\\w+\\.(com|org)"],
  [".+"],
  [".+", "su"],
  ["\\p{Script=Han}+|\\p{Emoji}"],
  ["k+s?", "iu"],
  ["[a-c]+É", "iu"],
  ["[\\w--[a-c]]+", "v"],
  ["[\\p{L}&&\\p{ASCII}]*", "v"],
  ["(?<year>[0-9]{4})-(?:0[1-9]|1[0-2])"],
  ["\\u{1F600}\\x41?\\cI?"],
  ["[\\s\\S]?"],
  ["[\\d_-]*"],
  ["\\S+\\s\\S+"],
  ["\\D\\W"],
  ["^abc$|^$"],
  ["[^\\d]+"],
  ["[😀-😂]"],
  [""],
];

describe.each(PATTERNS.map(([source, flags = "u"]) => ({ source, flags })))(
  "/$source/$flags",
  ({ source, flags }) => {
    it("has the texts that JavaScript matches (seed 92)", () => {
      const automaton = automatonOf(source, flags);
      const whole = new RegExp(`^(?:${source})$`, flags);
      const next = random(92);
      let matched = 0;
      for (let i = 0; i < 300; i++) {
        const drawn = randomText(automaton, next, 40);
        if (drawn !== undefined) {
          expect(whole.test(drawn), JSON.stringify(drawn)).toBe(true);
          matched++;
        }
        const text = changed(drawn ?? "", next, ALPHABET);
        expect(read(automaton, text) === "text", JSON.stringify(text)).toBe(whole.test(text));
      }
      expect(matched).toBeGreaterThan(50);
    });
  },
);

describe("searching", () => {
  it.each(["abc", "^abc", "abc$", "^abc$", "^a|c$", "a|^$", "[0-9]{2}"])("%s (seed 93)", (source) => {
    const automaton = automatonOf(source, "u", true);
    const next = random(93);
    for (let i = 0; i < 300; i++) {
      const drawn = randomText(automaton, next, 30);
      if (drawn !== undefined) expect(drawn).toMatch(new RegExp(source, "u"));
      const text = changed(changed(drawn ?? "abc", next, ["a", "c", "1", "\n"]), next, ["b", "9", "😀"]);
      expect(read(automaton, text) === "text", JSON.stringify(text)).toBe(new RegExp(source, "u").test(text));
    }
  });
});

describe("what is refused", () => {
  it.each([
    ["a(?=b)", "a lookahead"],
    ["a(?!b)", "a lookahead"],
    ["(?<=a)b", "a lookbehind"],
    ["(a)\\1", "a back reference"],
    ["(?<x>a)\\k<x>", "a back reference"],
    ["\\bword", "a word boundary"],
    ["a^b", "elsewhere"],
    ["(a$|b)c", "elsewhere"],
    ["(?i:a)b", "flags of its own"],
  ])("%s: %s", (source, what) => {
    expect(() => automatonOf(source)).toThrow(UnsupportedError);
    expect(() => automatonOf(source)).toThrow(what);
  });

  it("a class of strings", () => {
    expect(() => automatonOf("[\\q{abc|d}]", "v")).toThrow(UnsupportedError);
    expect(() => automatonOf("\\p{RGI_Emoji}", "v")).toThrow(UnsupportedError);
  });

  it.each(["(", "a{2,1}", "[b-a]", "\\p{Nonsense}", "\\-", "a**"])("no regular expression: %s", (source) => {
    expect(() => automatonOf(source)).toThrow(InvalidArgumentError);
  });

  it.each(["[^\\s\\S]", "a[^\\s\\S]|[^\\s\\S]b", "\\ud800"])("what no text matches: %s", (source) => {
    expect(() => automatonOf(source)).toThrow(UnsatisfiableConstraintError);
  });

  it("what is too large", () => {
    expect(() => automatonOf("((a{0,1000}){0,1000}){0,1000}")).toThrow(/too large/);
    expect(() => automatonOf("a{3000000000}")).toThrow(/too large/);
  });
});
