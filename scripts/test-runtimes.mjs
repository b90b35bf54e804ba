// Tries the packed package on the runtimes, bundlers and packagers of test/runtimes/package.json, which are fetched
// first: about a gigabyte, once.
//
//   node scripts/test-runtimes.mjs [vitest arguments ...]
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";
import { hashInputs, readStamp } from "./stamp.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const RUNTIMES = path.join(ROOT, "test", "runtimes");
const INSTALLED = path.join(RUNTIMES, "node_modules", ".inputs");

function run(program, args, options) {
  const { error, status } = spawnSync(program, args, { stdio: "inherit", ...options });
  if (error) throw error;
  return status;
}

function fetchRuntimes() {
  const hash = hashInputs(RUNTIMES, ["package-lock.json"]);
  if (readStamp(INSTALLED) === hash) return;
  console.error("Fetching runtimes, bundlers and packagers ...");
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const shell = process.platform === "win32";
  if (run("npm", args, { cwd: RUNTIMES, shell }) !== 0) throw new Error("npm could not fetch the runtimes.");
  fs.writeFileSync(INSTALLED, hash);
}

await setup();
fetchRuntimes();
const vitest = path.join(ROOT, "node_modules", "vitest", "vitest.mjs");
process.exitCode = run(process.execPath, [vitest, "run", "test/runtimes", ...process.argv.slice(2)], {
  cwd: ROOT,
  env: { ...process.env, GGML_TRANSFORMERS_TEST_RUNTIMES: "all" },
});
