/**
 * The packed tarball, installed with scripts blocked, on every runtime that can be had and under what
 * applications are bundled and packed with. Runs where these have been fetched; `npm run test:runtimes` does.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeBlocks } from "../docs/markdown.js";
import { installTarballs, packModels, packWithPrebuilds } from "../package/stage.js";
import { expectExamplesRan, readmeExamples, writeExamples } from "./examples.js";
import { hasTools, isRequired, runtimes, tool } from "./installed.js";

const HERE = import.meta.dirname;
const run = promisify(execFile);

let folder: string;
let consumer: string;
/** What this Node prints. */
let expected: Map<string, string>;

/** Runs a file of the consumer; nothing may go to standard error. */
async function runFile(program: string, args: string[], cwd = consumer): Promise<string> {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const { stdout, stderr } = await run(program, args, {
    cwd,
    maxBuffer: 64 << 20,
    env: { ...environment, DENO_DIR: path.join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
  });
  expect(stderr).toBe("");
  return stdout;
}

/** All examples ran, and the seeded text is the one that every other runtime writes. */
function expectSame(stdout: string): void {
  const printed = expectExamplesRan(stdout);
  for (const { name, code } of readmeExamples()) {
    if (code.includes("seed:")) expect(printed.get(name)).toBe(expected.get(name));
  }
}

describe.skipIf(!isRequired && (!hasTools || runtimes.length === 0))(
  "installed with --ignore-scripts",
  () => {
    beforeAll(async () => {
      folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "runtimes-")));
      consumer = path.join(folder, "consumer");
      installTarballs([packWithPrebuilds(folder), packModels(folder)], consumer);
      await writeExamples(consumer);
      expected = expectExamplesRan(await runFile(process.execPath, ["all.mjs"]));
    }, 900_000);

    afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

    describe.each(runtimes)("$name", ({ program, args }) => {
      test.each(["all.mjs", "all.cjs", "worker.mjs"])("%s", { timeout: 300_000 }, async (file) => {
        expectSame(await runFile(program, [...args, file]));
      });
    });

    describe("bundled", () => {
      const bundles = () => path.join(consumer, "bundles");

      test.each(["esm", "cjs"])(
        "by esbuild as %s, the package external",
        { timeout: 300_000 },
        async (format) => {
          const { build } = tool("esbuild");
          const extension = format === "esm" ? "mjs" : "cjs";
          const outfile = path.join(bundles(), `external.${extension}`);
          await build({
            entryPoints: [path.join(consumer, `all.${extension}`)],
            bundle: true,
            platform: "node",
            format,
            outfile,
            external: ["ggml-transformers"],
          });
          expectSame(await runFile(process.execPath, [outfile]));
        },
      );

      test("by esbuild, the package inside and the addon beside it", { timeout: 300_000 }, async () => {
        const { build } = tool("esbuild");
        const outfile = path.join(bundles(), "inside.cjs");
        await build({
          entryPoints: [path.join(consumer, "all.cjs")],
          bundle: true,
          platform: "node",
          format: "cjs",
          outfile,
          external: ["*.node"],
        });
        expect(fs.readFileSync(outfile, "utf8")).not.toContain('require("ggml-transformers")');
        expectSame(await runFile(process.execPath, [outfile]));
      });

      test("by Vite for a server", { timeout: 300_000 }, async () => {
        const { build } = tool("vite");
        await build({
          root: consumer,
          logLevel: "error",
          configFile: false,
          build: { ssr: "all.mjs", outDir: path.join(bundles(), "vite"), target: "node20" },
        });
        const built = fs.readdirSync(path.join(bundles(), "vite")).find((name) => /^all\.m?js$/.test(name));
        expectSame(await runFile(process.execPath, [path.join(bundles(), "vite", built!)]));
      });
    });

    test("packed into app.asar as docs/electron.md says", { timeout: 300_000 }, async () => {
      const packager = codeBlocks("docs/electron.md").find(({ language }) => language === "json");
      const { asarUnpack } = JSON.parse(packager!.code) as { asarUnpack: string[] };
      const application = path.join(folder, "application");
      const names = readmeExamples().map(({ name }) => `${name}.cjs`);
      for (const name of ["all.cjs", "node_modules", "package.json", ...names]) {
        fs.cpSync(path.join(consumer, name), path.join(application, name), {
          recursive: true,
          dereference: true,
        });
      }
      const archive = path.join(folder, "resources", "app.asar");
      const asar = tool("@electron/asar");
      await asar.createPackageWithOptions(application, archive, { unpack: `{${asarUnpack.join(",")}}` });
      fs.rmSync(application, { recursive: true });

      const unpacked = fs
        .readdirSync(`${archive}.unpacked`, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.extname(entry.name));
      expect(new Set(unpacked)).toEqual(new Set([".node", ".gguf"]));
      expectSame(await runFile(process.execPath, [path.join(HERE, "asar-fs.cjs"), archive, "all.cjs"]));
    });
  },
);
