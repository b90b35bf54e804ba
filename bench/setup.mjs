// What a benchmark needs: the package and its micro-benchmark built, the peers installed.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "../scripts/setup.mjs";
import { KERNEL_BUILD } from "./peaks.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const MODULES = path.join(HERE, "node_modules");

function npm(...args) {
  const { status } = spawnSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: HERE,
    stdio: "inherit",
    shell: process.platform === "win32",
    // What does not come with onnxruntime-node's package are libraries for graphics cards.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" },
  });
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed`);
}

/**
 * The native parts of peers that come as one optional package per platform. All of node-llama-cpp's would be a
 * gigabyte (one per graphics card): only this platform's plain one is fetched. sharp, which @huggingface/transformers
 * loads for images, names its packages in the same way.
 */
function platformPackages() {
  const { arch, platform } = process;
  const llama = `${{ darwin: "mac", win32: "win" }[platform] ?? platform}-${arch}`;
  const metal = platform === "darwin" && arch === "arm64" ? "-metal" : "";
  const sharp = manifest("sharp").optionalDependencies ?? {};
  const images = [`@img/sharp-${platform}-${arch}`, `@img/sharp-libvips-${platform}-${arch}`];
  return [
    [`@node-llama-cpp/${llama}${metal}`, manifest("node-llama-cpp").version],
    ...images.filter((name) => name in sharp).map((name) => [name, sharp[name]]),
  ];
}

function manifest(name) {
  return JSON.parse(fs.readFileSync(path.join(MODULES, name, "package.json"), "utf8"));
}

const installed = (name) => fs.existsSync(path.join(MODULES, name, "package.json"));

await setup();
const { dependencies } = JSON.parse(fs.readFileSync(path.join(HERE, "package.json"), "utf8"));
if (!Object.keys(dependencies).every(installed)) npm("install");
// In one call: npm removes what an earlier call brought and no manifest names.
const natives = platformPackages();
if (!natives.every(([name]) => installed(name))) {
  npm("install", "--no-save", ...natives.map(([name, version]) => `${name}@${version}`));
}
execFileSync("cmake", ["--build", KERNEL_BUILD, "--config", "Release", "--target", "kernel_check"], {
  stdio: ["ignore", "ignore", "inherit"],
});
