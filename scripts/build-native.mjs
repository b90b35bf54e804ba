// Builds the addon with CMake, driven by cmake-js, and puts it where the loader looks.
//
//   node scripts/build-native.mjs [--debug] [--sanitize=address,undefined | thread] [--cuda] [--clean]
//                                 [--arch=<arch>] [--libc=glibc | musl] [--output=<folder>]
//                                 [--cuda-architectures=<list>] [--flash-attention]
//
// CMake works in .cmake/<flavour>, outside build/, which node-gyp deletes. A plain build ends in
// build/Release/ggml_transformers.node; one with sanitizers or for another target stays in its flavour's folder.
// In an installed package cmake-js is absent: plain CMake does the same there.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fetchGgml, VendorError } from "../vendor/fetch.mjs";
import { hashInputs, readStamp } from "./stamp.mjs";
import { crossOptions, hostLibc, ToolchainError } from "./toolchains.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const ADDON = "ggml_transformers.node";
/** Of --cuda, beside the other: `npm run build:cuda`. */
const CUDA_ADDON = "ggml_transformers_cuda.node";
const RELEASE = path.join(ROOT, "build", "Release");
const STAMP = path.join(RELEASE, ".inputs");
const require = createRequire(import.meta.url);

/** A failure whose message is meant for the person who runs this. */
export class BuildError extends Error {}

// --- What there is -------------------------------------------------------------------------------------

function inputsHash() {
  return hashInputs(ROOT, ["CMakeLists.txt", "native", "vendor/ggml.lock.json", "scripts/build-native.mjs"]);
}

/** Whether build/Release holds the addon of the present sources. */
export function isNativeCurrent() {
  return fs.existsSync(path.join(RELEASE, ADDON)) && readStamp(STAMP) === inputsHash();
}

/** Copies beside the target, then renames: a process that has the old file loaded is not disturbed. */
function place(from, folder) {
  const target = path.join(folder, path.basename(from));
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(from, `${target}.${process.pid}`);
  fs.renameSync(`${target}.${process.pid}`, target);
  return target;
}

// --- Two drivers ---------------------------------------------------------------------------------------

/** Only this checkout's own: what else may be installed around a package is none of its business. */
function findCmakeJs() {
  const folder = path.join(ROOT, "node_modules", "cmake-js");
  return fs.existsSync(folder) ? require(folder) : undefined;
}

async function runCmakeJs(cmakeJs, settings) {
  const parallel = os.availableParallelism();
  const build = new cmakeJs.BuildSystem({ ...settings, directory: ROOT, parallel, noLog: true });
  try {
    await build.configure();
    await build.build();
  } catch (error) {
    throw new BuildError(`The addon could not be built: ${error.message}`);
  }
}

/** Configures with plain CMake and builds `target`, or else the addon and what it needs. */
export function runCmake({ out, config, arch, target = "ggml_transformers", cMakeOptions }) {
  const headers = require("node-api-headers");
  const options = {
    CMAKE_BUILD_TYPE: config,
    CMAKE_JS_INC: `${headers.include_dir};${require("node-addon-api").include_dir}`,
    ...cMakeOptions,
  };
  if (process.platform === "darwin") options.CMAKE_OSX_ARCHITECTURES = arch === "x64" ? "x86_64" : arch;
  if (process.platform === "win32") {
    options.CMAKE_MSVC_RUNTIME_LIBRARY = "MultiThreaded";
    options.CMAKE_JS_NODELIB_DEF = headers.def_paths.node_api_def;
    options.CMAKE_JS_NODELIB_TARGET = path.join(out, "node.lib");
    options.CMAKE_JS_LIB = options.CMAKE_JS_NODELIB_TARGET;
  }
  const defines = Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
  runProgram("cmake", ["-S", ROOT, "-B", out, ...defines]);
  const parallel = String(os.availableParallelism());
  runProgram("cmake", ["--build", out, "--config", config, "--target", target, "--parallel", parallel]);
}

function runProgram(program, args) {
  const { error, status } = spawnSync(program, args, { stdio: "inherit" });
  if (error?.code === "ENOENT") {
    throw new BuildError(
      `${program} is needed to build the addon, but it was not found. Install CMake 3.20 or newer.`,
    );
  }
  if (error) throw error;
  if (status !== 0) throw new BuildError(`${program} ${args[0]} failed with exit code ${status}.`);
}

// --- Entry ---------------------------------------------------------------------------------------------

/** Builds the addon and returns its path. */
export async function buildNative({
  debug = false,
  sanitize = "",
  cuda = false,
  clean = false,
  arch = process.arch,
  libc = hostLibc(),
  output,
  "cuda-architectures": cudaArchitectures = "90",
  "flash-attention": flashAttention = false,
} = {}) {
  fetchGgml({ log: (line) => console.error(line) });
  const hash = inputsHash();
  const isForHere = arch === process.arch && libc === hostLibc();
  const variant = [libc === hostLibc() ? "" : libc, sanitize.replaceAll(",", "-"), cuda ? "cuda" : ""];
  const flavour = [debug ? "debug" : "release", arch, ...variant].filter(Boolean).join("-");
  const out = path.join(ROOT, ".cmake", flavour);
  if (clean) fs.rmSync(out, { recursive: true, force: true });

  const settings = {
    out,
    arch,
    config: debug ? "Debug" : "Release",
    cMakeOptions: {
      GGML_TRANSFORMERS_SANITIZE: sanitize,
      GGML_TRANSFORMERS_CUDA: cuda ? "ON" : "OFF",
      ...crossOptions({ arch, libc, folder: path.join(out, "tools") }),
      ...(cuda && {
        GGML_TRANSFORMERS_CUDA_ARCHITECTURES: cudaArchitectures,
        GGML_TRANSFORMERS_CUDA_FLASH_ATTENTION: flashAttention ? "ON" : "OFF",
      }),
    },
  };
  const cmakeJs = findCmakeJs();
  if (cmakeJs) await runCmakeJs(cmakeJs, settings);
  else runCmake(settings);

  const built = path.join(out, "addon", cuda ? CUDA_ADDON : ADDON);
  if (output !== undefined) return place(built, path.resolve(output));
  if (sanitize || !isForHere) return built;
  const placed = place(built, debug ? path.join(ROOT, "build", "Debug") : RELEASE);
  if (!debug && !cuda) fs.writeFileSync(STAMP, hash);
  return placed;
}

async function main() {
  const { values } = parseArgs({
    options: {
      debug: { type: "boolean" },
      sanitize: { type: "string" },
      cuda: { type: "boolean" },
      clean: { type: "boolean" },
      arch: { type: "string" },
      // prebuildify says it to node-gyp, and node-gyp to its actions, in this way.
      libc: { type: "string", default: hostLibc() && process.env.PREBUILD_LIBC },
      output: { type: "string" },
      "cuda-architectures": { type: "string" },
      "flash-attention": { type: "boolean" },
    },
  });
  try {
    const placed = await buildNative(values);
    console.error(
      `Built ${path.relative(process.cwd(), placed)} (${(fs.statSync(placed).size / 1e6).toFixed(1)} MB).`,
    );
  } catch (error) {
    const expected = [BuildError, ToolchainError, VendorError].some((type) => error instanceof type);
    console.error(expected ? error.message : error);
    process.exitCode = 1;
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
