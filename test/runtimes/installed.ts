/** The runtimes, bundlers and packagers of this folder's package.json, where they have been fetched. */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const HERE = import.meta.dirname;
const require = createRequire(import.meta.url);

interface Manifest {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}

const { dependencies, optionalDependencies } = require("./package.json") as Manifest;

const isInstalled = (name: string) => fs.existsSync(path.join(HERE, "node_modules", name, "package.json"));

/** Whether what runs on every platform is there. */
export const hasTools = Object.keys(dependencies).every(isInstalled);

/** `npm run test:runtimes` fetches everything, so that what is missing then is a failure and not left out. */
export const isRequired = process.env["GGML_TRANSFORMERS_TEST_RUNTIMES"] === "all";

export interface Runtime {
  name: string;
  program: string;
  /** Arguments before the file to run. */
  args: string[];
}

function runtime(name: string): Runtime {
  const folder = path.join(HERE, "node_modules", name);
  const [file, ...args] = { bun: ["bin/bun", "run"], deno: ["deno", "run", "--allow-all", "--no-prompt"] }[
    name
  ] ?? ["bin/node"];
  return { name, program: path.join(folder, file!), args };
}

/** Those that have been fetched; all come as binaries for Linux on x64 with glibc. */
export const runtimes: Runtime[] = Object.keys(optionalDependencies)
  .filter((name) => isRequired || isInstalled(name))
  .map(runtime);

/** The parts used of tools that may not be installed when types are checked. */
interface Tools {
  esbuild: {
    build(options: {
      entryPoints: string[];
      outfile: string;
      bundle: true;
      platform: "node";
      format: string;
      external: string[];
    }): Promise<unknown>;
  };
  vite: {
    build(options: {
      root: string;
      logLevel: "error";
      configFile: false;
      build: { ssr: string; outDir: string; target: string };
    }): Promise<unknown>;
  };
  "@electron/asar": {
    createPackageWithOptions(source: string, archive: string, options: { unpack: string }): Promise<void>;
  };
}

/** One of the tools, as Node loads it from here. */
export function tool<Name extends keyof Tools>(name: Name): Tools[Name] {
  return require(name) as Tools[Name];
}
