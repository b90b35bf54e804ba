/** What the documentation shows has to work: every example is run, every link is followed. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireBuilt } from "../cli/built.js";
import { ROOT } from "../cli/run-cli.js";
import { convert } from "../../lib/index.js";
import { writeRandomEncoder } from "../support/random-encoders.js";
import { writeRandomBert, type RandomBertOptions } from "../support/random-models.js";
import { codeBlocks, localLinks, type CodeBlock } from "./markdown.js";

const run = promisify(execFile);
const DOCS = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)];
/** What needs a network, or is what runs this test. */
const NOT_RUN = [/^huggingface-cli download /, /^npm install ggml-transformers$/, /^npm (?:run demo|test)$/];

let project: string;

/** Models that the documentation calls by name: random ones of the right kind. */
const TASK_MODELS: Record<string, RandomBertOptions> = {
  sentiment: { architecture: "BertForSequenceClassification", labels: ["negative", "positive"] },
  ner: { architecture: "BertForTokenClassification", labels: ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"] },
  qa: { architecture: "BertForQuestionAnswering" },
  nli: {
    architecture: "BertForSequenceClassification",
    labels: ["contradiction", "neutral", "entailment"],
  },
  reranker: { architecture: "BertForSequenceClassification", labels: 1 },
};

// A project that has the package installed, and models from the hub lying in its folder.
beforeAll(async () => {
  await requireBuilt();
  project = await mkdtemp(join(tmpdir(), "readme-"));
  await mkdir(join(project, "node_modules", ".bin"), { recursive: true });
  await symlink(ROOT, join(project, "node_modules", "ggml-transformers"), "junction");
  await writeFile(join(project, "package.json"), '{ "type": "module" }\n');
  await writeRandomBert(join(project, "all-MiniLM-L6-v2"), {
    architecture: "BertModel",
    hidden: 384,
    heads: 12,
    sentenceTransformers: { maxSequenceLength: 128 },
  });
  for (const [name, options] of Object.entries(TASK_MODELS)) {
    await writeRandomBert(join(project, name), options);
    await convert(join(project, name), join(project, `${name}.gguf`));
  }
  const electra = { family: "electra", architecture: "ElectraForPreTraining" } as const;
  await writeRandomEncoder(join(project, "electra"), electra);
  await convert(join(project, "electra"), join(project, "electra.gguf"));
});
afterAll(() => rm(project, { recursive: true, force: true }));

function blocksOf(language: string): { name: string; block: CodeBlock }[] {
  return DOCS.flatMap((file) =>
    codeBlocks(join(ROOT, file))
      .filter((block) => block.language === language)
      .map((block) => ({ name: `${file}:${block.line}`, block })),
  );
}

/** What `console.log(...); // text` lines say they print. */
function promised(code: string): string[] {
  return Array.from(code.matchAll(/^\s*console\.log\(.*\); \/\/ (.+)$/gm), (match) => match[1]!);
}

describe("JavaScript examples", () => {
  const examples = blocksOf("js");
  it("are five or more", () => expect(examples.length).toBeGreaterThanOrEqual(5));

  it.each(examples)("$name", async ({ block }) => {
    const file = join(project, `example-${block.line}.js`);
    await writeFile(file, block.code);
    const { stdout, stderr } = await run(process.execPath, [file], { cwd: project });
    expect(stderr).toBe("");
    if (block.code.includes("console.log") || block.code.includes("stdout.write")) {
      expect(stdout).not.toBe("");
    }
    for (const line of promised(block.code)) expect(stdout.split("\n")).toContain(line);
  });
});

describe("shell examples", () => {
  const lines = blocksOf("sh").flatMap(({ name, block }) =>
    block.code.split("\n").map((line, i) => ({ name: `${name} +${i}`, line })),
  );

  it.each(lines.filter(({ line }) => !NOT_RUN.some((pattern) => pattern.test(line))))(
    "$name: $line",
    async ({ line }) => {
      const command = /^npx ggml-transformers (.+)$/.exec(line);
      expect(command, "an example that this test cannot run").not.toBeNull();
      const main = join(ROOT, "dist", "cli", "main.js");
      const { stdout } = await run(process.execPath, [main, ...shellWords(command![1]!)], { cwd: project });
      expect(stdout).not.toBe("");
    },
  );
});

/** Words separated by blanks, double quotes taken off. */
function shellWords(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), (match) => match[1] ?? match[2]!);
}

describe("links", () => {
  it.each(DOCS)("of %s lead somewhere", (file) => {
    for (const target of localLinks(join(ROOT, file))) {
      const path = resolve(join(ROOT, dirname(file)), target);
      expect(existsSync(path), `${file} links to ${target}`).toBe(true);
    }
  });
});
