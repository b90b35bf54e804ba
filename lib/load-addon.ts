import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { familySync } from "detect-libc";
import { NativeUnavailableError } from "./errors.js";

const PACKAGE = "ggml-transformers";
const ADDON = "ggml_transformers.node";
/** The Node-API version the addon is built for; Node 20 has 9. */
const NODE_API = 8;

/** One attempt to load the addon, as reported in the `tried` detail of the error. */
export interface LoadAttempt {
  path: string;
  reason: string;
}

/** The parts of node-gyp-build used here: the naming scheme of `prebuilds/`. It ships no types. */
interface PrebuildNames {
  parseTuple(folder: string): { name: string; architectures: string[] } | undefined;
  matchTuple(platform: string, arch: string): (tuple: unknown) => boolean;
  parseTags(file: string): { file: string; libc?: string } | undefined;
  compareTags(runtime: string): (a: unknown, b: unknown) => number;
}

/**
 * Loads the addon: the file named by the environment variable `GGML_TRANSFORMERS_ADDON` and no other if that
 * is set, else the one built here, else the prebuilt one for this platform.
 *
 * @param from - Where the search for the package's root begins; tests give another folder.
 * @throws {@link NativeUnavailableError} naming every path tried, why it failed and what to do.
 */
export function loadAddon(from: string = __dirname): unknown {
  checkNodeApi(process.versions.napi);
  const tried: LoadAttempt[] = [];
  const root = findPackageRoot(from);

  for (const candidate of candidates(root, tried)) {
    const file = outsideAsar(candidate);
    if (!fs.existsSync(file)) {
      tried.push({ path: file, reason: "no such file" });
      continue;
    }
    try {
      return createRequire(file)(file) as unknown;
    } catch (error) {
      tried.push({ path: file, reason: reasonOf(error).replace(`${file}: `, "") });
    }
  }
  throw unavailable(root ?? from, tried);
}

/** Refuses a runtime whose Node-API is older than the addon's. */
export function checkNodeApi(version: string | undefined): void {
  if (Number(version ?? 0) >= NODE_API) return;
  throw new NativeUnavailableError(
    `Expected Node-API ${NODE_API} or newer but this runtime has ${version ?? "none"}: use Node 20 or newer`,
    { required: NODE_API, received: version },
  );
}

/** The folder of this package: upwards from `from`, else, when bundled into one file, as a dependency of it. */
export function findPackageRoot(from: string): string | undefined {
  for (let folder = path.resolve(from); ; folder = path.dirname(folder)) {
    if (packageName(folder) === PACKAGE) return folder;
    if (path.dirname(folder) === folder) break;
  }
  try {
    return path.dirname(createRequire(path.join(from, "_.js")).resolve(`${PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}

function packageName(folder: string): string | undefined {
  try {
    const parsed = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as {
      name?: string;
    } | null;
    return parsed?.name;
  } catch {
    return undefined;
  }
}

/** Files worth a try, best first; what rules a whole folder out goes to `tried`. */
function* candidates(root: string | undefined, tried: LoadAttempt[]): Generator<string> {
  const forced = process.env["GGML_TRANSFORMERS_ADDON"];
  if (forced) {
    yield path.resolve(forced);
  } else if (root !== undefined) {
    yield path.join(root, "build", "Release", ADDON);
    yield* listPrebuilds(path.join(root, "prebuilds"), tried);
  }
}

function listPrebuilds(prebuilds: string, tried: LoadAttempt[]): string[] {
  const names = createRequire(__filename)("node-gyp-build") as PrebuildNames;
  const wanted = path.join(prebuilds, `${process.platform}-${process.arch}`);

  const tuple = readFolder(prebuilds)
    .map(names.parseTuple)
    .filter(names.matchTuple(process.platform, process.arch))
    .sort((a, b) => (a?.architectures.length ?? 0) - (b?.architectures.length ?? 0))[0];
  if (tuple === undefined) {
    tried.push({ path: wanted, reason: "no prebuilt addon for this platform" });
    return [];
  }

  const folder = path.join(prebuilds, tuple.name);
  const files = readFolder(folder)
    .map(names.parseTags)
    .filter((tags) => tags !== undefined)
    .sort(names.compareTags("node"));
  const matching = files.filter((tags) => tags.libc === undefined || tags.libc === libc());
  if (matching.length === 0)
    tried.push({ path: folder, reason: `no prebuilt addon for ${libc() ?? "this C library"}` });
  return matching.map((tags) => path.join(folder, tags.file));
}

function readFolder(folder: string): string[] {
  try {
    return fs.readdirSync(outsideAsar(folder));
  } catch {
    return [];
  }
}

/** The C library of the running program on Linux; glibc where that cannot be told. */
function libc(): string | undefined {
  return process.platform === "linux" ? (familySync() ?? "glibc") : undefined;
}

/** Electron packs an application into `app.asar`; files the system must load lie unpacked beside it. */
export function outsideAsar(file: string): string {
  const unpacked = file.replace(/([\\/][^\\/]+\.asar)(?=[\\/])/, "$1.unpacked");
  return unpacked !== file && fs.existsSync(unpacked) ? unpacked : file;
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n")[0] ?? message;
}

function unavailable(where: string, tried: LoadAttempt[]): NativeUnavailableError {
  const lines = tried.map((attempt) => `  ${attempt.path}: ${attempt.reason}`);
  const build = path.join(where, "scripts", "build-native.mjs");
  return new NativeUnavailableError(
    [
      `The native addon cannot be loaded on ${process.platform}-${process.arch}, Node ${process.versions.node}.`,
      "Tried:",
      ...(lines.length > 0 ? lines : [`  nothing: the package ${PACKAGE} was not found from ${where}`]),
      "What to do: install the package again; where there is no prebuilt addon, build it with a C++ compiler",
      `and CMake: node ${JSON.stringify(build)}`,
      "When bundling, leave the package external; in Electron, unpack *.node files (asarUnpack).",
    ].join("\n"),
    { tried, platform: process.platform, arch: process.arch },
  );
}
