/** CONTRIBUTING.md names only files and scripts that there are. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../cli/run-cli.js";

const FILE = join(ROOT, "CONTRIBUTING.md");
const text = readFileSync(FILE, "utf8");
const quoted = Array.from(text.matchAll(/`([^`\n]+)`/g), (match) => match[1]!);

interface Manifest {
  scripts: Record<string, string>;
}

const scriptsOf = (folder: string) =>
  Object.keys((JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as Manifest).scripts);

/** What is made by a build, and hence not in a fresh checkout. */
const MADE = ["dist/", "build/Release/", "build/Debug/", ".cmake/", "prebuilds/"];

test("it opens with the table of what to touch", () => {
  expect(text).toMatch(/^# Contributing\n\n\| to change \| touch \|\n/);
  expect(text.split("\n## ")[0]!.match(/^\| /gm)!.length).toBeGreaterThan(15);
});

test("every path exists", () => {
  const paths = quoted.filter((name) => /^[\w.-]+\/[\w./-]*$|^[\w-]+\.(?:txt|md)$/.test(name));
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter((name) => !MADE.includes(name) && !existsSync(join(ROOT, name)))).toEqual([]);
});

test("every script exists", () => {
  const known = [...scriptsOf("."), ...scriptsOf("bench")];
  const called = quoted.flatMap((code) => /^npm run ([\w:-]+)/.exec(code)?.[1] ?? []);
  expect(called.length).toBeGreaterThan(8);
  expect(called.filter((name) => !known.includes(name))).toEqual([]);
});
