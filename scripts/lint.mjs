// Every check of style and types, all of them even when one fails.
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

const CHECKS = [
  ["oxlint", "--deny-warnings"],
  ["oxfmt", "--check", "."],
  ["clang-format", "--dry-run", "-Werror", ...nativeSources()],
  ["tsc", "--noEmit"],
  ["tsc", "--noEmit", "--project", "test"],
];

/** Returns how many checks failed. */
export function lint() {
  const bin = path.join(ROOT, "node_modules", ".bin");
  let failed = 0;
  for (const [program, ...args] of CHECKS) {
    console.log(`> ${[program, ...args].join(" ").slice(0, 80)}`);
    const { status } = spawnSync(path.join(bin, program), args, {
      cwd: ROOT,
      stdio: "inherit",
      shell: process.platform === "win32",
    });
    if (status !== 0) failed++;
  }
  return failed;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (lint() > 0) process.exitCode = 1;
}
