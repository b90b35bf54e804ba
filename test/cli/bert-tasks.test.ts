import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  attentionHtml,
  Encoder,
  type BiasProbe,
  type FillMaskResult,
  type NextSentenceResult,
  type PseudoLogLikelihood,
} from "../../lib/index.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson, jsonError } from "./run-cli.js";

let folder: string;
let encoder: Encoder;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-bert-"));
  encoder = await Encoder.load("mini-bert");
});
afterAll(async () => {
  await encoder?.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe("fill-mask", () => {
  const text = "The captain of the [MASK] gave an order.";

  it("prints what the library returns", async () => {
    const texts = [text, "He [MASK] the [MASK]."];
    const printed = await cliJson<FillMaskResult & { text: string }>(["fill-mask", ...texts, "--top-k", "3"]);
    const results = await encoder.fillMask(texts, { topK: 3 });
    expect(printed.map((each) => each.text)).toEqual(texts);
    expect(printed).toMatchObject(results);
  });

  it("scores targets, and names those that are no token", async () => {
    const targets = ["ship", "boat", "qwertzuiop"];
    const args = [
      "fill-mask",
      text,
      "--targets",
      "ship, boat",
      "--targets",
      "qwertzuiop",
      "--temperature",
      "2",
    ];
    const [printed] = await cliJson<FillMaskResult & { text: string }>(args);
    expect(printed).toEqual({ text, ...(await encoder.fillMask(text, { targets, temperature: 2 })) });
    expect(printed!.unknownTargets).toEqual(["qwertzuiop"]);
  });

  it("fills masks one after another when asked to", async () => {
    const masked = "He [MASK] the [MASK].";
    const [printed] = await cliJson<FillMaskResult>(["fill-mask", masked, "--filling", "sequential"]);
    expect(printed).toMatchObject(await encoder.fillMask(masked, { filling: "sequential" }));
  });

  it("reads lines and skips blank ones", async () => {
    const printed = await cliJson<{ text: string }>(["fill-mask"], `\n${text}\n  \nA [MASK] whale.\n`);
    expect(printed.map((each) => each.text)).toEqual([text, "A [MASK] whale."]);
  });

  it("prints a table per text", async () => {
    const { exit, stdout, stderr } = await cli(["fill-mask", text, "A [MASK] [MASK].", "-k", "2"]);
    expect([exit, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /^The captain .*\n( +\d+\.\d % +\S+ +the captain .*\n){2}\nA \[MASK\] \[MASK\]\.\n +mask 1\n( +\d.*\n){2} +mask 2\n( +\d.*\n){2} +together\n( +\d.*\n){2}$/,
    );
  });

  it("refuses a text without a mask, and a model without the head", async () => {
    const noMask = await cli(["fill-mask", "nothing is missing", "--json"]);
    expect([noMask.exit, jsonError(noMask).code]).toEqual([2, "INVALID_ARGUMENT"]);
    const noHead = await cli(["fill-mask", text, "--model", "mini-embed", "--json"]);
    expect([noHead.exit, jsonError(noHead).code]).toEqual([1, "UNSUPPORTED"]);
  });
});

describe("next-sentence", () => {
  const pair = ["He opened the door of the cabin.", "It was dark inside."] as const;

  it("prints what the library returns", async () => {
    const [printed] = await cliJson<NextSentenceResult & { a: string; b: string }>([
      "next-sentence",
      ...pair,
    ]);
    expect(printed).toEqual({ a: pair[0], b: pair[1], ...(await encoder.nextSentence(...pair)) });
  });

  it("reads pairs from lines with a tab", async () => {
    const file = join(folder, "pairs.tsv");
    await writeFile(file, `${pair.join("\t")}\n\n${pair.toReversed().join("\t")}\n`);
    const printed = await cliJson<{ a: string; probability: number }>(["next-sentence", "--file", file]);
    const results = await encoder.nextSentence([pair, [pair[1], pair[0]]]);
    expect(printed.map(({ probability }) => probability)).toEqual(results.map((each) => each.probability));
    expect(printed.map(({ a }) => a)).toEqual(pair);
  });

  it("prints a verdict", async () => {
    const { exit, stdout } = await cli(["next-sentence", ...pair]);
    const { probability } = await encoder.nextSentence(...pair);
    const verdict = probability >= 0.5 ? "follows" : "does not follow";
    expect(exit).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${(100 * probability).toFixed(1)} %  ${verdict}  He opened`));
  });

  it("names the line that is no pair", async () => {
    const result = await cli(["next-sentence", "--json"], `${pair.join("\t")}\nno tab here\n`);
    expect([result.exit, result.stdout]).toEqual([2, ""]);
    expect(jsonError(result)).toMatchObject({ code: "USAGE", details: { pair: 2 } });
  });
});

describe("embed-sparse", () => {
  const texts = ["a small boat", "the great whale"];

  it("prints what the library returns", async () => {
    const options = ["--pooling", "sum", "--activation", "log1p_relu", "--top-k", "7", "--prompt", "about: "];
    const args = ["embed-sparse", ...texts, ...options];
    const printed = await cliJson<{ text: string; indices: number[]; values: number[]; tokens: string[] }>(
      args,
    );
    const embeddings = await encoder.embedSparse(texts, {
      pooling: "sum",
      activation: "log1p_relu",
      topK: 7,
      prompt: "about: ",
    });
    expect(printed.map(({ text }) => text)).toEqual(texts);
    for (const [i, { indices, values, tokens }] of embeddings.entries()) {
      expect(printed[i]).toMatchObject({ indices: [...indices], tokens });
      expect(Float32Array.from(printed[i]!.values)).toEqual(values);
    }
  });

  it("shows the heaviest tokens in a line", async () => {
    const { exit, stdout } = await cli(["embed-sparse", texts[0]!, "--threshold", "1"]);
    const { values } = await encoder.embedSparse(texts[0]!, { threshold: 1 });
    expect(exit).toBe(0);
    expect(stdout).toMatch(new RegExp(`^a small boat +${values.length} weights +\\S+ \\d`));
    const refused = await cli(["embed-sparse", "a", "--threshold", "-1"]);
    expect(refused.exit).toBe(2);
  });
});

describe("pseudo-log-likelihood", () => {
  const texts = ["He went to sea.", "Sea to went he."];

  it("prints what the library returns", async () => {
    const printed = await cliJson<PseudoLogLikelihood>(["pseudo-log-likelihood", ...texts]);
    const results = await encoder.pseudoLogLikelihood(texts);
    expect(printed).toEqual(results.map((result, i) => Object.assign({ text: texts[i] }, result)));
    const { exit, stdout } = await cli(["pseudo-log-likelihood"], `${texts.join("\n")}\n`);
    expect(exit).toBe(0);
    expect(stdout).toMatch(
      /^ *score +pseudo-perplexity  text\n *-\d+\.\d{3} .*He went.*\n *-\d.*Sea to.*\n$/,
    );
  });
});

describe("bias-probe", () => {
  const pairs = [
    ["The women stayed at home.", "The men stayed at home."],
    ["The men went to war.", "The women went to war."],
  ] as const;
  const lines = pairs.map((pair) => pair.join("\t"));

  it("prints what the library returns", async () => {
    const printed = await cliJson<BiasProbe>(["bias-probe", ...lines, "--confidence", "0.9"]);
    expect(printed).toEqual([await encoder.biasProbe(pairs, { confidence: 0.9 })]);
    const { exit, stdout } = await cli(["bias-probe"], `${lines.join("\n\n")}\n`);
    expect(exit).toBe(0);
    expect(stdout).toMatch(
      /^( *-\d.*\n|.*preferred.*\n){3}\n\d+\.\d % of 2 pairs: .* confidence of 95\.0 %\)\n$/,
    );
  });

  it("names the line that is no pair", async () => {
    const result = await cli(["bias-probe", "--json"], `${lines[0]}\nno tab\n`);
    expect([result.exit, result.stdout]).toEqual([2, ""]);
    expect(jsonError(result)).toMatchObject({ code: "USAGE", details: { pair: 2 } });
  });
});

describe("attention", () => {
  const text = "The ship sailed.";

  it("writes the page that the library makes", async () => {
    const file = join(folder, "attention.html");
    const { exit, stdout } = await cli(["attention", text, "--html", file]);
    expect([exit, stdout]).toEqual([0, expect.stringContaining("attention.html")]);
    const output = await encoder.encode(text, { attentions: true });
    expect(await readFile(file, "utf8")).toBe(attentionHtml(output, { title: text }));
  });

  it("prints what each token looks at, or all as JSON", async () => {
    const { exit, stdout } = await cli(["attention", text, "--pair", "It sank."]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^token +looks at\n(\S+( +\S+ \d+ %){3}\n){10}$/);
    const [printed] = await cliJson<{ tokens: string[]; attentions: { shape: number[]; data: number[] } }>([
      "attention",
      text,
    ]);
    const { tokens, attentions } = await encoder.encode(text, { attentions: true });
    expect(printed!.tokens).toEqual(tokens);
    expect(printed!.attentions.shape).toEqual(attentions!.shape);
    expect(Float32Array.from(printed!.attentions.data)).toEqual(attentions!.data);
  });

  it("says what cannot be written", async () => {
    const result = await cli(["attention", text, "--html", join(folder, "no", "such.html"), "--json"]);
    expect(result.exit).toBe(1);
  });
});
