/** Large constraints are read in steps, between which the event loop turns. */
import { describe, expect, it } from "vitest";
import { constraintSteps, planConstraint, type ConstraintOptions } from "../../lib/constraint/constraint.js";
import { AbortError, Generator, InvalidArgumentError, UnsupportedError } from "../../lib/index.js";
import { runInSlices, runNow, type Steps } from "../../lib/tokenizer/time-slices.js";
import { read } from "../support/automaton.js";

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const grammarSteps = (options: ConstraintOptions) => planConstraint(options)!.grammar();

/** How many steps there are before the result. */
function count(steps: Steps<unknown>): number {
  let yields = 0;
  while (!steps.next().done) yields++;
  return yields;
}

const words = times(20_000, (i) => `word${i}`);
const objects = times(1000, (i) => ({ type: "object", properties: { [`name ${i}`]: { minLength: i } } }));

describe("steps of reading", () => {
  it.each<[string, ConstraintOptions, number]>([
    ["many alternatives", { regex: words.join("|") }, words.length],
    ["many letters", { regex: "a".repeat(16_000) }, 60],
    // Each is compared with every character.
    ["classes without case", { regex: /[\p{L}1][\p{L}2][\p{L}3]/iu }, 3 * 60],
    ["a property", { regex: String.raw`\p{Sc}` }, 60],
    [
      "a class of many letters",
      { regex: `[${times(16_000, (i) => String.fromCharCode(0x4e00 + i)).join("")}]` },
      1,
    ],
    ["many values", { jsonSchema: { enum: words } }, words.length],
    ["many schemas", { jsonSchema: { anyOf: objects } }, objects.length],
    ["schemas that are merged", { jsonSchema: { allOf: objects.slice(0, 400) } }, 400],
    ["schemas that are compared", { jsonSchema: { oneOf: times(300, (i) => ({ const: i })) } }, 40_000],
    [
      "names that are excluded",
      {
        jsonSchema: {
          properties: Object.fromEntries(words.map((w) => [w, true])),
          additionalProperties: true,
        },
      },
      words.length,
    ],
    [
      "a pattern of many alternatives",
      { jsonSchema: { pattern: words.join("|"), type: "string" } },
      2 * words.length,
    ],
  ])("%s", (_, options, least) => {
    expect(count(grammarSteps(options))).toBeGreaterThanOrEqual(least);
  });

  it("are taken between turns of the event loop", async () => {
    let turns = 0;
    let isDone = false;
    const turn = () => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    // Sixty-six million characters looked at: no machine does that in a few milliseconds.
    const classes = times(60, (i) => `[\\p{L}${i}]`).join("");
    await runInSlices(grammarSteps({ regex: new RegExp(classes, "iu") }));
    isDone = true;
    expect(turns).toBeGreaterThan(20);
  });
});

describe("a long regular expression", () => {
  it("is read in pieces as if it were whole", () => {
    // Bars in groups, classes and after a backslash are none to cut at.
    const parts = times(3000, (i) => [`a${i}(?:b|c|)`, `[|)(]${i}`, `\\|\\(${i}`, `${i}{2}`][i % 4]!);
    const automaton = runNow(constraintSteps(planConstraint({ regex: ["", ...parts].join("|") })!));
    const whole = new RegExp(`^(?:|${parts.join("|")})$`, "u");
    for (const text of [
      "",
      "a4",
      "a4b",
      "a4d",
      "a5b",
      "|1",
      ")2997",
      "(5",
      "[1",
      "|(2",
      "|(2998",
      "33",
      "37",
      "29992999",
      "299929992999",
      "a",
      "|",
    ]) {
      expect(read(automaton, text) === "text", text).toBe(whole.test(text));
    }
    const nested = `${words.join("|")}|[a[\\|]]|[[b\\|c]--[b]]`;
    const sets = runNow(constraintSteps(planConstraint({ regex: new RegExp(nested, "v") })!));
    expect(["[", "|", "a", "c", "b", "word19999"].map((text) => read(sets, text))).toEqual(
      ["text", "text", "text", "text", "neither", "text"].map((each, i) => (i === 0 ? "neither" : each)),
    );
  });

  it.each([
    ["an alternative that is too long", "a".repeat(20_000), UnsupportedError],
    ["the same after others", `${words.join("|")}|${"a".repeat(20_000)}`, UnsupportedError],
    ["the same before others", `${"a".repeat(20_000)}|${words.join("|")}`, UnsupportedError],
    ["a group that is not closed", `${words.join("|")}|(a|b`, InvalidArgumentError],
    ["a bracket too many", `${words.join("|")})|(a`, InvalidArgumentError],
    ["a backslash at the end", `${words.join("|")}\\`, InvalidArgumentError],
    [
      "very many classes",
      times(1000, (i) => `[\\p{L}${String.fromCharCode(0x4e00 + i)}]`).join("|"),
      UnsupportedError,
    ],
  ])("%s is refused", (_, source, kind) => {
    const steps = constraintSteps({
      key: "",
      grammar: () => grammarSteps({ regex: { source, flags: "iu" } as RegExp }),
    });
    expect(() => runNow(steps)).toThrow(kind);
  });
});

describe("a generation", () => {
  it("can be aborted while its constraint is read, and others that wait for the same go on", async () => {
    await using generator = await Generator.load("mini-gpt2", { threads: 1 });
    const regex = times(60, (i) => `(?:[\\p{L}${i}]|${i})`).join("");
    const controller = new AbortController();
    const options = { regex: new RegExp(regex, "iu"), maxTokens: 3 };
    const [aborted, other] = [controller.signal, undefined].map((signal) =>
      generator.generate("The sea", { ...options, signal }),
    );
    setImmediate(() => controller.abort());
    await expect(aborted).rejects.toThrow(AbortError);
    expect((await other!).tokens).toHaveLength(3);
  });

  it("reads the schema as it was when it was called", async () => {
    await using generator = await Generator.load("mini-gpt2", { threads: 1 });
    const jsonSchema = { enum: ["before"] };
    const generation = generator.generate("The sea", { jsonSchema, maxTokens: 20 });
    jsonSchema.enum = ["after"];
    expect((await generation).text).toBe('"before"');
  });
});
