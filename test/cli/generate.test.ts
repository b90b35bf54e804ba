import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Generator } from "../../lib/index.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson, jsonError } from "./run-cli.js";

interface Printed {
  prompt: string;
  text: string;
  tokens: number[];
  finishReason: string;
  seed: number;
  stopString?: string;
  logprobs?: number[];
  timings: { generatedTokens: number };
}

let folder: string;
let generator: Generator;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-generate-"));
  generator = await Generator.load("mini-gpt2");
});
afterAll(async () => {
  await generator?.dispose();
  await rm(folder, { recursive: true, force: true });
});

it("prints the continuation and nothing else", async () => {
  const { text } = await generator.generate("The sea was", { maxTokens: 12 });
  const { exit, stdout, stderr } = await cli(["generate", "The sea was", "--max-tokens", "12"]);
  expect([exit, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(text.endsWith("\n") ? text : `${text}\n`);
});

it("prints the prompt before it with --echo", async () => {
  const { text } = await generator.generate("The sea was", { maxTokens: 5 });
  const { stdout } = await cli(["generate", "The sea was", "-n", "5", "--echo"]);
  expect(stdout.trimEnd()).toBe(`The sea was${text}`.trimEnd());
});

it("hands every option to the library", async () => {
  const settings = { maxTokens: 30, temperature: 0.9, topK: 20, topP: 0.95, seed: 7 };
  const expected = await generator.generate("My fellow citizens", { ...settings, logprobs: true });
  const args = ["-n", "30", "-t", "0.9", "-k", "20", "-p", "0.95", "-s", "7", "--logprobs"];
  const [printed] = await cliJson<Printed>(["generate", "My fellow citizens", ...args]);
  expect(printed).toMatchObject({
    prompt: "My fellow citizens",
    text: expected.text,
    tokens: Array.from(expected.tokens),
    finishReason: expected.finishReason,
    seed: 7,
  });
  expect(Float32Array.from(printed!.logprobs!)).toEqual(expected.logprobs);
  expect(printed!.timings.generatedTokens).toBe(expected.tokens.length);
});

it("ends at a stop string", async () => {
  const free = await generator.generate("The sea was", { maxTokens: 40 });
  const words = free.text.trim().split(/\s+/);
  const stop = words[Math.floor(words.length / 2)]!;
  const [printed] = await cliJson<Printed>([
    "generate",
    "The sea was",
    "-n",
    "40",
    "--stop",
    stop,
    "--stop",
    "§",
  ]);
  expect(printed).toMatchObject({ finishReason: "stop", stopString: stop });
  expect(printed!.text).toBe(free.text.slice(0, free.text.indexOf(stop)));
});

it("answers many prompts in their order, the same as one by one", async () => {
  const prompts = Array.from(
    { length: 12 },
    (_, i) => `The ${["sea", "ship", "whale", "king"][i % 4]} number ${i}`,
  );
  const file = join(folder, "prompts.txt");
  await writeFile(file, prompts.join("\n\n"));
  const printed = await cliJson<Printed>(["generate", "--lines", "--file", file, "-n", "5"]);
  expect(printed.map(({ prompt }) => prompt)).toEqual(prompts);
  for (const { prompt, text } of printed) {
    expect(text).toBe((await generator.generate(prompt, { maxTokens: 5 })).text);
  }
});

it("takes standard input as one prompt", async () => {
  const prompt = "It was a dark night.\nThe sea";
  const [printed, ...more] = await cliJson<Printed>(["generate", "-n", "3"], `${prompt}\n`);
  expect(more).toEqual([]);
  expect(printed!.prompt).toBe(prompt);
});

it("refuses a prompt longer than the context", async () => {
  const result = await cli(["generate", "--json"], "sea ".repeat(2000));
  expect([result.exit, result.stdout]).toEqual([1, ""]);
  expect(jsonError(result)).toMatchObject({ code: "INPUT_TOO_LONG", details: { limit: 512 } });
});

it("refuses an encoder", async () => {
  const result = await cli(["generate", "a", "--model", "mini-bert"]);
  expect([result.exit, result.stdout]).toEqual([1, ""]);
  expect(result.stderr).toMatch(/ \[UNSUPPORTED\]\n$/);
});
