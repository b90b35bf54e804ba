/** The README's examples as programs, and what they must print. */
import fs from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import { codeBlocks } from "../docs/markdown.js";
import { ROOT } from "../package/stage.js";
import { writeRandomBert } from "../support/random-models.js";

const SECTION = "## Examples";

export interface Example {
  /** Its heading, in kebab case. */
  name: string;
  /** As the README has it: an ES module. */
  code: string;
  /** What the comments after `console.log(...)` say it prints. */
  promised: string[];
}

/** Every example of the section, in its order. */
export function readmeExamples(): Example[] {
  const lines = fs.readFileSync(path.join(ROOT, "README.md"), "utf8").split("\n");
  const begin = lines.indexOf(SECTION);
  if (begin < 0) throw new Error(`README.md has no section ${SECTION}`);
  const length = lines.slice(begin + 1).findIndex((line) => line.startsWith("## "));
  const headings = new Map<number, string>();
  for (let i = begin + 1; i <= begin + length; i++) {
    if (lines[i]!.startsWith("### ")) headings.set(i, lines[i]!.slice(4));
  }
  const blocks = codeBlocks("README.md").filter(({ language }) => language === "js");
  return [...headings].map(([line, heading]) => {
    const block = blocks.find((entry) => entry.line > line);
    if (block === undefined) throw new Error(`README.md: ${heading} has no code`);
    const promised = Array.from(
      block.code.matchAll(/^\s*console\.log\(.*\); \/\/ (.+)$/gm),
      (match) => match[1]!,
    );
    return { name: heading.toLowerCase().replace(/[^a-z]+/g, "-"), code: block.code, promised };
  });
}

/** The same program as CommonJS: `require` in place of `import`, and a function around the `await`s. */
function asCommonJs(code: string): string {
  const required = code.replace(/^import (\{[^}]*\}) from ("[^"]+");$/gm, "const $1 = require($2);");
  return `module.exports = (async () => {\n${required}\n})();\n`;
}

const marker = (name: string) => `console.log("--- ${name} ---");`;

/**
 * Writes into `folder`, which has the package installed, each example twice, as `<name>.mjs` and `<name>.cjs`;
 * `all.mjs` and `all.cjs`, which run them one after another; and the checkpoint that one of them converts.
 */
export async function writeExamples(folder: string): Promise<void> {
  const examples = readmeExamples();
  for (const { name, code } of examples) {
    fs.writeFileSync(path.join(folder, `${name}.mjs`), code);
    fs.writeFileSync(path.join(folder, `${name}.cjs`), asCommonJs(code));
  }
  // Every file by its literal name, so that a bundler sees it.
  const imports = examples.map(({ name }) => `${marker(name)}\nawait import("./${name}.mjs");\n`);
  fs.writeFileSync(path.join(folder, "all.mjs"), imports.join(""));
  const requires = examples.map(({ name }) => `  ${marker(name)}\n  await require("./${name}.cjs");\n`);
  const report = "(error) => {\n  console.error(error);\n  process.exitCode = 1;\n}";
  fs.writeFileSync(
    path.join(folder, "all.cjs"),
    `(async () => {\n${requires.join("")}})().catch(${report});\n`,
  );
  fs.writeFileSync(path.join(folder, "worker.mjs"), workerProgram("all.mjs"));
  await writeRandomBert(path.join(folder, "all-MiniLM-L6-v2"), {
    architecture: "BertModel",
    hidden: 384,
    heads: 12,
    sentenceTransformers: { maxSequenceLength: 128 },
  });
}

/** A program that runs another in a worker thread. */
function workerProgram(file: string): string {
  return `import { Worker } from "node:worker_threads";
const worker = new Worker(new URL("./${file}", import.meta.url));
worker.on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
`;
}

/** Checks what a program that ran all examples printed; returns what each printed. */
export function expectExamplesRan(stdout: string): Map<string, string> {
  const parts = stdout.split(/--- ([a-z-]+) ---\r?\n/);
  const printed = new Map<string, string>();
  for (let i = 1; i < parts.length; i += 2) printed.set(parts[i]!, parts[i + 1]!);
  const examples = readmeExamples();
  expect(examples.length).toBeGreaterThanOrEqual(5);
  expect([...printed.keys()]).toEqual(examples.map(({ name }) => name));
  for (const { name, promised } of examples) {
    expect(printed.get(name)?.trim(), name).not.toBe("");
    for (const line of promised) expect(printed.get(name)!.split(/\r?\n/), name).toContain(line);
  }
  return printed;
}
