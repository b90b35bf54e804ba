// Makes prebuilds/<platform>-<arch>/ in the current folder, named so that the loader finds it.
//
//   node scripts/prebuild.mjs [--arch=arm64] [--libc=musl]
//
// For this machine, or on Linux for another processor or C library; toolchains.mjs says which.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { parseArgs } from "node:util";
import prebuildify from "prebuildify";
import { hostLibc } from "./toolchains.mjs";

/**
 * node-gyp downloads Node's headers before anything else, though CMake compiles here and has its own. A folder
 * that looks like unpacked headers spares that.
 */
function makeNodeDir() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "node-headers-"));
  const include = path.join(folder, "include", "node");
  fs.mkdirSync(include, { recursive: true });
  fs.writeFileSync(path.join(include, "common.gypi"), "{}\n");
  fs.writeFileSync(
    path.join(include, "config.gypi"),
    JSON.stringify({ variables: process.config.variables }),
  );
  return folder;
}

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: process.arch },
    libc: { type: "string", default: hostLibc() },
  },
});
const nodeDir = makeNodeDir();
process.env.npm_config_nodedir = nodeDir;
try {
  await promisify(prebuildify)({
    cwd: process.cwd(),
    napi: true,
    name: "ggml-transformers",
    targets: [{ runtime: "node", target: process.versions.node }],
    arch: values.arch,
    libc: values.libc,
    // Only Linux has two C libraries to tell apart.
    tagLibc: process.platform === "linux",
    // The linker has stripped it.
    strip: false,
  });
} finally {
  fs.rmSync(nodeDir, { recursive: true, force: true });
}
console.error(`Made ${path.join("prebuilds", `${process.platform}-${values.arch}`)}.`);
