import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encoder, type EmbeddedText, type EmbedOptions } from "../../lib/index.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson, jsonError } from "./run-cli.js";

interface Embedding {
  text: string;
  embedding: number[];
  truncated?: { length: number; limit: number };
}

let folder: string;
let encoder: Encoder;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-embed-"));
  encoder = await Encoder.load("mini-embed");
});
afterAll(async () => {
  await encoder?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** What the library gives for the texts: the command line has to print the very same floats. */
async function expectSame(actual: readonly Embedding[], texts: readonly string[], options?: EmbedOptions) {
  const vectors = await encoder.embed(texts, options);
  expect(actual.map(({ text }) => text)).toEqual(texts);
  expect(actual.map(({ embedding }) => Float32Array.from(embedding))).toEqual(vectors);
}

describe("texts", () => {
  const texts = ["a small boat", "", "海のそばの家 🌊"];

  it("come from arguments", async () => {
    await expectSame(await cliJson(["embed", ...texts]), texts);
  });

  it("come from standard input, one per line, blank ones included", async () => {
    await expectSame(await cliJson(["embed"], texts.join("\n")), texts);
    await expectSame(await cliJson(["embed"], `${texts.join("\r\n")}\r\n`), texts);
  });

  it("come from files and arguments, in that order of kinds", async () => {
    const first = join(folder, "first.txt");
    const second = join(folder, "second.txt");
    await writeFile(first, "\ufeffone\ntwo\n");
    await writeFile(second, "three");
    const args = ["embed", "zero", "--file", first, "-f", "-", "-f", second];
    await expectSame(await cliJson(args, "in between\n"), ["zero", "one", "two", "in between", "three"]);
  });

  it("are whole files with --whole", async () => {
    const file = join(folder, "whole.txt");
    await writeFile(file, "Call me Ishmael.\n\nSome years ago\n");
    await expectSame(await cliJson(["embed", "--whole", "--file", file]), [
      "Call me Ishmael.\n\nSome years ago",
    ]);
  });

  it("may be more than one group, with a line that spans chunks of the input", async () => {
    const long = "a very long line ".repeat(5000).trim();
    const many = [...Array.from({ length: 1100 }, (_, i) => `${i}`), long, "the end"];
    const printed = await cliJson<Embedding>(["embed", "--max-length", "8"], many.join("\n"));
    await expectSame(printed, many, { maxLength: 8 });
    expect(printed.at(-2)!.truncated).toMatchObject({ limit: 8 });
    expect(printed.at(-1)!.truncated).toBeUndefined();
  });

  it("may be none", async () => {
    expect(await cli(["embed"], "")).toEqual({ exit: 0, stdout: "", stderr: "" });
  });

  it("may begin with a dash after --", async () => {
    await expectSame(await cliJson(["embed"], "-5 degrees"), ["-5 degrees"]);
    const { exit, stdout } = await cli(["embed", "--json", "--", "-5 degrees"]);
    expect(exit).toBe(0);
    await expectSame([JSON.parse(stdout) as Embedding], ["-5 degrees"]);
  });
});

describe("options", () => {
  it.each<[string[], EmbedOptions]>([
    [["--pooling", "cls"], { pooling: "cls" }],
    [["--pooling", "max", "--no-normalize"], { pooling: "max", normalize: false }],
    [["--normalize", "--dimensions", "32"], { normalize: true, dimensions: 32 }],
    [["--prompt", "query: "], { prompt: "query: " }],
    [["--max-length", "4"], { maxLength: 4 }],
    [["--model", "mini-bert", "--threads", "1", "--device", "cpu"], {}],
  ])("%j reach the library", async (args, options) => {
    const texts = ["the white whale swam away", "a boat"];
    const printed = await cliJson<Embedding>(["embed", ...texts, ...args]);
    if (!args.includes("mini-bert")) return expectSame(printed, texts, options);
    const bert = await Encoder.load("mini-bert");
    const vectors = await bert.embed(texts);
    await bert.dispose();
    expect(printed.map(({ embedding }) => Float32Array.from(embedding))).toEqual(vectors);
  });
});

describe("for people", () => {
  it("prints a line per text and how similar a few texts are", async () => {
    const texts = ["a small boat", "a little ship", "tax law"];
    const { exit, stdout, stderr } = await cli(["embed", ...texts]);
    expect([exit, stderr]).toEqual([0, ""]);
    const lines = stdout.split("\n");
    for (const [i, text] of texts.entries()) {
      expect(lines[i]).toMatch(new RegExp(`^${i + 1} +${text} +256 values +\\[`));
    }
    const [boat, ship, tax] = await encoder.embed(texts);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const row = lines.find((line) => /^1 +a small boat +1\.000/.test(line));
    expect(row).toContain(dot(boat!, ship!).toFixed(3));
    expect(row).toContain(dot(boat!, tax!).toFixed(3));
  });

  it("says on standard error which texts were cut", async () => {
    const { exit, stderr } = await cli([
      "embed",
      "short",
      "much longer than the others",
      "--max-length",
      "4",
    ]);
    expect(exit).toBe(0);
    expect(stderr).toBe("Text 2 was cut from 7 to 4 tokens\n");
  });

  it("shows control characters instead of sending them to the terminal", async () => {
    const { stdout } = await cli(["embed", "red \u001b[31malert"]);
    expect(stdout).toContain("red \\u{1b}[31malert");
    expect(stdout).not.toContain("\u001b");
  });
});

describe("failures", () => {
  it("a text that is too long", async () => {
    const result = await cli(["embed", "--json", "word ".repeat(200)]);
    expect([result.exit, result.stdout]).toEqual([1, ""]);
    const { code, details } = jsonError(result);
    expect(code).toBe("INPUT_TOO_LONG");
    expect(details).toMatchObject({ length: 202, limit: 128 });
  });

  it.each([
    [["embed", "a", "--model", "no-such-model"], "MODEL_FILE_NOT_FOUND"],
    [["embed", "a", "--model", "mini-gpt2"], "UNSUPPORTED"],
    [["embed", "a", "--device", "abacus"], "DEVICE_UNAVAILABLE"],
    [["embed", "--file", "no-such-file.txt"], "INPUT_UNREADABLE"],
    [["embed", "--file", "lib"], "INPUT_UNREADABLE"],
  ])("%j exits with 1 and its code", async (args, code) => {
    const human = await cli(args);
    expect([human.exit, human.stdout]).toEqual([1, ""]);
    expect(human.stderr).toMatch(new RegExp(`^ggml-transformers: [^\\n]+ \\[${code}\\]\\n$`));
    expect(jsonError(await cli([...args, "--json"])).code).toBe(code);
  });

  it("a file that is not a model", async () => {
    const file = join(folder, "not-a-model.gguf");
    await writeFile(file, "This is not a model, whatever its name says.");
    const { exit, stderr } = await cli(["embed", "a", "--model", file]);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/^ggml-transformers: [^\n]+ \[MODEL_FILE_INVALID\]\n$/);
  });

  it("a value the model does not allow is wrong usage", async () => {
    const { exit, stderr } = await cli(["embed", "a", "--max-length", "100000"]);
    expect(exit).toBe(2);
    expect(stderr).toContain("[INVALID_ARGUMENT]");
  });
});

describe("embed-windows", () => {
  it("prints what the library returns", async () => {
    const book = "The sea was calm. A boat came in sight. ".repeat(30).trim();
    const args = ["embed-windows", book, "a small boat", "--max-length", "64", "--stride", "8"];
    const printed = await cliJson<EmbeddedText & { text: string }>(args);
    const results = await encoder.embedWindows([book, "a small boat"], { maxLength: 64, stride: 8 });
    expect(printed.map(({ windows }) => windows.length)).toEqual([results[0]!.windows.length, 1]);
    for (const [i, { vector, windows }] of printed.entries()) {
      expect(Float32Array.from(vector)).toEqual(results[i]!.vector);
      for (const [w, { start, end, vector: own }] of windows.entries())
        expect({ start, end, vector: Float32Array.from(own) }).toEqual(results[i]!.windows[w]);
    }
    const { exit, stdout } = await cli(args);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^1  0-\d+ +\d+ values  The sea was calm\./);
    const refused = await cli([...args, "--overflow", "refuse", "--json"]);
    expect([refused.exit, jsonError(refused).code]).toEqual([1, "INPUT_TOO_LONG"]);
  });
});
