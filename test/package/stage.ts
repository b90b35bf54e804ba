import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../..");

interface LockedPackage {
  dependencies?: Record<string, string>;
}

/** What npm prints is kept for the message of a failure. */
export function npm(cwd: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  return execFileSync("npm", args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, npm_config_loglevel: "error", ...env },
    shell: process.platform === "win32",
  });
}

const NOT_PUBLISHED = [
  ".git",
  ".cmake",
  "node_modules",
  "build",
  "prebuilds",
  "models",
  "test",
  "bench",
  "site",
];

/** A copy of this checkout as it would be published, without prebuilt addons. */
export function stagePackage(folder: string): string {
  const stage = path.join(folder, "stage");
  const left = new Set(NOT_PUBLISHED);
  fs.cpSync(ROOT, stage, {
    recursive: true,
    filter: (source) => !left.has(path.relative(ROOT, source)) && !path.basename(source).startsWith(".ggml-"),
  });
  return stage;
}

/** Makes prebuilds/ in `folder` by the script behind `npm run prebuildify`, reusing this checkout's build. */
export function makePrebuilds(folder: string): string {
  const work = path.join(folder, "prebuild");
  fs.mkdirSync(work);
  for (const name of ["binding.gyp", "package.json"])
    fs.copyFileSync(path.join(ROOT, name), path.join(work, name));
  // node-gyp deletes build/ of the folder it works in, which must not be this checkout's.
  for (const name of ["scripts", "vendor", "native", "node_modules"]) {
    fs.symlinkSync(path.join(ROOT, name), path.join(work, name), "junction");
  }
  execFileSync(process.execPath, [path.join(ROOT, "scripts", "prebuild.mjs")], {
    cwd: work,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return path.join(work, "prebuilds");
}

/** Packs this checkout with a prebuilt addon for this machine, as a release is, and returns the tarball's path. */
export function packWithPrebuilds(folder: string): string {
  const stage = stagePackage(folder);
  fs.cpSync(makePrebuilds(folder), path.join(stage, "prebuilds"), { recursive: true });
  return pack(stage, folder);
}

/** Packs the embedded models, as a release does, and returns the tarball's path. */
export function packModels(folder: string): string {
  return pack(path.join(ROOT, "models"), folder);
}

/** Packs everything the package depends on at run time, and returns the tarballs' paths. */
export function packDependencies(folder: string): string[] {
  return packAll(folder, folder, runtimeDependencies());
}

/** Packs `stage` and returns the tarball's path. */
export function pack(stage: string, folder: string): string {
  return packAll(stage, folder)[0]!;
}

function packAll(cwd: string, folder: string, packages: string[] = []): string[] {
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder, ...packages];
  const packed = JSON.parse(npm(cwd, args)) as Record<string, { filename: string }>;
  // A list, and from npm 12 on an object.
  return Object.values(packed).map(({ filename }) => path.join(folder, filename));
}

/** A folder for what is installed. */
export function makeConsumer(folder: string): string {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  return folder;
}

/** Installs the package's tarball, and others, in an empty folder, without scripts and without the network. */
export function installTarballs(tarballs: string[], folder: string): string {
  npm(makeConsumer(folder), [
    "install",
    "--offline",
    "--ignore-scripts",
    "--install-links",
    ...tarballs,
    ...runtimeDependencies(),
  ]);
  return path.join(folder, "node_modules", "ggml-transformers");
}

/** Folders of everything the package depends on at run time, as this checkout has them. */
function runtimeDependencies(): string[] {
  const lock = JSON.parse(fs.readFileSync(path.join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockedPackage>;
  };
  const found = new Set<string>();
  const visit = (name: string) => {
    for (const dependency of Object.keys(lock.packages[name]?.dependencies ?? {})) {
      const nested = `${name}/node_modules/${dependency}`;
      const folder = nested in lock.packages ? nested : `node_modules/${dependency}`;
      if (found.has(folder)) continue;
      found.add(folder);
      visit(folder);
    }
  };
  visit("");
  return [...found].map((name) => path.join(ROOT, name));
}
