// Runs after `npm install ggml-transformers`. Nothing here is needed where a prebuilt addon fits, so
// `--ignore-scripts` is fine there; elsewhere the addon is built from the source in the package.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildNative } from "./build-native.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

function loads() {
  try {
    createRequire(import.meta.url)("../dist/load-addon.js").loadAddon();
    return true;
  } catch {
    return false;
  }
}

async function install() {
  // A checkout has its own way (npm run setup); only an installed package lacks the TypeScript sources.
  if (fs.existsSync(path.join(ROOT, "lib"))) return;
  if (loads()) return;
  console.error(`No prebuilt addon for ${process.platform}-${process.arch}: building it from source.`);
  try {
    await buildNative();
    fs.rmSync(path.join(ROOT, ".cmake"), { recursive: true, force: true });
  } catch (error) {
    console.error(
      [
        "",
        `ggml-transformers could not build its addon: ${error.message}`,
        "A C++17 compiler and CMake 3.20 or newer are needed, for example:",
        "  Debian, Ubuntu:  apt-get install g++ make cmake",
        "  Fedora:          dnf install gcc-c++ make cmake",
        "  Alpine:          apk add g++ make cmake",
        "  macOS:           xcode-select --install && brew install cmake",
        "  Windows:         Visual Studio Build Tools with C++ and CMake",
        `Then: node ${JSON.stringify(path.join(ROOT, "scripts", "build-native.mjs"))}`,
        "",
      ].join("\n"),
    );
    process.exitCode = 1;
  }
}

await install();
