// Checks what lies in prebuilds/: each file is what its name says, small, and runs on every system it is for.
//
//   node scripts/check-prebuilds.mjs [--all]
//
// With --all, also that no target is missing, as before a release.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readBinary } from "./binary-format.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** Every file that a release has. */
export const TARGETS = [
  "linux-x64/ggml-transformers.glibc.node",
  "linux-x64/ggml-transformers.musl.node",
  "linux-arm64/ggml-transformers.glibc.node",
  "darwin-x64/ggml-transformers.node",
  "darwin-arm64/ggml-transformers.node",
  "win32-x64/ggml-transformers.node",
  "win32-arm64/ggml-transformers.node",
];

/** Debian 11 and Ubuntu 20.04. */
export const OLDEST_GLIBC = "2.31";
const MOST_BYTES = 6e6;
/** The C library alone. */
const LIBRARIES = {
  glibc: /^(?:libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux.*\.so\.\d)$/,
  musl: /^(?:libc\.so|libc\.musl-.*\.so\.1)$/,
};

/** Names of this project and of GGML, which the addon itself holds; without one of them it does not load. */
const OWN = /ggml|gguf/;

/** Whether a version of glibc is newer than another. */
export function isNewer(version, than) {
  const [major, minor] = version.split(".").map(Number);
  const [thanMajor, thanMinor] = than.split(".").map(Number);
  return major > thanMajor || (major === thanMajor && minor > thanMinor);
}

/** What is wrong with the contents of a target's file, one sentence each. */
export function findFaults(target, contents) {
  const [, platform, arch, libc] = /^(\w+)-(\w+)\/[\w-]+(?:\.(glibc|musl))?\.node$/.exec(target);
  const binary = readBinary(contents);
  const faults = [];
  if (binary?.platform !== platform || binary.arch !== arch) {
    faults.push(`is for ${binary ? `${binary.platform}-${binary.arch}` : "no system that is known"}`);
  }
  if (contents.length > MOST_BYTES) faults.push(`has ${(contents.length / 1e6).toFixed(1)} MB`);
  const missing = binary?.imports?.filter((name) => OWN.test(name)) ?? [];
  if (missing.length > 0) faults.push(`lacks ${missing.join(", ")}`);
  if (libc === undefined || binary?.needed === undefined) return faults;

  const foreign = binary.needed.filter((name) => !LIBRARIES[libc].test(name));
  if (foreign.length > 0) faults.push(`needs ${foreign.join(", ")}`);
  const versions = binary.versions.filter(
    (name) => libc === "musl" || !name.startsWith("GLIBC_") || isNewer(name.slice(6), OLDEST_GLIBC),
  );
  if (versions.length > 0) faults.push(`needs ${versions.join(", ")}`);
  return faults;
}

function main() {
  const { values } = parseArgs({ options: { all: { type: "boolean" } } });
  const folder = path.join(ROOT, "prebuilds");
  const found = TARGETS.filter((target) => fs.existsSync(path.join(folder, target)));
  const faults = (values.all ? TARGETS : [])
    .filter((target) => !found.includes(target))
    .map((target) => `${target} is missing`);
  for (const target of found) {
    const contents = fs.readFileSync(path.join(folder, target));
    console.log(`${target}: ${(contents.length / 1e6).toFixed(1)} MB`);
    faults.push(...findFaults(target, contents).map((fault) => `${target} ${fault}`));
  }
  if (found.length === 0) faults.push("There is nothing in prebuilds/: npm run prebuildify makes it");
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main();
