// Everything a checkout needs before it can run: dependencies, vendored sources, addon, compiled library.
// Each step is skipped when its result is up to date, so that running this again costs next to nothing.
// Plain Node, since node_modules may be missing.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fetchGgml, VendorError } from "../vendor/fetch.mjs";
import { BuildError, buildNative, isNativeCurrent } from "./build-native.mjs";
import { buildTypeScript, isTypeScriptCurrent } from "./build-ts.mjs";
import { hashInputs, readStamp } from "./stamp.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = path.join(ROOT, "node_modules");
const INSTALLED = path.join(MODULES, ".inputs");

/** A step failed; what to say was said. */
export class SetupError extends Error {}

function checkNode() {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < 20) throw new SetupError(`Node 20 or newer is needed, this is ${process.versions.node}.`);
}

function installDependencies(log) {
  const hash = hashInputs(ROOT, ["package-lock.json"]);
  if (readStamp(INSTALLED) === hash) return;
  log("Installing dependencies ...");
  // `npm ci` starts from nothing; an existing folder is brought up to date in place, which is faster.
  const command = fs.existsSync(MODULES) ? ["install", "--no-save"] : ["ci"];
  const result = spawnSync(
    "npm",
    [...command, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: ROOT,
      stdio: ["ignore", process.stderr, process.stderr],
      shell: process.platform === "win32",
    },
  );
  if (result.error?.code === "ENOENT") throw new SetupError("npm is needed, but it was not found.");
  if (result.status !== 0) throw new SetupError("npm could not install the dependencies.");
  fs.writeFileSync(INSTALLED, hash);
}

async function buildAddon(log) {
  if (isNativeCurrent()) return;
  log("Building the addon (a minute or two the first time) ...");
  await buildNative();
}

function compileLibrary(log) {
  if (isTypeScriptCurrent()) return;
  log("Compiling the library ...");
  if (!buildTypeScript()) throw new SetupError("The library does not compile.");
}

/** Brings everything up to date. */
export async function setup({ log = (line) => console.error(line) } = {}) {
  checkNode();
  installDependencies(log);
  fetchGgml({ log });
  await buildAddon(log);
  compileLibrary(log);
}

async function main() {
  try {
    await setup();
  } catch (error) {
    const expected = [SetupError, BuildError, VendorError].some((type) => error instanceof type);
    console.error(expected ? `setup: ${error.message}` : error);
    process.exitCode = 1;
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
