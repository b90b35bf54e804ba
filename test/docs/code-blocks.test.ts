/** What the documentation shows has to work: every block of code is run, and prints what it says it prints. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireBuilt } from "../cli/built.js";
import { MAIN, ROOT } from "../cli/run-cli.js";
import { codeBlocks, PAGES, type CodeBlock } from "./markdown.js";
import { makeProject } from "./project.js";

const run = promisify(execFile);
const SCRIPTS = ["js", "ts"];
const DATA = ["json"];
const SHELL = "sh";

/** Commands that need a network, or hours, or that run this test. */
const NOT_RUN = [
  /^huggingface-cli download /,
  /^git clone /,
  /^npm (?:ci|install|pack|test|version|publish)\b/,
  /^npm rebuild /,
  /^npx changeset\b/,
  /^node models\/regenerate\.mjs /,
];
/** Scripts of a package.json: that they are there is checked. */
const NPM_RUN = /^npm (?:--prefix (\S+) )?run ([\w:-]+)/;

let project: Awaited<ReturnType<typeof makeProject>>;
beforeAll(async () => {
  await requireBuilt();
  project = await makeProject();
});
afterAll(() => project.remove());

/** Pages that have blocks of these languages, with the blocks. */
function blocksBy(languages: readonly string[]): { page: string; blocks: CodeBlock[] }[] {
  return PAGES.map((page) => ({
    page,
    blocks: codeBlocks(page).filter(({ language }) => languages.includes(language)),
  })).filter(({ blocks }) => blocks.length > 0);
}

/** What `console.log(...); // text` lines say they print. */
function promised(code: string): string[] {
  return Array.from(code.matchAll(/console\.log\(.*\);? \/\/ (.+)$/gm), (match) => match[1]!);
}

it("is in languages that are checked", () => {
  for (const page of PAGES) {
    for (const { language, line } of codeBlocks(page)) {
      expect([...SCRIPTS, ...DATA, SHELL, "text"], `${page}:${line}`).toContain(language);
    }
  }
});

describe("scripts of", () => {
  it.each(blocksBy(SCRIPTS))("$page", async ({ page, blocks }) => {
    const files = await Promise.all(blocks.map((block) => writeModule(page, block)));
    const runner = join(ROOT, "test", "docs", "run-modules.mjs");
    const { stdout, stderr } = await run(process.execPath, [runner, ...files], { cwd: project.folder });
    expect(stderr).toBe("");
    const reports = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { output: string; error?: string });
    expect(reports.length).toBe(blocks.length);
    for (const [i, { code, line }] of blocks.entries()) {
      const { output, error } = reports[i]!;
      const at = `${page}:${line}`;
      expect(error, at).toBeUndefined();
      if (/console\.log|stdout\.write/.test(code)) expect(output, at).not.toBe("");
      expect(inOrder(promised(code), output.split("\n")), `${at} printed\n${output}`).toEqual([]);
    }
  });
});

/** Writes a block as a module; of TypeScript, without its types. */
async function writeModule(page: string, { language, code, line }: CodeBlock): Promise<string> {
  const file = join(project.folder, `${page.replaceAll(/\W/g, "-")}-${line}.js`);
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  await writeFile(file, language === "ts" ? ts.transpileModule(code, { compilerOptions }).outputText : code);
  return file;
}

/** What is missing of the lines that should come, in this order. */
function inOrder(expected: readonly string[], lines: readonly string[]): string[] {
  let from = 0;
  return expected.filter((line) => {
    const at = lines.indexOf(line, from);
    if (at >= 0) from = at + 1;
    return at < 0;
  });
}

describe("commands of", () => {
  const commands = blocksBy([SHELL]).flatMap(({ page, blocks }) =>
    blocks.flatMap(({ code, line }) =>
      code
        .split("\n")
        .map((command, i) => ({ at: `${page}:${line + i}`, command }))
        .filter(({ command }) => command !== "" && !command.startsWith("#")),
    ),
  );

  it.each(commands)("$at: $command", async ({ command }) => {
    if (NOT_RUN.some((pattern) => pattern.test(command))) return;
    const npm = NPM_RUN.exec(command);
    if (npm) {
      const manifest = readFileSync(join(ROOT, npm[1] ?? ".", "package.json"), "utf8");
      expect(Object.keys((JSON.parse(manifest) as { scripts: object }).scripts)).toContain(npm[2]);
      return;
    }
    const ours = /^npx ggml-transformers (.+)$/.exec(command);
    expect(ours, "a command that this test cannot run").not.toBeNull();
    const { stdout } = await run(process.execPath, [MAIN, ...shellWords(ours![1]!)], { cwd: project.folder });
    expect(stdout).not.toBe("");
  });
});

/** Words separated by blanks, double quotes taken off. */
function shellWords(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), (match) => match[1] ?? match[2]!);
}

describe("data of", () => {
  it.each(blocksBy(DATA))("$page", ({ blocks }) => {
    for (const { code } of blocks) expect(() => JSON.parse(code) as unknown).not.toThrow();
  });
});
