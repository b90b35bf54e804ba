// Every check of style and types, all of them even when one fails; with --fix, repairs what a tool can.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

function nativeSources() {
  return fs
    .readdirSync(path.join(ROOT, "native"), { recursive: true })
    .filter((name) => /\.(cpp|h)$/.test(name))
    .map((name) => path.join("native", name));
}

function checks() {
  return [
    ["oxlint", "--deny-warnings"],
    ["oxfmt", "--check", "."],
    ["clang-format", "--dry-run", "-Werror", ...nativeSources()],
    ["tsc", "--noEmit"],
    ["tsc", "--noEmit", "--project", "test"],
  ];
}

function repairs() {
  return [
    ["oxlint", "--fix"],
    ["oxfmt", "."],
    ["clang-format", "-i", ...nativeSources()],
  ];
}

/** Runs the checks, or the repairs; returns how many failed. */
export function lint({ fix = false } = {}) {
  let failed = 0;
  for (const [program, ...args] of fix ? repairs() : checks()) {
    console.log(`> ${[program, ...args].join(" ").slice(0, 80)}`);
    const { status } = spawnSync(path.join(ROOT, "node_modules", ".bin", program), args, {
      cwd: ROOT,
      stdio: "inherit",
      shell: process.platform === "win32",
    });
    if (status !== 0) failed++;
  }
  return failed;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (lint({ fix: process.argv.includes("--fix") }) > 0) process.exitCode = 1;
}
