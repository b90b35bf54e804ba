/** Which tokens may follow a text, where that is known from another one too, beside what the automaton says of each. */
import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import type { Automaton } from "../../lib/constraint/automaton.js";
import { constraintSteps, planConstraint, type ConstraintOptions } from "../../lib/constraint/constraint.js";
import { runNow } from "../../lib/tokenizer/time-slices.js";
import { read } from "../support/automaton.js";
import { integer, random } from "../support/random.js";
import { buildProgram, BUILD_TIMEOUT, programPath } from "./build-program.js";

beforeAll(() => buildProgram("constraint_check"), BUILD_TIMEOUT);

interface Found {
  compared: number;
  shared: number;
  different: number;
  refused: boolean;
  /** Of the last text. */
  complete: boolean;
  text: number[];
  never: number[];
}

const SEED = 101;
const LETTERS = Array.from('aaaaaabbbc,.: "\\{}[]0123é漢');
const pick = <T>(next: () => number, values: readonly T[]): T => values[integer(next, values.length)]!;

/** Of one byte, of many, of about as many as are looked ahead, and of more; parts of characters, and one of nothing. */
function vocabulary(next: () => number): Buffer[] {
  const words = Array.from({ length: 300 }, () => {
    const length = 1 + integer(next, pick(next, [3, 8, 20, 45]));
    return Array.from({ length }, () => pick(next, LETTERS)).join("");
  });
  const runs = [2, 5, 15, 16, 17, 18, 33, 60].flatMap((length) =>
    ["a", "ab", "a,"].map((x) => x.repeat(length)),
  );
  const texts = [...new Set(LETTERS), ...words, ...runs, "", "é"].map((text) => Buffer.from(text));
  return [...texts, ...[...Buffer.from("é漢")].map((byte) => Buffer.of(byte))];
}

function compare(tokens: readonly Buffer[], automata: readonly Automaton[], walks: number, steps: number) {
  const numbers = [
    [tokens.length, ...tokens.flatMap((token) => [token.length, ...token])],
    ...automata.map(({ firstEdges, edges, finals, counts }) => [
      finals.length,
      ...firstEdges,
      ...finals,
      edges.length / 4,
      ...edges,
      counts.length / 2,
      ...counts,
    ]),
  ];
  const { status, stdout, stderr } = spawnSync(
    programPath("constraint_check"),
    [SEED, walks, steps].map(String),
    {
      input: numbers.map((each) => each.join(" ")).join("\n"),
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Found[];
}

const automatonOf = (options: ConstraintOptions) => runNow(constraintSteps(planConstraint(options)!));

function counted(next: () => number): string {
  const least = integer(next, pick(next, [2, 20, 60]));
  const most = least + integer(next, pick(next, [1, 4, 40, 90]));
  return pick(next, [`{${least},${Math.max(1, most)}}`, `{${Math.max(1, least)}}`, `{${least},}`]);
}

function randomRegex(next: () => number, depth = 0): string {
  const part = () => (depth < 3 ? randomRegex(next, depth + 1) : pick(next, ["a", "b", "[abé]", ",", "\\."]));
  switch (integer(next, 6)) {
    case 0:
      return `(?:${part()}|${part()})`;
    case 1:
      return `${part()}${part()}`;
    case 2:
      return `(?:${part()})${pick(next, ["?", "*", "+"])}`;
    case 3:
      return pick(
        next,
        ["[ab]", "\\p{L}", "[^a]", "a", "漢|a", '"'].map((each) => `(?:${each})${counted(next)}`),
      );
    default:
      return `(?:${part()})${counted(next)}`;
  }
}

function randomSchema(next: () => number, depth = 0): Record<string, unknown> {
  const count = () => integer(next, pick(next, [3, 25, 80]));
  const limits = (name: string) => {
    const least = count();
    return {
      [`min${name}`]: least,
      ...(next() < 0.7 && { [`max${name}`]: least + count() }),
    };
  };
  switch (depth < 2 ? integer(next, 4) : 0) {
    case 0:
      return { type: "string", ...limits("Length") };
    case 1:
      return {
        type: "array",
        items: randomSchema(next, depth + 1),
        ...limits("Items"),
      };
    case 2:
      return { anyOf: [randomSchema(next, depth + 1), { type: "integer" }] };
    default: {
      const properties = {
        a: randomSchema(next, depth + 1),
        b: randomSchema(next, depth + 1),
      };
      return { type: "object", properties, required: ["a"] };
    }
  }
}

const sum = (found: readonly Found[], key: "compared" | "shared" | "different") =>
  found.reduce((total, each) => total + each[key], 0);

describe(`the tokens that may follow (seed ${SEED})`, () => {
  const next = random(SEED);
  const tokens = vocabulary(next);

  it.each<readonly [string, readonly ConstraintOptions[]]>([
    [
      "a class, counted",
      ["[ab]{100,400}", "[\\p{L} ]{40}", "(?:a|b,){17,90}", "a{50,}"].map((regex) => ({ regex })),
    ],
    [
      "counts within counts",
      ["(?:(?:a{1,30}b){20,40},){30}", "(?:[ab]{40}|c){20,60}", "(?:a(?:b{0,50})?,){25}"].map((regex) => ({
        regex,
      })),
    ],
    ["random expressions", Array.from({ length: 40 }, () => ({ regex: randomRegex(next) }))],
    ["random schemas", Array.from({ length: 60 }, () => ({ jsonSchema: randomSchema(next) }))],
  ])("%s", (_, options) => {
    const automata = options.map(automatonOf);
    const found = compare(tokens, automata, 3, 30);
    found.forEach((each, i) => {
      expect(each.different, JSON.stringify(options[i])).toBe(0);
      const bytes = (ids: readonly number[]) => Buffer.concat(ids.map((id) => tokens[id]!));
      const text = bytes(each.text);
      if (each.refused || text.length > 150) return;
      // Read plainly, it is what the engine takes it for.
      expect(read(automata[i]!, text), JSON.stringify(options[i])).toBe(each.complete ? "text" : "beginning");
      for (const id of each.never.filter(() => next() < 0.01)) {
        expect(read(automata[i]!, bytes([...each.text, id])), JSON.stringify(options[i])).toBe("neither");
      }
    });
    expect(found.filter(({ refused }) => refused).length).toBeLessThan(options.length / 10);
    expect(sum(found, "compared")).toBeGreaterThan(20 * options.length);
    expect(sum(found, "shared")).toBeGreaterThan(sum(found, "compared") / 20);
  });
});
