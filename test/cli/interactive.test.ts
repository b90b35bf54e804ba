import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generator, type Generation } from "../../lib/index.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson } from "./run-cli.js";

let folder: string;
let generator: Generator;

beforeAll(async () => {
  await requireBuilt();
  folder = await mkdtemp(join(tmpdir(), "cli-interactive-"));
  generator = await Generator.load("mini-gpt2");
});
afterAll(async () => {
  await generator?.dispose();
  await rm(folder, { recursive: true, force: true });
});

const interactive = (input: string, ...args: string[]) =>
  cli(["generate", "--interactive", "-n", "8", ...args], input);

describe("generate --interactive", () => {
  it("continues the text that both have written so far", async () => {
    using session = generator.createSession();
    await session.append("The sea\nwas");
    const first = await session.generate({ maxTokens: 8 });
    await session.append(" and then");
    const second = await session.generate({ maxTokens: 8 });
    const third = await session.generate({ maxTokens: 8 });
    const { exit, stdout, stderr } = await interactive("The sea\\\nwas\n and then\n\n/text\n/quit\nnever\n");
    expect([exit, stderr]).toEqual([0, ""]);
    const turns = [first, second, third].map(({ text }) => (text.endsWith("\n") ? text : `${text}\n`));
    expect(stdout).toBe(`${turns.join("")}${session.text}\n`);
  });

  it("begins with the texts of the command line", async () => {
    const { text } = await generator.generate("The sea", { maxTokens: 8 });
    const { stdout } = await interactive("/text\n", "The sea");
    expect(stdout).toContain(`The sea${text}\n`);
  });

  it("takes back turns, begins anew, keeps and restores", async () => {
    const file = join(folder, "session.bin");
    const all = await interactive(`The sea\n/save ${file}\n was\n/undo\n/text\n/reset\n/text\n`);
    const [, , ...rest] = all.stdout.split("\n");
    expect(rest.join("\n")).toContain("The sea");
    expect(all.stdout.endsWith("\n\n")).toBe(true);
    const restored = await interactive(`/restore ${file}\n/text\n`);
    const { text } = await generator.generate("The sea", { maxTokens: 8 });
    expect(restored.stdout).toBe(`The sea${text}\n`);
  });

  it("goes on after what it cannot do", async () => {
    const { exit, stdout, stderr } = await interactive("/undo\n/save\n/restore none.bin\n/huh\n/text\n");
    expect([exit, stdout]).toEqual([0, "\n"]);
    expect(stderr.trimEnd().split("\n")).toHaveLength(4);
  });

  it("keeps as much as it is told to, and says how fast it was", async () => {
    using session = generator.createSession({ contextLength: 12, kvType: "f16", overflow: "reevaluate" });
    const turns: string[] = [];
    for (const text of ["The sea was", " and then"]) {
      await session.append(text);
      turns.push((await session.generate({ maxTokens: 8 })).text);
    }
    const options = ["--context-length", "12", "--kv-type", "f16", "--timings"];
    const { exit, stdout, stderr } = await interactive("The sea was\n and then\n", ...options);
    expect(exit).toBe(0);
    expect(stdout).toBe(turns.map((text) => (text.endsWith("\n") ? text : `${text}\n`)).join(""));
    expect(stderr.match(/^first token: after /gm)).toHaveLength(2);
    // What the turn began with, though it was evaluated before its continuation was asked for.
    expect(stderr).toMatch(/^prompt: 3 tokens in .* tokens\/s$/m);
  });

  it("refuses what makes no sense with it", async () => {
    for (const option of ["--json", "--file=x.txt", "--lines", "--echo"]) {
      expect((await interactive("", option)).exit).toBe(2);
    }
    for (const option of ["--context-length=12", "--kv-type=f16"]) {
      expect((await cli(["generate", "The sea", option])).exit).toBe(2);
    }
  });
});

describe("guessing ahead", () => {
  it("changes nothing but the report", async () => {
    const prompt = "The whale is large. The ship is large. The whale is";
    const [plain] = await cliJson<Generation>(["generate", prompt, "-n", "30"]);
    for (const option of [["--prompt-lookup"], ["--draft-model", "mini-gpt2", "--draft-tokens", "3"]]) {
      const [got] = await cliJson<Generation>(["generate", prompt, "-n", "30", ...option]);
      expect(got!.tokens).toEqual(plain!.tokens);
      expect(got!.speculation!.acceptedTokens).toBeGreaterThan(0);
      const { stderr } = await cli(["generate", prompt, "-n", "30", "--timings", ...option]);
      expect(stderr).toMatch(/prompt: .*\nfirst token: .*\ncontinuation: 30 tokens.*\nguessed ahead: /);
    }
  });

  it("refuses options that make no sense together", async () => {
    const wrong = [
      ["--prompt-lookup", "--draft-model", "mini-gpt2"],
      ["--draft-tokens", "3"],
    ];
    for (const options of wrong) {
      expect((await cli(["generate", "The sea", ...options])).exit).toBe(2);
    }
  });
});
