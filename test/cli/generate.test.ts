import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addSamplingOptions, samplingSettings, type SamplingValues } from "../../lib/cli/sampling-options.js";
import { Generator, type GenerateOptions } from "../../lib/index.js";
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

it("hands every option of the draw to the library", async () => {
  const prompt = "The sea was the sea, and the ship was the ship";
  const settings: GenerateOptions = {
    maxTokens: 40,
    temperature: 1.3,
    dynamicTemperature: { range: 0.5, exponent: 0.7 },
    minP: 0.001,
    typicalP: 0.99,
    topNSigma: 4,
    xtc: { probability: 0.4, threshold: 0.15 },
    mirostat: { version: 2, tau: 6, eta: 0.3 },
    repetitionPenalty: 1.1,
    frequencyPenalty: 0.1,
    presencePenalty: 0.2,
    penaltyWindow: 30,
    dry: { multiplier: 0.7, base: 1.5, allowedLength: 1, window: 50, sequenceBreakers: ["sea", "."] },
    noRepeatNgramSize: 3,
    badWords: ["whale", "the ship"],
    minNewTokens: 20,
    suppressTokens: [11, 13],
    logitBias: { 300: 2, 301: -1.5, 302: -Infinity },
    seed: 3,
  };
  const args = (
    "-n|40|-t|1.3|--dynamic-range|0.5|--dynamic-exponent|0.7|--min-p|0.001|--typical-p|0.99" +
    "|--top-n-sigma|4|--xtc-probability|0.4|--xtc-threshold|0.15|--mirostat|2|--mirostat-tau|6" +
    "|--mirostat-eta|0.3|--repetition-penalty|1.1|--frequency-penalty|0.1|--presence-penalty|0.2" +
    "|--penalty-window|30|--dry-multiplier|0.7|--dry-base|1.5|--dry-allowed-length|1" +
    "|--dry-window|50|--dry-breaker|sea|--dry-breaker|.|--unique-ngram-size|3|--bad-word|whale" +
    "|--bad-word|the ship|--min-new-tokens|20|--suppress-token|11|--suppress-token|13" +
    "|--logit-bias|300=2|--logit-bias|301=-1.5|--logit-bias|302=-Infinity|-s|3"
  ).split("|");
  const seen: unknown[] = [];
  const command = new Command();
  addSamplingOptions(command.option("-n <n>")).action((values: SamplingValues) => {
    seen.push(samplingSettings(values));
  });
  command.parse(args, { from: "user" });
  const { maxTokens: _, logitBias, ...rest } = settings;
  const biases = new Map(Object.entries(logitBias!).map(([id, bias]) => [Number(id), bias as number]));
  expect(seen).toEqual([{ ...rest, logitBias: biases }]);

  const expected = await generator.generate(prompt, settings);
  const [printed] = await cliJson<Printed>(["generate", prompt, ...args]);
  expect(printed).toMatchObject({ text: expected.text, tokens: Array.from(expected.tokens), seed: 3 });
  const order = ["topP", "temperature"] as const;
  const ordered = await generator.generate(prompt, {
    maxTokens: 9,
    topP: 0.4,
    temperature: 4,
    seed: 3,
    order,
  });
  const line = [
    "generate",
    prompt,
    "-n",
    "9",
    "-p",
    "0.4",
    "-t",
    "4",
    "-s",
    "3",
    "--order",
    "topP,temperature",
  ];
  expect((await cliJson<Printed>(line))[0]!.text).toBe(ordered.text);
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

it("searches with beams", async () => {
  interface Found {
    sequences: { text: string; tokens: number[]; score: number }[];
  }
  const prompt = "The sea was";
  const settings = { numBeams: 4, numReturnSequences: 2, maxTokens: 12, noRepeatNgramSize: 2 };
  const options = { ...settings, lengthPenalty: 0.5, earlyStopping: "never" } as const;
  const expected = await generator.beamSearch(prompt, options);
  const args = ["--beams", "4", "--sequences", "2", "-n", "12", "--unique-ngram-size", "2"];
  const more = ["--length-penalty", "0.5", "--early-stopping", "never"];
  const [printed] = await cliJson<Found>(["generate", prompt, ...args, ...more]);
  expect(printed!.sequences.map(({ tokens }) => tokens)).toEqual(
    expected.sequences.map(({ tokens }) => [...tokens]),
  );
  const { stdout } = await cli(["generate", prompt, ...args, ...more]);
  expect(stdout).toContain(expected.sequences[1]!.text);
  for (const wrong of [
    ["--sequences", "2"],
    ["--beams", "2", "-t", "1"],
    ["--beams", "2", "-i"],
  ]) {
    expect((await cli(["generate", prompt, ...wrong])).exit).toBe(2);
  }
});

it("says how fast it was, whatever is printed", async () => {
  const run = async (...options: string[]) =>
    (await cli(["generate", "The sea was", "-n", "6", "--timings", ...options])).stderr;
  const each = /^prompt: 3 tokens in .*\nfirst token: after .*\ncontinuation: 6 tokens/;
  expect(await run()).toMatch(each);
  expect(await run("--json")).toMatch(each);
  expect(await run("--beams", "2")).toMatch(/^prompt: 3 tokens in .*\nfirst token: .*\nsearch: 6 steps in /);
});

it("follows a prompt more closely", async () => {
  const settings = { maxTokens: 12, guidanceScale: 2, negativePrompt: "The President" };
  const { text } = await generator.generate("The sea was", settings);
  const guided = ["-n", "12", "--guidance-scale", "2", "--negative-prompt", "The President"];
  const { stdout } = await cli(["generate", "The sea was", ...guided]);
  expect(stdout.trimEnd()).toBe(text.trimEnd());
});

it("writes only what a constraint allows", async () => {
  const schema = { type: "object", properties: { a: { enum: ["x", "y"] } }, required: ["a"] };
  const path = join(folder, "schema.json");
  await writeFile(path, JSON.stringify(schema));
  const regex = await cli(["generate", "Well? Answer:", "--regex", " (yes|no)"]);
  expect(regex.stdout).toMatch(/^ (?:yes|no)\n$/);
  for (const given of [path, JSON.stringify(schema)]) {
    const { stdout } = await cli(["generate", "JSON:", "--json-schema", given]);
    expect(["x", "y"]).toContain((JSON.parse(stdout) as { a: string }).a);
  }
  const beams = await cli(["generate", "Well? Answer:", "--regex", " (yes|no)", "--beams", "2"]);
  expect(beams.stdout).toMatch(/^ (?:yes|no)\n$/);
});

it.each([
  [["--regex", "a", "--json-schema", "true"], "not both"],
  [["--json-schema", "{"], "neither JSON"],
  [["--json-schema", "missing.json"], "neither JSON"],
  [["--regex", "(?=a)"], "lookahead"],
  [["--json-schema", "false"], "no text"],
])("refuses %j", async (options, message) => {
  const { exit, stderr } = await cli(["generate", "a", ...options]);
  expect(exit).toBeGreaterThan(0);
  expect(stderr).toContain(message);
});
