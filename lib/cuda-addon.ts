/**
 * Where the CUDA addon may lie. It is a file of its own, tens of megabytes large, that most machines have no use
 * for: an optional package per platform carries it, or `npm run build:cuda` makes it.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { findPackageRoot, outsideAsar, type LoadAttempt } from "./load-addon.js";

const ADDON = "ggml_transformers_cuda.node";
const PLATFORM = `${process.platform}-${process.arch}`;

/** The optional package with the addon for this platform. Its main file is the addon. */
export const CUDA_PACKAGE = `ggml-transformers-cuda-${PLATFORM}`;

/** The addon's file, or why there is none. */
export interface FoundAddon {
  path?: string;
  tried: LoadAttempt[];
}

/**
 * Finds the CUDA addon: the file named by the environment variable `GGML_TRANSFORMERS_CUDA_ADDON` and no other if
 * that is set, else the one built here, else the prebuilt one, else that of the optional package.
 *
 * @param from - Where the search for the package's root begins; tests give another folder.
 */
export function findCudaAddon(from: string = __dirname): FoundAddon {
  const tried: LoadAttempt[] = [];
  for (const candidate of candidates(findPackageRoot(from), tried)) {
    const file = outsideAsar(candidate);
    if (fs.existsSync(file)) return { path: file, tried };
    tried.push({ path: file, reason: "no such file" });
  }
  return { tried };
}

function* candidates(root: string | undefined, tried: LoadAttempt[]): Generator<string> {
  const forced = process.env["GGML_TRANSFORMERS_CUDA_ADDON"];
  if (forced) {
    yield path.resolve(forced);
  } else if (root !== undefined) {
    yield path.join(root, "build", "Release", ADDON);
    // A folder that the search for the other addon does not look into.
    yield path.join(root, "prebuilds", `${PLATFORM}-cuda`, ADDON);
    const packaged = optionalPackage(root, tried);
    if (packaged !== undefined) yield packaged;
  }
}

/** The main file of the optional package, if it is of this very version: both sides of the addon must fit. */
function optionalPackage(root: string, tried: LoadAttempt[]): string | undefined {
  const require = createRequire(path.join(root, "package.json"));
  const version = (file: string) =>
    (JSON.parse(fs.readFileSync(file, "utf8")) as { version?: string }).version;
  try {
    const [expected, actual] = [
      path.join(root, "package.json"),
      require.resolve(`${CUDA_PACKAGE}/package.json`),
    ];
    if (version(expected) === version(actual)) return require.resolve(CUDA_PACKAGE);
    const reason = `its version is ${version(actual)}, that of ggml-transformers ${version(expected)}`;
    tried.push({ path: CUDA_PACKAGE, reason });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    tried.push({ path: CUDA_PACKAGE, reason: missing ? "not installed" : (error as Error).message });
  }
  return undefined;
}
