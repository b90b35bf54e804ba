// Builds the addon with CMake, driven by cmake-js, and puts it where the loader looks.
//
//   node scripts/build-native.mjs [--debug] [--sanitize=address,undefined | thread] [--cuda] [--clean]
//
// CMake works in .cmake/<flavour>, outside build/, which node-gyp deletes. A plain build ends in
// build/Release/ggml_transformers.node; a sanitized one stays in its flavour's folder.
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const ADDON = "ggml_transformers.node";

/** Node has no atomic copy: copy beside the target, then rename, so that a loaded file is never written to. */
function place(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}`;
  fs.copyFileSync(from, temporary);
  fs.renameSync(temporary, to);
}

export async function buildNative({ debug = false, sanitize = "", cuda = false, clean = false } = {}) {
  const flavour = [
    debug ? "debug" : "release",
    ...(sanitize ? [sanitize.replaceAll(",", "-")] : []),
    ...(cuda ? ["cuda"] : []),
  ];
  const out = path.join(ROOT, ".cmake", flavour.join("-"));
  if (clean) fs.rmSync(out, { recursive: true, force: true });

  const { BuildSystem } = createRequire(import.meta.url)("cmake-js");
  const build = new BuildSystem({
    directory: ROOT,
    out,
    config: debug ? "Debug" : "Release",
    parallel: os.availableParallelism(),
    cMakeOptions: {
      GGML_TRANSFORMERS_SANITIZE: sanitize,
      GGML_TRANSFORMERS_CUDA: cuda ? "ON" : "OFF",
    },
  });
  await build.configure();
  await build.build();

  const built = path.join(out, "addon", ADDON);
  if (sanitize) return built;
  const placed = path.join(ROOT, "build", debug ? "Debug" : "Release", ADDON);
  place(built, placed);
  return placed;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      debug: { type: "boolean" },
      sanitize: { type: "string" },
      cuda: { type: "boolean" },
      clean: { type: "boolean" },
    },
  });
  const placed = await buildNative(values);
  console.error(
    `Built ${path.relative(process.cwd(), placed)} (${(fs.statSync(placed).size / 1e6).toFixed(1)} MB)`,
  );
}
