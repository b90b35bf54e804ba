/** Ctrl-C, and readers that go away. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { writeRandomBert } from "../support/random-models.js";
import { requireBuilt } from "./built.js";
import { cli, MAIN, startCli } from "./run-cli.js";

/** util-linux has it: runs a command on a terminal of its own. */
const hasScript =
  process.platform === "linux" && spawnSync("script", ["--version"], { encoding: "utf8" }).status === 0;

let folder: string;
let checkpoint: string;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-stopping-"));
  checkpoint = join(folder, "checkpoint");
  // Large enough that Q4_K, the slowest type to make, takes seconds.
  const shape = { hidden: 768, layers: 6, heads: 12, vocabSize: 4000, tokenizerFormat: "json" as const };
  await writeRandomBert(checkpoint, { ...shape, keepWeights: false });
  await convert(checkpoint, join(folder, "source.gguf"));
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Waits until the command has begun to write into `target`. */
async function begun(target: string, ended: () => boolean): Promise<void> {
  while ((await readdir(target)).length === 0) {
    if (ended()) throw new Error("The command ended before it wrote anything");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe.skipIf(process.platform === "win32")("Ctrl-C", () => {
  it.each([
    ["convert", () => [checkpoint, "out.gguf", "--type", "Q4_K"]],
    ["quantize", () => [join(folder, "source.gguf"), "out.gguf", "--type", "Q4_K"]],
  ])("during %s leaves nothing behind", async (command, args) => {
    const target = await mkdtemp(join(folder, "target-"));
    const { child, result } = startCli([command, ...args()], { cwd: target });
    await begun(target, () => child.exitCode !== null);
    child.kill("SIGINT");
    expect(await result).toEqual({
      exit: 130,
      stdout: "",
      stderr: "ggml-transformers: stopped by Ctrl-C [ABORTED]\n",
    });
    expect(await readdir(target)).toEqual([]);
  });

  it("ends embedding, with more input to come", async () => {
    const { child, result, printed } = startCli(["embed", "--json"]);
    child.stdin.write("a line\n".repeat(1024));
    await printed('"a line"');
    child.kill("SIGINT");
    const { exit, stderr } = await result;
    expect(exit).toBe(130);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "ABORTED" } });
  });

  it("ends a generation, and the line it had begun", async () => {
    const { child, result, printed } = startCli(["generate", "--lines", "--ignore-eos", "-n", "500"]);
    child.stdin.write("The sea\n".repeat(50));
    await printed("e");
    child.kill("SIGINT");
    const { exit, stdout, stderr } = await result;
    expect(exit).toBe(130);
    expect(stdout.endsWith("\n")).toBe(true);
    expect(stderr).toBe("ggml-transformers: stopped by Ctrl-C [ABORTED]\n");
  });

  it("a termination is reported as such", async () => {
    const { child, result, printed } = startCli(["tokenize"]);
    child.stdin.write("a line\n");
    await printed("tokens");
    child.kill("SIGTERM");
    expect((await result).exit).toBe(128 + constants.signals.SIGTERM);
  });
});

describe("a reader that has seen enough", () => {
  it.each([
    ["embed", "a line\n".repeat(20_000)],
    ["tokenize", "a line\n".repeat(20_000)],
    ["generate", "The sea\n".repeat(200)],
  ])("ends %s quietly", async (command, input) => {
    const args = command === "generate" ? ["--lines", "-n", "100"] : [];
    const { child, result } = startCli([command, "--json", ...args]);
    child.stdin.write(input);
    await once(child.stdout, "data");
    child.stdout.destroy();
    const { exit, stderr } = await result;
    expect([exit, stderr]).toEqual([0, ""]);
  });
});

describe("progress", () => {
  it("is not shown where standard error is no terminal", async () => {
    const target = await mkdtemp(join(folder, "target-"));
    const { exit, stderr } = await cli(["convert", checkpoint, join(target, "out.gguf"), "--type", "Q5_K"]);
    expect([exit, stderr]).toEqual([0, ""]);
    expect(await readdir(target)).toEqual(["out.gguf"]);
  });

  it.skipIf(!hasScript)("is shown on a terminal, and leaves it as it was", async () => {
    const target = await mkdtemp(join(folder, "target-"));
    const command = [process.execPath, MAIN, "convert", checkpoint, "out.gguf", "--type", "Q4_K"]
      .map((word) => `'${word}'`)
      .join(" ");
    const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { cwd: target, encoding: "utf8" });
    expect(stdout).toMatch(/Converting .*\d+%.*blk\.\d/s);
    expect(stdout).toContain("out.gguf: bert, ");
    // The cursor that the bar hid is there again, and the bar's line is cleared before the result is printed.
    expect(stdout.lastIndexOf("\u001b[?25h")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?25l"));
    expect(stdout.lastIndexOf("\u001b[2K")).toBeGreaterThan(stdout.lastIndexOf("%"));
  });
});
