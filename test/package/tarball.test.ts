import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MODELS_PACKAGE } from "../../lib/embedded-models.js";
import { expectExamplesRan, writeExamples } from "../runtimes/examples.js";
import { installTarballs, npm, packModels, packWithPrebuilds, ROOT } from "./stage.js";

// Whole programs run here, the TypeScript compiler among them, on whatever else the machine has to do.
vi.setConfig({ testTimeout: 300_000 });

const { TARGETS } = (await import(pathToFileURL(path.join(ROOT, "scripts", "check-prebuilds.mjs")).href)) as {
  TARGETS: string[];
};
const PLATFORM = `${process.platform}-${process.arch}`;

let folder: string;
let tarball: string;
let models: string;
let consumer: string;
let installed: string;

beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "tarball-")));
  tarball = packWithPrebuilds(folder);
  models = packModels(folder);
  consumer = path.join(folder, "consumer");
  installed = installTarballs([tarball, models], consumer);
}, 600_000);

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function run(file: string, source: string): string {
  fs.writeFileSync(path.join(consumer, file), source);
  return execFileSync(process.execPath, [file], { cwd: consumer, encoding: "utf8" });
}

function tool(packageName: string, args: string[]): { status: number | null; output: string } {
  const root = path.join(ROOT, "node_modules", packageName);
  const { bin } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
    bin: string | Record<string, string>;
  };
  const script = typeof bin === "string" ? bin : Object.values(bin)[0]!;
  const result = spawnSync(process.execPath, [path.join(root, script), ...args], { encoding: "utf8" });
  return { status: result.status, output: `${result.stdout}${result.stderr}` };
}

