/** What someone has after `npm install ggml-transformers`: with the optional models, without, and where they cannot be had. */
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MODELS_PACKAGE } from "../../lib/embedded-models.js";
import { openRegistry, type Registry } from "./registry.js";
import { makeConsumer, packDependencies, packModels, packWithPrebuilds } from "./stage.js";

vi.setConfig({ testTimeout: 300_000 });

let folder: string;
let models: string;
/** One has everything, the other all but the models. */
let whole: Registry;
let lacking: Registry;

beforeAll(async () => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "registry-")));
  models = packModels(folder);
  const others = [packWithPrebuilds(folder), ...packDependencies(folder)];
  whole = await openRegistry([models, ...others]);
  lacking = await openRegistry(others);
}, 600_000);

afterAll(() => {
  whole?.close();
  lacking?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Has npm install into a folder of that name; returns it. */
async function install(name: string, registry: Registry, ...args: string[]): Promise<string> {
  const consumer = makeConsumer(path.join(folder, name));
  await npm(consumer, registry, "ggml-transformers", ...args);
  expect(fs.existsSync(path.join(consumer, "node_modules", "ggml-transformers"))).toBe(true);
  return consumer;
}

/** Not as in stage.ts: the registry has to answer meanwhile. */
async function npm(cwd: string, registry: Registry, ...args: string[]): Promise<void> {
  await promisify(execFile)("npm", ["install", "--no-audit", "--no-fund", ...args], {
    cwd,
    env: { ...process.env, ...registry.environment(folder) },
    shell: process.platform === "win32",
  });
}

/** What loading by name comes to: the name of the model, or the error's code and message. */
function load(consumer: string): string {
  const program = `require("ggml-transformers").Encoder.load("mini-embed").then(
    ({ info }) => console.log(info.name),
    (error) => console.log(error.constructor.name, error.code, error.message, JSON.stringify(error.details.known)),
  );`;
  return execFileSync(process.execPath, ["-e", program], { cwd: consumer, encoding: "utf8" }).trim();
}

const NOT_INSTALLED = new RegExp(
  `^ModelFileError MODEL_FILE_NOT_FOUND .*"mini-embed".*not installed: npm install ${MODELS_PACKAGE} \\[\\]$`,
);

test("a plain installation brings the models", async () => {
  const consumer = await install("plain", whole);
  expect(load(consumer)).toBe("mini-embed");
});

test("one without optional dependencies leaves them out, until they are asked for", async () => {
  const consumer = await install("omitted", whole, "--omit=optional");
  expect(fs.existsSync(path.join(consumer, "node_modules", MODELS_PACKAGE))).toBe(false);
  expect(load(consumer)).toMatch(NOT_INSTALLED);
  await npm(consumer, whole, MODELS_PACKAGE);
  expect(load(consumer)).toBe("mini-embed");
});

test("one where they cannot be fetched works for everything else", async () => {
  const consumer = await install("lacking", lacking);
  expect(load(consumer)).toMatch(NOT_INSTALLED);
  const file = path.join(folder, "package", "mini-gpt2.gguf");
  execFileSync("tar", ["-xzf", models, "-C", folder, "package/mini-gpt2.gguf"]);
  const program = `require("ggml-transformers").Generator.load(${JSON.stringify(file)})
    .then((generator) => generator.generate("The whale", { maxTokens: 4 }))
    .then(({ tokens }) => console.log(tokens.length));`;
  expect(execFileSync(process.execPath, ["-e", program], { cwd: consumer, encoding: "utf8" }).trim()).toBe(
    "4",
  );
});
