// Makes prebuilds/<platform>-<arch>/ for this machine, named so that the loader finds it.
import path from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import prebuildify from "prebuildify";

const cwd = process.cwd();
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

await promisify(prebuildify)({
  cwd,
  napi: true,
  name: "ggml-transformers",
  targets: [{ runtime: "node", target: process.versions.node }],
  // Only Linux has two C libraries to tell apart.
  tagLibc: process.platform === "linux",
  // The linker has stripped it.
  strip: false,
  quiet: false,
});
console.error(`Made ${path.relative(root, path.join(cwd, "prebuilds")) || "prebuilds"}.`);
