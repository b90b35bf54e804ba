import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Every package.json of the repository. */
const MANIFESTS = [".", "models", "bench", "site", "examples/electron", "test/runtimes"];

interface LockFile {
  packages: Record<string, { resolved?: string; integrity?: string; dev?: boolean; link?: boolean }>;
}

const lock = JSON.parse(fs.readFileSync(path.join(ROOT, "package-lock.json"), "utf8")) as LockFile;
interface Manifest {
  version: string;
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  scripts: Record<string, string>;
}

function readManifest(folder: string): Manifest {
  const text = fs.readFileSync(path.join(ROOT, folder, "package.json"), "utf8");
  return { scripts: {}, ...(JSON.parse(text) as object) } as Manifest;
}

const manifest = readManifest(".");

test("the lock file pins every package by hash and names no registry of this machine", () => {
  // But for the packages of this repository, to which it has links.
  const links = Object.entries(lock.packages).filter(([, { link }]) => link === true);
  expect(links.map(([, { resolved }]) => resolved)).toEqual(["", "models"]);
  const own = ["", "models", ...links.map(([name]) => name)];
  const packages = Object.entries(lock.packages).filter(([name]) => !own.includes(name));
  expect(packages.length).toBeGreaterThan(50);
  expect(packages.filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
  expect(packages.filter(([, entry]) => !entry.integrity?.startsWith("sha512-"))).toEqual([]);
});

test("every optional binary of a tool is locked, so that a clean install works on every platform", () => {
  const missing = Object.values(lock.packages)
    .flatMap((entry) => Object.keys((entry as { optionalDependencies?: object }).optionalDependencies ?? {}))
    .filter((name) => !(`node_modules/${name}` in lock.packages));
  expect(missing).toEqual([]);
});

test("what a user installs stays light", () => {
  const installed = Object.entries(lock.packages).filter(
    ([name, entry]) => name.startsWith("node_modules/") && entry.dev !== true,
  );
  expect(installed.length).toBeLessThan(15);
  expect(Object.keys(manifest.dependencies).length).toBeLessThan(8);
});

test("nothing runs at installation but the script that may be skipped", () => {
  for (const hook of ["preinstall", "postinstall", "prepare"]) expect(manifest.scripts[hook]).toBeUndefined();
  expect(manifest.scripts["install"]).toBe("node scripts/install.mjs");
});

test("the models of a checkout are those that the package asks for", () => {
  const range = manifest.optionalDependencies["ggml-transformers-models"]!;
  expect(range).toMatch(/^\^\d+\.\d+\.\d+$/);
  // What a caret leaves free is all after the first number, or after the second where that is 0.
  const fixed = (version: string) => version.split(".").slice(0, version.startsWith("0.") ? 2 : 1);
  expect(fixed(readManifest("models").version)).toEqual(fixed(range.slice(1)));
});

test("a changeset may name the package at the root and the one of the models", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "changesets-"));
  try {
    fs.mkdirSync(path.join(folder, "models"));
    fs.mkdirSync(path.join(folder, ".changeset"));
    for (const name of ["package.json", "models/package.json", ".changeset/config.json"])
      fs.copyFileSync(path.join(ROOT, name), path.join(folder, name));
    const names = ["ggml-transformers", "ggml-transformers-models"];
    const lines = names.map((name) => `"${name}": major\n`);
    fs.writeFileSync(path.join(folder, ".changeset", "both.md"), `---\n${lines.join("")}---\n\nA change.\n`);
    fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"), "junction");
    execFileSync("git", ["init", "--quiet"], { cwd: folder });
    const changeset = path.join(ROOT, "node_modules", "@changesets", "cli", "bin.js");
    execFileSync(process.execPath, [changeset, "version"], { cwd: folder, stdio: "pipe" });
    for (const place of [".", "models"]) {
      const text = fs.readFileSync(path.join(folder, place, "package.json"), "utf8");
      expect((JSON.parse(text) as Manifest).version).toBe("1.0.0");
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test.each(MANIFESTS)("no script of %s waits for npm to run another before or after it", (folder) => {
  // With ignore-scripts, which .npmrc files here set, npm leaves those out and says nothing.
  const names = Object.keys(readManifest(folder).scripts);
  const hooks = names.flatMap((name) => [`pre${name}`, `post${name}`]);
  expect(names.filter((name) => hooks.includes(name))).toEqual([]);
});
