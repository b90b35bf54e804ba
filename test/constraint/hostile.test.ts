/** Constraints that are meant to do harm end in errors that say what is wrong, before much time or memory is used. */
import { describe, expect, it } from "vitest";
import { constraintSteps, planConstraint, type ConstraintOptions } from "../../lib/constraint/constraint.js";
import { InvalidArgumentError, UnsatisfiableConstraintError, UnsupportedError } from "../../lib/index.js";
import { runNow } from "../../lib/tokenizer/time-slices.js";
import { read } from "../support/automaton.js";

const build = (options: ConstraintOptions) => runNow(constraintSteps(planConstraint(options)!));
const times = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i));

describe("regular expressions", () => {
  it.each([
    ["a count larger than any text", "a{99999999999}"],
    ["a large count of nothing", "(?:){1000000000}"],
    ["a large count of what may be left out", "(?:[^\\s\\S]?){2147483647}"],
    ["counts of counts of nothing", "((((){1000}){1000}){1000}){1000}"],
    ["a million alternatives", times(1_000_000, String).join("|")],
    ["a million empty alternatives", "|".repeat(1_000_000)],
    ["groups within groups", `${"(".repeat(100_000)}a${")".repeat(100_000)}`],
    ["some groups within groups", `${"(?:".repeat(20_000)}a${")?".repeat(20_000)}`],
    ["a class of very many", `[${"\\p{L}".repeat(60_000)}]`],
  ])("%s", (_, regex) => {
    expect(() => build({ regex })).toThrow(
      // Too deep for the parser is no regular expression; too deep for what follows is not supported.
      expect.toSatisfy(
        (error: unknown) => error instanceof UnsupportedError || error instanceof InvalidArgumentError,
      ) as Error,
    );
  });

  it.each([
    ["a large count", "a{1000000000}", "a".repeat(50)],
    ["a larger count that is none of a text", "a{3,99999999999}", "a".repeat(50)],
    ["counts of counts", "(((a{1000}){1000}){1000}){1000}", "a".repeat(50)],
    ["many alternatives, counted", `(?:${"a|".repeat(8000)}b){50}`, "ab".repeat(20)],
  ])("%s takes no more than a small one", (_, regex, beginning) => {
    const automaton = build({ regex });
    expect(automaton.finals.length).toBeLessThan(100);
    expect(read(automaton, beginning)).not.toBe("neither");
    expect(read(automaton, `${beginning}c`)).toBe("neither");
  });

  it.each(["[^\\s\\S]{1000000000}", "((([]{1000}){1000}){1000}){1000}", "(?:[]{20}){20,}"])(
    "no text at all: %s",
    (regex) => {
      expect(() => build({ regex })).toThrow(UnsatisfiableConstraintError);
    },
  );

  it("many alternatives are none too many", () => {
    const words = times(20_000, (i) => `word${i}`);
    expect(build({ regex: words.join("|") }).finals.length).toBeGreaterThan(20_000);
  });

  it("a large class in many places is none too large", () => {
    expect(build({ regex: "[\\p{L} ]{100,4000}(?:\\p{Lu}\\p{Ll}*)?" }).finals.length).toBeLessThan(20_000);
  });

  it("a class of many single characters is none too large", () => {
    const every = times(16_000, (i) => String.fromCodePoint(0x4e00 + i)).join("");
    expect(build({ regex: `[${every}]{2}` }).finals.length).toBeGreaterThan(2);
  });
});

/** Definitions each of which refers to the next one twice. */
function doubling(count: number, refer: (reference: object) => object): object {
  const names = times(count, (i) => `d${i}`);
  const definitions = names.map((name, i) => [
    name,
    i + 1 < count ? refer({ $ref: `#/$defs/d${i + 1}` }) : { type: "integer", minimum: 0 },
  ]);
  return { $defs: Object.fromEntries(definitions) as object, $ref: "#/$defs/d0" };
}

describe("schemas", () => {
  const shared = Array.from({ length: 60 }).reduce<object>((inner) => ({ items: inner, not: inner }), {});
  const deep = Array.from({ length: 5000 }).reduce<object>((items) => ({ type: "array", items }), {});
  it.each<[string, object]>([
    ["a reference to itself", { $ref: "#" }],
    [
      "references to each other",
      { $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" },
    ],
    ["a reference to itself, beside something", { $ref: "#", minimum: 1 }],
    ["all of itself", { allOf: [{ $ref: "#" }, { minimum: 1 }] }],
    ["references that double", doubling(60, (next) => ({ anyOf: [next, next], minimum: 1 }))],
    ["objects that are shared again and again", shared],
    ["deep nesting", deep],
    ["a longer array than any text", { type: "array", items: { type: "null" }, minItems: 1e10 }],
    ["very many values", { enum: times(1_000_000, String) }],
    [
      "very many options, each compared with each",
      { oneOf: times(20_000, String).map((value) => ({ const: value })) },
    ],
    [
      "very many first items",
      { type: "array", prefixItems: times(60_000, String).map(() => ({ type: "null" })) },
    ],
    [
      "a very long name",
      { type: "object", properties: { ["x".repeat(500_000)]: true }, additionalProperties: true },
    ],
    ["a pattern of its own kind", { type: "string", pattern: "((a{0,1000}){1000}){1000}" }],
  ])("%s", (_, jsonSchema) => {
    expect(() => build({ jsonSchema: jsonSchema as Record<string, unknown> })).toThrow(UnsupportedError);
  });

  it("a long string and a long array are none too long", () => {
    const string = build({ jsonSchema: { type: "string", maxLength: 1e9 } });
    expect(read(string, JSON.stringify("any text \n".repeat(20)))).toBe("text");
    const array = build({ jsonSchema: { type: "array", items: { type: "null" }, minItems: 1e9 } });
    expect(read(array, "[null, null")).toBe("beginning");
    expect(read(array, "[null, null]")).toBe("neither");
    expect(string.finals.length + array.finals.length).toBeLessThan(200);
  });

  it("one that contains itself is none", () => {
    const circular: Record<string, unknown> = { type: "array" };
    circular.items = circular;
    expect(() => build({ jsonSchema: circular })).toThrow(InvalidArgumentError);
  });

  it("values that differ in the order of their properties alone are the same", () => {
    const a = { const: { x: 1, y: 2 } };
    const b = { const: { y: 2, x: 1 } };
    expect(() => build({ jsonSchema: { oneOf: [a, b] } })).toThrow(UnsupportedError);
    expect(() => build({ jsonSchema: { enum: [{ x: 2 }], const: { x: 1 } } })).toThrow(
      UnsatisfiableConstraintError,
    );
    expect(build({ jsonSchema: { ...a, enum: [b.const] } }).finals.length).toBeGreaterThan(2);
  });

  it("a thousand properties and a thousand values are none too many", () => {
    const properties = Object.fromEntries(
      times(1000, (i) => `property ${i}`).map((name) => [name, { type: "integer" }]),
    );
    expect(build({ jsonSchema: { properties, additionalProperties: true } }).finals.length).toBeGreaterThan(
      1000,
    );
    expect(build({ jsonSchema: { enum: times(1000, String) } }).finals.length).toBeGreaterThan(1000);
  });
});
