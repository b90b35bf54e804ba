// Compiles lib/ to dist/, which is replaced as a whole so that nothing of a deleted source stays behind.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { hashInputs, readStamp } from "./stamp.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const DIST = path.join(ROOT, "dist");
const STAMP = path.join(DIST, ".inputs");

function inputsHash() {
  return hashInputs(ROOT, ["lib", "tsconfig.json", "node_modules/typescript/package.json"]);
}

/** Whether dist/ was compiled from the present sources. */
export function isTypeScriptCurrent() {
  return readStamp(STAMP) === inputsHash();
}

/** Compiles; returns false when there were type errors, which the compiler has printed. */
export function buildTypeScript() {
  const hash = inputsHash();
  const fresh = path.join(ROOT, "build", `dist-${process.pid}`);
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "--project", ROOT, "--outDir", fresh], {
    stdio: "inherit",
  });
  if (status === 0) {
    fs.writeFileSync(path.join(fresh, ".inputs"), hash);
    fs.rmSync(DIST, { recursive: true, force: true });
    fs.renameSync(fresh, DIST);
  }
  fs.rmSync(fresh, { recursive: true, force: true });
  return status === 0;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (!buildTypeScript()) process.exitCode = 1;
}
