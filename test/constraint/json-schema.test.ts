/** Automata of JSON Schemas beside a validator of JSON Schema. */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, it } from "vitest";
import { buildAutomaton } from "../../lib/constraint/automaton.js";
import { FORMATS } from "../../lib/constraint/json-formats.js";
import { jsonSchemaGrammar } from "../../lib/constraint/json-schema.js";
import { runNow } from "../../lib/tokenizer/time-slices.js";
import { InvalidArgumentError, UnsatisfiableConstraintError, UnsupportedError } from "../../lib/index.js";
import { randomText, read } from "../support/automaton.js";
import { random } from "../support/random.js";

const automatonOf = (schema: unknown) => buildAutomaton(runNow(jsonSchemaGrammar(schema)));

function validatorOf(schema: unknown) {
  const ajv = new Ajv2020({ strict: false, validateFormats: true, ownProperties: true });
  addFormats.default(ajv);
  return ajv.compile(schema as object | boolean);
}

const PERSON = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "A person",
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 8, description: "Given name" },
    age: { type: "integer", minimum: 0, maximum: 130 },
    married: { type: "boolean", default: false },
    tags: { type: "array", items: { enum: ["sea", "whale", 7, null] }, maxItems: 3 },
  },
  required: ["name", "tags"],
};
const LIST = {
  $defs: {
    node: {
      type: "object",
      properties: { v: { type: "null" }, next: { $ref: "#/$defs/node" } },
      required: ["v"],
    },
  },
  $ref: "#/$defs/node",
};
const SHAPES = {
  oneOf: [
    {
      type: "object",
      properties: { kind: { const: "circle" }, r: { type: "number", exclusiveMinimum: 0 } },
      required: ["kind", "r"],
    },
    { type: "object", properties: { kind: { const: "square" }, a: { type: "integer" } }, required: ["kind"] },
    { type: "null" },
  ],
};

