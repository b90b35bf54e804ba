import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

interface LockFile {
  packages: Record<string, { resolved?: string; integrity?: string; dev?: boolean; link?: boolean }>;
}

const lock = JSON.parse(fs.readFileSync(path.join(ROOT, "package-lock.json"), "utf8")) as LockFile;
const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
};

test("the lock file pins every package by hash and names no registry of this machine", () => {
  const packages = Object.entries(lock.packages).filter(([name]) => name !== "");
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
    ([name, entry]) => name !== "" && entry.dev !== true,
  );
  expect(installed.length).toBeLessThan(15);
  expect(Object.keys(manifest.dependencies).length).toBeLessThan(8);
});

test("nothing runs at installation but the script that may be skipped", () => {
  for (const hook of ["preinstall", "postinstall", "prepare"]) expect(manifest.scripts[hook]).toBeUndefined();
  expect(manifest.scripts["install"]).toBe("node scripts/install.mjs");
});
