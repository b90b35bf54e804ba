import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findPackageRoot } from "../load-addon.js";

/** The version of this package. */
export function version(): string {
  const manifest = readFileSync(join(findPackageRoot(__dirname) ?? "", "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
