/** The models found by name. They are a package of their own, which an installation may leave out. */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { findPackageRoot, outsideAsar } from "./load-addon.js";

export const MODELS_PACKAGE = "ggml-transformers-models";
const EXTENSION = ".gguf";

/**
 * Paths of the embedded models by their names, in alphabetical order; undefined where their package is missing.
 *
 * @param from - Where the search for this package begins; tests give another folder.
 */
export function embeddedModels(from: string): Map<string, string> | undefined {
  const folder = modelsFolder(from);
  if (folder === undefined) return undefined;
  const files = readdirSync(folder).filter((file) => file.endsWith(EXTENSION));
  return new Map(files.sort().map((file) => [file.slice(0, -EXTENSION.length), join(folder, file)]));
}

/** As this package sees it, which a strict layout of `node_modules` shows nobody else; a checkout has a link there. */
function modelsFolder(from: string): string | undefined {
  const { resolve } = createRequire(join(findPackageRoot(from) ?? from, "_.js"));
  try {
    return outsideAsar(dirname(resolve(`${MODELS_PACKAGE}/package.json`)));
  } catch {
    return undefined;
  }
}
