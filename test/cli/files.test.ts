/** convert, quantize and inspect: commands about model files. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspect, type Inspection } from "../../lib/inspect.js";
import { writeRandomBert } from "../support/random-models.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson, jsonError } from "./run-cli.js";

let folder: string;
let checkpoint: string;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-files-"));
  checkpoint = join(folder, "checkpoint");
  await writeRandomBert(checkpoint, { hidden: 128, seed: 5 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("convert", () => {
  it("says what it wrote", async () => {
    const out = join(folder, "plain.gguf");
    const { exit, stdout, stderr } = await cli(["convert", checkpoint, out]);
    expect([exit, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\S+plain\.gguf: bert, [\d,]+ parameters, F32, [\d.]+ k?M?B, \d/);
    expect((await inspect(out)).name).toBe("checkpoint");
  });

  it("takes a type in either case, and a name", async () => {
    const out = join(folder, "narrow.gguf");
    const [printed] = await cliJson<{ path: string; type: string }>([
      "convert",
      checkpoint,
      out,
      "--type",
      "q4_k",
      "--name",
      "a name",
    ]);
    expect(printed).toMatchObject({ path: out, type: "Q4_K", architecture: "bert" });
    expect(await inspect(out)).toMatchObject({ name: "a name", type: "Q4_K" });
  });

  it("fails with one line, and leaves nothing behind", async () => {
    const target = join(folder, "target");
    await mkdir(target);
    const broken = join(folder, "broken");
    await writeRandomBert(broken, { seed: 6 });
    await writeFile(join(broken, "model.safetensors"), "too short");
    const result = await cli(["convert", broken, join(target, "out.gguf"), "--json"]);
    expect([result.exit, result.stdout]).toEqual([1, ""]);
    expect(jsonError(result).code).toBe("MODEL_FILE_INVALID");
    expect(await readdir(target)).toEqual([]);
  });
});

describe("quantize", () => {
  it("writes a model of another type, from a name", async () => {
    const out = join(folder, "mini-q4.gguf");
    const { exit, stdout, stderr } = await cli(["quantize", "mini-embed", out, "--type", "Q4_0"]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^\S+mini-q4\.gguf: bert, 11,170,560 parameters, Q4_0, [\d.]+ MB, \d/);
    expect(stderr).toMatch(/^26 tensors were quantized before .*\n$/);
    expect((await inspect(out)).type).toBe("Q4_0");
  });

  it("refuses to write over its input", async () => {
    const file = join(folder, "same.gguf");
    await cli(["convert", checkpoint, file]);
    const result = await cli(["quantize", file, file, "--type", "Q8_0", "--json"]);
    expect([result.exit, jsonError(result).code]).toEqual([2, "INVALID_ARGUMENT"]);
    expect((await inspect(file)).type).toBe("F32");
  });
});

describe("inspect", () => {
  it("prints what the library returns", async () => {
    const printed = await cliJson<Inspection>(["inspect", "mini-bert", "mini-gpt2"]);
    const expected = [await inspect("mini-bert"), await inspect("mini-gpt2")];
    expect(printed).toEqual(JSON.parse(JSON.stringify(expected)));
  });

  it("prints tables", async () => {
    const { exit, stdout, stderr } = await cli(["inspect", "mini-bert", "mini-gpt2"]);
    expect([exit, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^mini-bert\n\n {2}file .*mini-bert\.gguf/);
    expect(stdout).toMatch(/^ {2}tokenizer +WordPiece, 30,522 tokens/m);
    expect(stdout).toMatch(/^ {2}can +embed, fill-mask, next-sentence, pseudo-log-likelihood, bias-probe$/m);
    expect(stdout).toMatch(/^ {2}tokenizer +byte-level BPE, 8,192 tokens/m);
    expect(stdout).toMatch(/^ {2}Q8_0 +\d+ +[\d,]+ +[\d.]+ MB$/m);
    expect(stdout).not.toContain("blk.0.attn_q.weight");
  });

  it("lists tensors, and those that fell back to another type", async () => {
    const out = join(folder, "fallback.gguf");
    await cli(["convert", checkpoint, out, "--type", "Q4_K"]);
    const { stdout } = await cli(["inspect", out, "--tensors"]);
    // 128 values do not divide into blocks of 256, but into blocks of 32.
    expect(stdout).toMatch(/^ {2}blk\.0\.attn_q\.weight +Q5_0 +128 x 128 +Q4_K cannot hold this width$/m);
    expect(stdout).toMatch(/^ {2}blk\.0\.attn_q\.weight +Q5_0 +128 x 128$/m);
    expect(stdout).toMatch(/^ {2}position_embd\.weight +F32 +128 x 128$/m);
  });

  it("fails with a code and says which file", async () => {
    const file = join(folder, "damaged.gguf");
    await writeFile(file, Buffer.from("GGUF\u0003\0\0\0\u00ff\u00ff\u00ff\u00ff"));
    const result = await cli(["inspect", "mini-bert", file, "--json"]);
    expect(result.exit).toBe(1);
    expect(result.stdout.split("\n").length).toBe(2);
    expect(jsonError(result)).toMatchObject({ code: "MODEL_FILE_INVALID", details: { path: file } });
  });
});
