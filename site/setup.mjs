// Installs what the site is made with, where that has not been done yet.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const { devDependencies } = JSON.parse(fs.readFileSync(path.join(HERE, "package.json"), "utf8"));
const isInstalled = (name) => fs.existsSync(path.join(HERE, "node_modules", name, "package.json"));

if (!Object.keys(devDependencies).every(isInstalled)) {
  const { status } = spawnSync(
    "npm",
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: HERE,
      stdio: "inherit",
      shell: process.platform === "win32",
    },
  );
  process.exitCode = status ?? 1;
}
