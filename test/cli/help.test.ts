import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuilt } from "./built.js";
import { cli, ROOT } from "./run-cli.js";

const COMMANDS = [
  "embed",
  "embed-sparse",
  "embed-windows",
  "fill-mask",
  "next-sentence",
  "pseudo-log-likelihood",
  "bias-probe",
  "classify",
  "classify-zero-shot",
  "rerank",
  "recognize-entities",
  "detect-replaced",
  "answer",
  "attention",
  "generate",
  "score",
  "perplexity",
  "tokenize",
  "inspect",
  "convert",
  "quantize",
  "devices",
];

beforeAll(requireBuilt);

describe("help", () => {
  it("lists every command and the exit codes", async () => {
    const { exit, stdout, stderr } = await cli(["--help"]);
    expect([exit, stderr]).toEqual([0, ""]);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} +\\w`, "m"));
    for (const code of ["0", "1", "2", "130"]) expect(stdout).toMatch(new RegExp(`^  ${code} +\\w`, "m"));
  });

  it.each(COMMANDS)("%s: usage, options and examples that name the command", async (command) => {
    const [asOption, asCommand] = await Promise.all([cli([command, "--help"]), cli(["help", command])]);
    expect([asOption.exit, asOption.stderr]).toEqual([0, ""]);
    expect(asCommand).toEqual(asOption);
    expect(asOption.stdout).toContain(`Usage: ggml-transformers ${command} `);
    expect(asOption.stdout).toContain("--json");
    expect(asOption.stdout).toContain("Examples:");
    expect(asOption.stdout).toContain(`$ ggml-transformers ${command} `);
    expect(asOption.stdout).toContain("Exit codes:");
  });

  it("fits 100 columns", async () => {
    const pages = await Promise.all([
      cli(["--help"]),
      ...COMMANDS.map((command) => cli([command, "--help"])),
    ]);
    for (const { stdout } of pages) {
      for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(100);
    }
  });

  it("prints the version of the package", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    expect(await cli(["--version"])).toEqual({ exit: 0, stdout: `${version}\n`, stderr: "" });
  });
});

describe("wrong usage", () => {
  it.each([
    [["embd"], /unknown command 'embd'.*embed/],
    [["embed", "--pool", "mean", "a"], /unknown option '--pool'.*--pooling/],
    [["embed", "--pooling", "median", "a"], /mean, cls, max, last/],
    [["embed", "--max-length", "0", "a"], /an integer of at least 1/],
    [["embed", "--max-length", "1e2", "a"], /an integer of at least 1/],
    [["fill-mask", "--top-k", "many", "a [MASK]"], /an integer of at least 1/],
    [["fill-mask", "--temperature", "0", "a [MASK]"], /a number above 0/],
    [["next-sentence", "only one"], /two sentences/],
    [["generate", "--top-p", "1.5", "a"], /above 0 and at most 1/],
    [["generate", "--seed", "-1", "a"], /from 0 to 4294967295/],
    [["generate", "--logit-bias", "5", "a"], /a token id, = and a number/],
    [["generate", "--logit-bias", "5=x", "a"], /Expected a number/],
    [["generate", "--order", "topK,topX", "a"], /Expected some of logitBias, /],
    [["generate", "--temperature", "", "a"], /a number of at least 0/],
    [["convert", "folder"], /missing required argument 'out'/],
    [["quantize", "mini-embed", "out.gguf"], /--type/],
    [["quantize", "mini-embed", "out.gguf", "--type", "Q3_K"], /one of F32/],
    [["inspect"], /missing required argument/],
    [["devices", "extra"], /too many arguments/],
  ])("%j exits with 2 and one line", async (args, message) => {
    const result = await cli(args);
    expect([result.exit, result.stdout]).toEqual([2, ""]);
    expect(result.stderr).toMatch(/^ggml-transformers: [^\n]+ \[USAGE\]\n$/);
    expect(result.stderr).toMatch(message);
  });

  it("is JSON with --json", async () => {
    const { exit, stdout, stderr } = await cli(["embed", "--json", "--nope"]);
    expect([exit, stdout]).toEqual([2, ""]);
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    expect(error).toMatchObject({ code: "USAGE", message: expect.stringContaining("--nope") as string });
  });

  it("without a command shows the help on standard error", async () => {
    const { exit, stdout, stderr } = await cli([]);
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: ggml-transformers");
  });
});
