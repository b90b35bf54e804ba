// What a benchmark needs: the package built, the peers installed. node-llama-cpp comes with one package per
// platform and graphics card, a gigabyte in all: only the plain one of this platform is fetched.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "../scripts/setup.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

function npm(...args) {
  const { status } = spawnSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: HERE,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed`);
}

function prebuiltPackage() {
  const flavour = process.platform === "darwin" && process.arch === "arm64" ? "-metal" : "";
  const platform = { darwin: "mac", win32: "win" }[process.platform] ?? process.platform;
  return `@node-llama-cpp/${platform}-${process.arch}${flavour}`;
}

await setup();
const peer = path.join(HERE, "node_modules", "node-llama-cpp", "package.json");
if (!fs.existsSync(peer)) npm("install");
const prebuilt = prebuiltPackage();
if (!fs.existsSync(path.join(HERE, "node_modules", prebuilt))) {
  npm("install", "--no-save", `${prebuilt}@${JSON.parse(fs.readFileSync(peer, "utf8")).version}`);
}