/** Each with JSON texts that are, and are not, to be written. */
const CASES: readonly { schema: unknown; yes?: readonly unknown[]; no?: readonly string[] }[] = [
  {
    schema: true,
    yes: [1, "a", null, [], {}, [1, [2, { a: "b" }]], { a: { b: [] } }, -1.5e10],
    no: ["", "tru", "01", '{"a"}', "[1,]", "1 "],
  },
  { schema: {}, yes: [[{ a: null }]], no: ["[", "nul"] },
  { schema: { type: "string" }, yes: ["", 'a"b\\c\n', "漢😀"], no: ["a", '"', '"\u0001"', '"\\x"'] },
  {
    schema: { type: "string", minLength: 2, maxLength: 3 },
    yes: ["ab", "😀😀😀", '"\n'],
    no: ['"a"', '"abcd"'],
  },
  { schema: { type: "string", pattern: '^[a-c"\\\\\n]+$' }, yes: ["ab", '"\\\n'], no: ['"d"', '"\n"'] },
  { schema: { type: "string", pattern: "b[0-9]" }, yes: ["b1", "xxb2yy", '\tb3"'], no: ['"b"', '"b\t1"'] },
  { schema: { type: ["string", "null"] }, yes: [null, "x"], no: ["1"] },
  {
    schema: { enum: ["a", 1, null, { b: [1] }, "é\n"] },
    yes: ["a", 1, null, { b: [1] }, "é\n"],
    no: ["2", '"b"'],
  },
  { schema: { type: "string", enum: ["a", 1] }, yes: ["a"], no: ["1"] },
  { schema: { const: false }, yes: [false], no: ["true"] },
  { schema: { const: 1, enum: [1, 2] }, yes: [1], no: ["2"] },
  { schema: { type: "integer" }, yes: [0, -12, 123456789012345], no: ["-0", "1.0", "1e3", "007"] },
  { schema: { type: "number" }, yes: [0, -0.5, 1.25e-7, 1e21], no: ["1.", ".5", "+1", "0x1", "1e", "NaN"] },
  { schema: { type: ["integer", "number"] }, yes: [1, 1.5] },
  {
    schema: PERSON,
    yes: [
      { name: "Ada", tags: [] },
      { name: "Bo", age: 130, married: true, tags: ["sea", null] },
    ],
    no: [
      '{"tags": []}',
      '{"name": "Ada", "tags": [], "x": 1}',
      '{"name": "", "tags": []}',
      '{"name": "Ada", "age": 131, "tags": []}',
    ],
  },
  {
    schema: LIST,
    yes: [{ v: null }, { v: null, next: { v: null, next: { v: null } } }],
    no: ['{"v": null, "next": {}}'],
  },
  {
    schema: SHAPES,
    yes: [{ kind: "circle", r: 0.5 }, { kind: "square" }, null],
    no: ['{"kind": "circle", "r": 0}', '{"kind": "square", "r": 1}'],
  },
  {
    schema: {
      type: "array",
      prefixItems: [{ type: "integer" }, { type: "boolean" }],
      items: { type: "null" },
    },
    yes: [[], [1], [1, true], [1, true, null, null]],
    no: ["[true]", "[1,true,2]"],
  },
  {
    schema: {
      type: "array",
      prefixItems: [{ type: "integer" }, { type: "boolean" }],
      items: false,
      minItems: 1,
    },
    yes: [[1], [1, false]],
    no: ["[]", "[1,true,null]"],
  },
  {
    schema: {
      type: "array",
      prefixItems: [{ type: "integer" }],
      items: { type: "null" },
      minItems: 3,
      maxItems: 4,
    },
    yes: [
      [1, null, null],
      [1, null, null, null],
    ],
    no: ["[1,null]", "[1,null,null,null,null]"],
  },
  {
    schema: { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 2 },
    yes: [[1, 2]],
    no: ["[1]", "[1,2,3]"],
  },
  { schema: { type: "array", maxItems: 0 }, yes: [[]], no: ["[1]"] },
  { schema: { type: "array", items: false }, yes: [[]], no: ["[1]"] },
  { schema: { type: "object" }, yes: [{}, { a: [1], b: {} }], no: ["[]"] },
  {
    schema: { type: "object", additionalProperties: { type: "integer" } },
    yes: [{}, { a: 1, "": 2 }],
    no: ['{"a": "b"}'],
  },
  {
    schema: {
      type: "object",
      properties: { ab: { type: "null" }, a: { type: "null" } },
      additionalProperties: { type: "integer" },
      required: ["c"],
    },
    yes: [{ c: 1 }, { ab: null, a: null, c: 1, abc: 2, b: 3, "": 4 }],
    no: ['{"ab": 1, "c": 1}', '{"c": 1, "a": 2}', "{}", '{"a": null}'],
  },
  { schema: { type: "object", properties: { a: true, b: false } }, yes: [{ a: [] }, {}], no: ['{"b": 1}'] },
  { schema: { properties: { a: { const: 1 } }, required: ["a"] }, yes: [{ a: 1 }], no: ["{}"] },
  {
    schema: { type: "object", properties: { a: { $ref: "#/properties/b" }, b: { type: "boolean" } } },
    yes: [{ a: true, b: false }],
    no: ['{"a": 1}'],
  },
  {
    schema: {
      allOf: [
        { type: "object", properties: { a: { type: "number" } }, required: ["a"] },
        { properties: { a: { type: "integer", minimum: 3 }, b: { type: "null" } } },
        { required: ["b"] },
      ],
    },
    yes: [{ a: 3, b: null }],
    no: ['{"a": 2, "b": null}', '{"a": 3}', '{"a": 3.5, "b": null}'],
  },
  {
    schema: { allOf: [{ type: "integer", minimum: 5 }, { maximum: 7 }, { minimum: 6 }] },
    yes: [6, 7],
    no: ["5", "8"],
  },
  {
    schema: {
      type: "object",
      properties: { a: { type: "integer" } },
      required: ["a"],
      anyOf: [
        { properties: { b: { type: "null" } }, required: ["b"] },
        { properties: { c: { type: "boolean" } }, required: ["c"] },
      ],
    },
    yes: [
      { a: 1, b: null },
      { a: 1, c: true },
    ],
    no: ['{"a": 1}'],
  },
  {
    schema: { $defs: { a: { type: "integer" } }, $ref: "#/$defs/a", minimum: 4, maximum: 5 },
    yes: [4, 5],
    no: ["3"],
  },
  { schema: { $defs: { "x/y~z %": { type: "null" } }, $ref: "#/$defs/x~1y~0z%20%25" }, yes: [null] },
  {
    schema: {
      anyOf: [
        { type: "string", maxLength: 1 },
        { type: "integer", minimum: 0, maximum: 9 },
      ],
    },
    yes: ["a", 7],
    no: ["10"],
  },
  { schema: { anyOf: [false, { type: "null" }] }, yes: [null] },
  { schema: { type: "array", items: { $ref: "#" }, maxItems: 2 }, yes: [[], [[], [[]]]], no: ["[1]"] },
  { schema: { type: "array", uniqueItems: false, maxItems: 1 }, yes: [[1]] },
  {
    schema: {
      type: "object",
      properties: { ["__proto__"]: { type: "null" }, constructor: { type: "null" } },
    },
    yes: [{ constructor: null }],
  },
];