describe("the tarball", () => {
  test("is at most 12 MB with an addon for every platform, as far as can be told from one", () => {
    const prebuilds = path.join(installed, "prebuilds", PLATFORM);
    const [name, ...others] = fs.readdirSync(prebuilds);
    expect(others).toEqual([]);
    const addon = gzipSync(fs.readFileSync(path.join(prebuilds, name!)), { level: 9 }).length;
    const rest = fs.statSync(tarball).size - addon;
    expect(rest).toBeGreaterThan(1e6);
    // ARM has fewer kernels; that this is about their part was measured on Linux.
    const share = (target: string) => (target.includes("arm64") ? 0.85 : 1);
    const addons = TARGETS.reduce((sum, target) => sum + (addon * share(target)) / share(PLATFORM), 0);
    expect(rest + addons).toBeLessThan(12e6);
  });

  test.each(["ggml-transformers", MODELS_PACKAGE])("publint finds nothing in that of %s", (name) => {
    const file = name === MODELS_PACKAGE ? models : tarball;
    const { status, output } = tool("publint", ["run", file, "--strict"]);
    expect(output).not.toMatch(/^(Errors|Warnings|Suggestions):/m);
    expect(status).toBe(0);
  });

  test("its types are right for every kind of resolution", () => {
    const { status, output } = tool("@arethetypeswrong/cli", [tarball, "--format", "json"]);
    expect(status).toBe(0);
    expect((JSON.parse(output) as { problems?: object }).problems ?? {}).toEqual({});
  });

  test("holds what running and building need, with every licence", () => {
    const needed = [
      "LICENSE",
      "THIRD_PARTY_NOTICES.md",
      "dist/index.js",
      "dist/index.mjs",
      "dist/index.d.mts",
      "binding.gyp",
      "CMakeLists.txt",
      "native/addon.cpp",
      "scripts/build-native.mjs",
      "vendor/ggml.lock.json",
      "vendor/ggml/LICENSE",
      "vendor/ggml/.vendored.json",
      "vendor/ggml/src/ggml-cpu/ggml-cpu.c",
      "vendor/ggml/src/ggml-cuda/ggml-cuda.cu",
      "vendor/ggml/src/ggml-metal/ggml-metal.cpp",
    ];
    expect(needed.filter((name) => !fs.existsSync(path.join(installed, name)))).toEqual([]);
  });

  test("holds nothing else", () => {
    const top = [
      "CMakeLists.txt",
      "LICENSE",
      "README.md",
      "THIRD_PARTY_NOTICES.md",
      "binding.gyp",
      "dist",
      "native",
      "package.json",
      "prebuilds",
      "scripts",
      "vendor",
    ];
    expect(fs.readdirSync(installed).filter((name) => !top.includes(name))).toEqual([]);
    const backends = fs
      .readdirSync(path.join(installed, "vendor", "ggml", "src"))
      .filter((name) => !name.includes("."));
    expect(backends.sort()).toEqual(["ggml-cpu", "ggml-cuda", "ggml-metal"]);
    expect(fs.readdirSync(path.join(installed, "dist")).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("its notices name every author in the source it carries", () => {
    const notices = fs.readFileSync(path.join(installed, "THIRD_PARTY_NOTICES.md"), "utf8");
    const source = path.join(installed, "vendor", "ggml");
    const owners = new Set<string>();
    for (const name of fs.readdirSync(source, { recursive: true, encoding: "utf8" })) {
      if (!/\.(c|cpp|h|cu|cuh|metal|m|cmake)$/.test(name)) continue;
      const text = fs.readFileSync(path.join(source, name), "utf8");
      for (const [, owner] of text.matchAll(
        /Copyright (?:\([cC]\) )?(?:\d{4}(?:-\d{4})?) ([\w ]+?)(?:\.|,|\n| and\/or)/g,
      )) {
        owners.add(owner!.trim());
      }
    }
    expect(owners.size).toBeGreaterThan(1);
    expect([...owners].filter((owner) => !notices.includes(owner))).toEqual([]);
  });

  test("no file in it names this machine", () => {
    const found = spawnSync("grep", ["-rlF", "--", ROOT, installed], { encoding: "utf8" });
    expect(found.stdout).toBe("");
  });
});

test("the models' tarball holds the models and what must be said of them", () => {
  const root = path.join(consumer, "node_modules", MODELS_PACKAGE);
  const names = ["mini-bert", "mini-embed", "mini-gpt2"].map((name) => `${name}.gguf`);
  expect(fs.readdirSync(root).sort()).toEqual(["LICENSE", "README.md", ...names, "package.json"].sort());
  const [ours, theirs] = [ROOT, root].map((folder) => fs.readFileSync(path.join(folder, "LICENSE"), "utf8"));
  expect(theirs).toBe(ours);
  const require = createRequire(path.join(consumer, "_.js"));
  for (const name of names) expect(require.resolve(`${MODELS_PACKAGE}/${name}`)).toBe(path.join(root, name));
});

describe("installed with --ignore-scripts in an empty folder", () => {
  test("the prebuilt addon is the one that loads", () => {
    expect(fs.existsSync(path.join(installed, "build"))).toBe(false);
    expect(fs.readdirSync(path.join(installed, "prebuilds"))).toEqual([PLATFORM]);
    const output = run(
      "addon.cjs",
      'require("ggml-transformers/package.json"); console.log(typeof require("ggml-transformers").devices);',
    );
    expect(output.trim()).toBe("function");
    const loader = JSON.stringify(path.join(installed, "dist", "load-addon.js"));
    const loaded = run("loader.cjs", `console.log(require(${loader}).loadAddon().ggmlVersion());`);
    expect(loaded.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test("require and import give the same names and the same classes", () => {
    const output = run(
      "both.mjs",
      `import { createRequire } from "node:module";
       import * as esm from "ggml-transformers";
       const cjs = createRequire(import.meta.url)("ggml-transformers");
       const names = Object.keys(cjs).sort();
       console.log(JSON.stringify({
         names,
         missing: names.filter((name) => esm[name] !== cjs[name]),
         extra: Object.keys(esm).filter((name) => !(name in cjs)),
       }));`,
    );
    const { names, missing, extra } = JSON.parse(output) as Record<string, string[]>;
    expect(names).toEqual(
      expect.arrayContaining(["Encoder", "Generator", "Tokenizer", "devices", "inspect"]),
    );
    expect({ missing, extra }).toEqual({ missing: [], extra: [] });
  });

  test("importing the package loads no addon", () => {
    const output = run(
      "lazy.cjs",
      `process.dlopen = () => { throw new Error("an addon was loaded"); };
       require("ggml-transformers");
       console.log("ok");`,
    );
    expect(output.trim()).toBe("ok");
  });

  test.each([
    ["consumer.cts", 'import pkg = require("ggml-transformers"); const { Encoder } = pkg;'],
    ["consumer.mts", 'import { Encoder } from "ggml-transformers";'],
  ])("TypeScript checks %s, strictly, our declarations included", (file, start) => {
    const source = `${start}
      export async function main(): Promise<number> {
        const encoder = await Encoder.load("mini-embed");
        const vector: Float32Array = await encoder.embed("text");
        // @ts-expect-error a text is no number
        await encoder.embed(5);
        return vector.length;
      }`;
    fs.writeFileSync(path.join(consumer, file), source);
    const types = path.join(ROOT, "node_modules", "@types");
    const options = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--lib",
      "es2023,esnext.disposable",
    ];
    const { status, output } = tool("typescript", [
      ...options,
      "--typeRoots",
      types,
      "--types",
      "node",
      "--skipLibCheck",
      "false",
      path.join(consumer, file),
    ]);
    expect(output).toBe("");
    expect(status).toBe(0);
  });

  describe("the README's examples", () => {
    beforeAll(() => writeExamples(consumer));

    // On every other runtime: npm run test:runtimes.
    test.each(["all.mjs", "all.cjs", "worker.mjs"])("%s", (file) => {
      const stdout = execFileSync(process.execPath, [file], { cwd: consumer, encoding: "utf8" });
      expectExamplesRan(stdout);
    });
  });

  test("the command line starts", () => {
    const output = npm(consumer, ["exec", "--offline", "--", "ggml-transformers", "--help"]);
    expect(output).toContain("embed");
  });
});
