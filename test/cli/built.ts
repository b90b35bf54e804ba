/** Run once before the tests of this folder: what they start has to be what the sources say. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./run-cli.js";

interface BuildScript {
  isTypeScriptCurrent(): boolean;
}

export async function requireBuilt(): Promise<void> {
  const script = pathToFileURL(join(ROOT, "scripts", "build-ts.mjs")).href;
  const { isTypeScriptCurrent } = (await import(script)) as BuildScript;
  if (!isTypeScriptCurrent()) throw new Error("dist/ is older than lib/: run npm run build:ts");
}
