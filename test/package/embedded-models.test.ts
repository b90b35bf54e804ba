/** Where the embedded models are found: in each way that the two packages come to lie on a disk. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { embeddedModels, MODELS_PACKAGE } from "../../lib/embedded-models.js";
import { ModelFileError } from "../../lib/errors.js";
import { resolveModel } from "../../lib/model-file.js";
import { ROOT } from "./stage.js";

const MANIFEST = fs.readFileSync(path.join(ROOT, "models", "package.json"), "utf8");
const NAMES = ["mini-bert", "mini-embed", "mini-gpt2"];

let folder: string;

beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "embedded-models-")));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** This package, without the other; returns the folder of its compiled files. */
function putPackage(...names: string[]): string {
  const root = path.join(folder, ...names);
  fs.mkdirSync(path.join(root, "dist"), { recursive: true });
  fs.writeFileSync(path.join(root, "package.json"), JSON.stringify({ name: "ggml-transformers" }));
  return path.join(root, "dist");
}

/** The models' package with one model; returns its folder. */
function putModels(...names: string[]): string {
  const root = path.join(folder, ...names);
  fs.mkdirSync(root, { recursive: true });
  fs.writeFileSync(path.join(root, "package.json"), MANIFEST);
  fs.writeFileSync(path.join(root, "tiny.gguf"), "");
  return root;
}

const found = (root: string) => new Map([["tiny", path.join(root, "tiny.gguf")]]);

function link(target: string, ...names: string[]): void {
  const place = path.join(folder, ...names);
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.symlinkSync(target, place, "junction");
}

describe("the embedded models", () => {
  test("of this checkout are found from lib/ and dist/", () => {
    for (const from of ["lib", "dist"]) {
      const models = embeddedModels(path.join(ROOT, from));
      expect([...models!.keys()]).toEqual(NAMES);
      expect(models!.get("mini-bert")).toBe(path.join(ROOT, "models", "mini-bert.gguf"));
    }
  });

  test("are found beside the package", () => {
    const dist = putPackage("node_modules", "ggml-transformers");
    const models = putModels("node_modules", MODELS_PACKAGE);
    expect(embeddedModels(dist)).toEqual(found(models));
  });

  test("are found above the package, and nearer ones first", () => {
    const dist = putPackage("node_modules", "application", "node_modules", "ggml-transformers");
    const models = putModels("node_modules", MODELS_PACKAGE);
    expect(embeddedModels(dist)).toEqual(found(models));
    const nearer = putModels("node_modules", "application", "node_modules", MODELS_PACKAGE);
    expect(embeddedModels(path.join(dist, "tokenizer"))).toEqual(found(nearer));
  });

  test("are found where each package sees only its own dependencies", () => {
    const store = ["node_modules", ".pnpm"];
    const own = [...store, "ggml-transformers@0.1.0", "node_modules"];
    const dist = putPackage(...own, "ggml-transformers");
    const models = putModels(...store, `${MODELS_PACKAGE}@0.1.0`, "node_modules", MODELS_PACKAGE);
    link(models, ...own, MODELS_PACKAGE);
    link(path.dirname(dist), "node_modules", "ggml-transformers");
    expect(embeddedModels(dist)).toEqual(found(models));
    // A bundle of the application, which does not see the models itself.
    fs.mkdirSync(path.join(folder, "out"));
    expect(embeddedModels(path.join(folder, "out"))).toEqual(found(models));
  });

  test("are found outside the archive when an application is packed", () => {
    const archive = ["resources", "app.asar", "node_modules"];
    const dist = putPackage(...archive, "ggml-transformers");
    const packed = putModels(...archive, MODELS_PACKAGE);
    expect(embeddedModels(dist)).toEqual(found(packed));
    const unpacked = putModels("resources", "app.asar.unpacked", "node_modules", MODELS_PACKAGE);
    expect(embeddedModels(dist)).toEqual(found(unpacked));
  });

  test("are found by an application that has this package inside its bundle", () => {
    const models = putModels("node_modules", MODELS_PACKAGE);
    fs.mkdirSync(path.join(folder, "out"));
    expect(embeddedModels(path.join(folder, "out"))).toEqual(found(models));
  });
});

describe("without their package", () => {
  test("a name is refused with what brings it", async () => {
    const dist = putPackage("node_modules", "ggml-transformers");
    expect(embeddedModels(dist)).toBeUndefined();
    const error = await resolveModel("mini-embed", dist).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ModelFileError);
    expect(error).toMatchObject({
      code: "MODEL_FILE_NOT_FOUND",
      message: expect.stringMatching(/"mini-embed".*not installed: npm install ggml-transformers-models$/),
      details: { path: path.resolve("mini-embed"), known: [] },
    });
  });

  test("a file is found by its path", async () => {
    const dist = putPackage("node_modules", "ggml-transformers");
    const file = path.join(putModels("elsewhere"), "tiny.gguf");
    expect(await resolveModel(file, dist)).toBe(file);
  });
});
