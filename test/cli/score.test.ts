import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generator, type ContinuationScores, type Perplexity, type TextScore } from "../../lib/index.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson, jsonError } from "./run-cli.js";

let folder: string;
let generator: Generator;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-score-"));
  generator = await Generator.load("mini-gpt2");
});
afterAll(async () => {
  await generator?.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe("score", () => {
  it("prints what the library gives, one line for each text", async () => {
    const texts = ["He went to sea.", "Sea to went he."];
    const scores = await generator.score(texts);
    const { exit, stdout } = await cli(["score", ...texts]);
    expect(exit).toBe(0);
    const lines = stdout.trimEnd().split("\n").slice(1);
    expect(lines.map((line) => Number(line.trim().split(/\s+/)[0]))).toEqual(
      scores.map(({ logProbability }) => Number(logProbability.toFixed(3))),
    );
    expect(lines.map((line, i) => line.endsWith(texts[i]!))).toEqual([true, true]);
  });

  it("prints a line for each token", async () => {
    const { tokens } = await generator.score("The whale is large.");
    const { stdout } = await cli(["score", "The whale is large.", "--tokens"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(tokens.length + 1);
  });

  it("hands every option to the library", async () => {
    const expected = await generator.score("The sea", { topK: 3, beginningOfText: true });
    const args = ["score", "The sea", "--top-k", "3", "--beginning-of-text"];
    const [printed] = await cliJson<TextScore & { text: string }>(args);
    expect(printed).toEqual({ text: "The sea", ...expected });
  });

  it("compares continuations, the likeliest first", async () => {
    const prompt = "The President of the United";
    const endings = [" whale", " States"];
    const expected = await generator.scoreContinuations(prompt, endings);
    const args = ["score", prompt, "-c", " whale", "-c", " States"];
    const [printed] = await cliJson<ContinuationScores>(args);
    expect(printed).toEqual({ text: prompt, ...expected });
    const { stdout } = await cli(args);
    expect(stdout.split("\n")[1]).toContain("United States");
  });

  it("says what is wrong with a text that is too long", async () => {
    const result = await cli(["score", "the sea and ".repeat(2000), "--json"]);
    expect(result.exit).not.toBe(0);
    expect(jsonError(result)).toMatchObject({ code: "INPUT_TOO_LONG" });
  });
});

it("says how fast it was when asked", async () => {
  const texts = ["The sea was calm.", "The men stood at the rail."];
  const scored = (await generator.score(texts)).reduce((sum, { scoredTokens }) => sum + scoredTokens, 0);
  const expected = new RegExp(`^scored: ${scored} tokens in .*, .* tokens/s$`, "m");
  expect((await cli(["score", ...texts, "--timings"])).stderr).toMatch(expected);
  expect((await cli(["score", ...texts, "--timings", "--json"])).stderr).toMatch(expected);
  const continuations = ["score", texts[0]!, "-c", " And", "-c", " The whale"];
  expect((await cli([...continuations, "--timings"])).stderr).toMatch(/^scored: \d+ tokens in /m);
  const file = join(folder, "timed.txt");
  await writeFile(file, texts[0]!);
  expect((await cli(["perplexity", file, "--timings"])).stderr).toMatch(/^scored: \d+ tokens in /m);
  expect((await cli(["score", ...texts])).stderr).toBe("");
});

describe("perplexity", () => {
  it("takes a whole file as one document, whatever its length", async () => {
    const document = "The ship sailed at noon, and the men stood at the rail.\n\n".repeat(60).trimEnd();
    const file = join(folder, "document.txt");
    await writeFile(file, `${document}\n`);
    const expected = await generator.perplexity(document, { stride: 100, contextLength: 200 });
    const args = ["perplexity", file, "--stride", "100", "--context-length", "200"];
    const [printed] = await cliJson<Perplexity & { file: string }>(args);
    expect(printed).toEqual({ file, ...expected });
    expect(printed!.windows).toBeGreaterThan(1);
    const { stdout } = await cli(args);
    expect(Number(stdout.split(" ")[0])).toBe(Number(expected.perplexity.toPrecision(6)));
  });

  it("names a file that is missing", async () => {
    const { exit, stderr } = await cli(["perplexity", join(folder, "none.txt")]);
    expect(exit).not.toBe(0);
    expect(stderr).toContain("none.txt");
  });
});
