import { beforeAll, expect, it } from "vitest";
import { requireBuilt } from "./built.js";
import { cli, cliJson } from "./run-cli.js";

interface Printed {
  text: string;
  ids: number[];
  tokens: string[];
  offsets: [number, number][];
  typeIds: number[];
  specialTokensMask: number[];
  truncated: number;
}

beforeAll(requireBuilt);

// Ids of bert-base-uncased's vocabulary, as the reference gives them.
it("prints ids, tokens and offsets", async () => {
  const [printed] = await cliJson<Printed>(["tokenize", "Hello, wörld!"]);
  expect(printed).toEqual({
    text: "Hello, wörld!",
    ids: [101, 7592, 1010, 2088, 999, 102],
    tokens: ["[CLS]", "hello", ",", "world", "!", "[SEP]"],
    offsets: [
      [0, 0],
      [0, 5],
      [5, 6],
      [7, 12],
      [12, 13],
      [0, 0],
    ],
    typeIds: [0, 0, 0, 0, 0, 0],
    specialTokensMask: [1, 0, 0, 0, 0, 1],
    truncated: 0,
  });
});

it("takes a second text, leaves special tokens out, cuts", async () => {
  const [pair] = await cliJson<Printed>(["tokenize", "hello", "--pair", "world"]);
  expect(pair!.tokens).toEqual(["[CLS]", "hello", "[SEP]", "world", "[SEP]"]);
  expect(pair!.typeIds).toEqual([0, 0, 0, 1, 1]);
  const [bare] = await cliJson<Printed>(["tokenize", "hello world", "--no-special-tokens"]);
  expect(bare!.ids).toEqual([7592, 2088]);
  const [cut] = await cliJson<Printed>(["tokenize", "hello hello hello world", "--max-length", "4"]);
  expect(cut!.tokens).toEqual(["[CLS]", "hello", "hello", "[SEP]"]);
  expect(cut!.truncated).toBe(2);
});

it("uses the tokenizer of another model", async () => {
  const [printed] = await cliJson<Printed>(["tokenize", "the sea", "--model", "mini-gpt2"]);
  expect(printed!.tokens).toEqual(["the", "Ġsea"]);
  expect(printed!.offsets.map(([start, end]) => "the sea".slice(start, end)).join("")).toBe("the sea");
});

it("reads lines", async () => {
  const printed = await cliJson<Printed>(["tokenize"], "hello\n\nworld\n");
  expect(printed.map(({ ids }) => ids)).toEqual([
    [101, 7592, 102],
    [101, 102],
    [101, 2088, 102],
  ]);
});

it("prints a table", async () => {
  const { exit, stdout, stderr } = await cli(["tokenize", "Hello 世界"]);
  expect([exit, stderr]).toEqual([0, ""]);
  expect(stdout.split("\n").map((line) => line.trimEnd())).toEqual([
    "Hello 世界",
    "    id  token  offset  text",
    "   101  [CLS]",
    '  7592  hello  0-5     "Hello"',
    '  1745  世     6-7     "世"',
    '   100  [UNK]  7-8     "界"',
    "   102  [SEP]",
    "  5 tokens",
    "",
  ]);
});