describe.each(CASES)("$schema", ({ schema, yes = [], no = [] }) => {
  it("allows JSON that is valid, and nothing else (seed 94)", () => {
    const automaton = automatonOf(schema);
    const isValid = validatorOf(schema);
    const next = random(94);
    let drawn = 0;
    for (let i = 0; i < 120; i++) {
      const text = randomText(automaton, next, 300);
      if (text === undefined) continue;
      drawn++;
      const value: unknown = JSON.parse(text);
      expect(isValid(value), text).toBe(true);
    }
    expect(drawn).toBeGreaterThan(2);
    for (const value of yes) {
      expect(isValid(value), `the test is wrong about ${JSON.stringify(value)}`).toBe(true);
      expect(read(automaton, JSON.stringify(value)), JSON.stringify(value)).toBe("text");
      const spaced = JSON.stringify(value, null, 1)
        .replaceAll(/\n\s*(?=[\]}])|(?<=[[{])\n\s*/g, "")
        .replaceAll(/\n\s*/g, " ");
      // Listed values are written as they are.
      if (!JSON.stringify(schema).startsWith('{"enum"')) expect(read(automaton, spaced), spaced).toBe("text");
    }
    for (const text of no) expect(read(automaton, text), text).not.toBe("text");
  });
});

describe("bounds of numbers (seed 95)", () => {
  const next = random(95);
  const bound = () => {
    const digits = Math.floor(next() * 5);
    return Number(((next() - 0.4) * 10 ** Math.floor(next() * 5)).toFixed(digits));
  };
  const bounds = Array.from({ length: 60 }, () => {
    const [a, b] = [bound(), bound()].sort((x, y) => x - y) as [number, number];
    return {
      ...(next() < 0.8 && { [next() < 0.5 ? "minimum" : "exclusiveMinimum"]: a }),
      ...(next() < 0.8 && { [next() < 0.5 ? "maximum" : "exclusiveMaximum"]: b }),
    } as Record<string, number>;
  });

  it.each(["number", "integer"])("of a %s", (type) => {
    let checked = 0;
    for (const each of bounds) {
      const schema = { type, ...each };
      const isValid = validatorOf(schema);
      let automaton;
      try {
        automaton = automatonOf(schema);
      } catch (error) {
        expect(error, JSON.stringify(schema)).toBeInstanceOf(UnsatisfiableConstraintError);
        const {
          minimum = -1e9,
          exclusiveMinimum: from = minimum,
          maximum = 1e9,
          exclusiveMaximum: to = maximum,
        } = each;
        for (let x = Math.ceil(from); x <= to; x++) expect(isValid(x), JSON.stringify(schema)).toBe(false);
        continue;
      }
      for (let i = 0; i < 40; i++) {
        const text = randomText(automaton, next, 40);
        if (text !== undefined)
          expect(isValid(JSON.parse(text)), `${JSON.stringify(schema)} ${text}`).toBe(true);
      }
      const near = Object.values(each).flatMap((x) => [
        x,
        x - 0.01,
        x + 0.01,
        x - 1,
        x + 1,
        Math.round(x),
        -x,
        x * 0.5,
      ]);
      for (const x of near.map((value) => Number(value.toFixed(6)))) {
        const text = JSON.stringify(x);
        const mustBe = isValid(x) && !text.includes("e") && !Object.is(x, -0);
        expect(read(automaton, text) === "text", `${JSON.stringify(schema)} ${text}`).toBe(mustBe);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(300);
  });
});

describe("formats", () => {
  it.each(Object.keys(FORMATS))("%s (seed 96)", (format) => {
    const schema = { type: "string", format };
    const automaton = automatonOf(schema);
    const isValid = validatorOf(schema);
    const next = random(96);
    let drawn = 0;
    for (let i = 0; i < 300; i++) {
      const text = randomText(automaton, next, 400);
      if (text === undefined) continue;
      drawn++;
      expect(isValid(JSON.parse(text)), text).toBe(true);
    }
    expect(drawn).toBeGreaterThan(200);
  });

  it("know leap years", () => {
    const automaton = automatonOf({ type: "string", format: "date" });
    for (const date of ["2024-02-29", "2000-02-29", "1999-12-31"])
      expect(read(automaton, `"${date}"`)).toBe("text");
    for (const date of ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01"])
      expect(read(automaton, `"${date}"`)).toBe("neither");
  });
});

describe("what is refused", () => {
  it.each([
    { not: { type: "string" } },
    { type: "object", patternProperties: { a: true } },
    { type: "object", minProperties: 1 },
    { type: "array", uniqueItems: true },
    { type: "array", contains: { const: 1 } },
    { type: "number", multipleOf: 0.1 },
    { if: true, else: false },
    { type: "string", minlength: 3 },
    { type: "string", format: "regex" },
    { type: "string", minLength: 1, pattern: "a" },
    { enum: ["a"], minLength: 1 },
    { oneOf: [{ type: "string" }, { type: ["string", "null"] }] },
    { oneOf: [{ type: "number" }, { type: "integer" }] },
    { anyOf: [true], oneOf: [true] },
    { allOf: [{ pattern: "a" }, { pattern: "b" }] },
    { $ref: "https://example.com/schema" },
    { type: "number", minimum: 1e-9 },
    { anyOf: [{ $ref: "#" }, { type: "string" }] },
    { type: "object", properties: { a: { $ref: "#", type: "object" } } },
    { type: "string", pattern: "(?=a)b" },
  ])("%j: not followed", (schema) => {
    expect(() => automatonOf(schema)).toThrow(UnsupportedError);
  });

  it.each([
    null,
    7,
    { type: "text" },
    { type: [] },
    { properties: [] },
    { required: "a" },
    { items: [{}] },
    { minLength: -1 },
    { minLength: 1.5 },
    { anyOf: [] },
    { minimum: "1" },
    { properties: { a: 1 } },
    { $ref: "#/$defs/none" },
    { $ref: "#", $defs: {} },
    { type: "string", pattern: "(" },
  ])("%j: no schema", (schema) => {
    // The first reference to itself has no text; the others are wrong.
    const error = JSON.stringify(schema).startsWith('{"$ref":"#",') ? UnsupportedError : InvalidArgumentError;
    expect(() => automatonOf(schema)).toThrow(error);
  });

  it.each([
    false,
    { enum: [] },
    { type: "string", enum: [1] },
    { type: "integer", minimum: 3, maximum: 2 },
    { type: "integer", exclusiveMinimum: 1, exclusiveMaximum: 2 },
    { type: "number", minimum: 1, exclusiveMaximum: 1 },
    { type: "object", properties: { a: false }, required: ["a"] },
    { type: "object", properties: {}, additionalProperties: false, required: ["a"] },
    { type: "array", items: false, minItems: 1 },
    { type: "array", minItems: 2, maxItems: 1 },
    { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] },
    { allOf: [{ type: "string" }, { type: "integer" }] },
    { allOf: [{ type: "string" }, false] },
    { type: "string", minLength: 3, maxLength: 2 },
    { type: "string", pattern: "^[^\\s\\S]$" },
  ])("%j: nothing is valid", (schema) => {
    expect(() => automatonOf(schema)).toThrow(UnsatisfiableConstraintError);
  });
});
