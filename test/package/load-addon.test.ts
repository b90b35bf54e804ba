import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NativeUnavailableError } from "../../lib/errors.js";
import { checkNodeApi, loadAddon, type LoadAttempt } from "../../lib/load-addon.js";

const ROOT = path.resolve(import.meta.dirname, "../..");
const BUILT = path.join(ROOT, "build", "Release", "ggml_transformers.node");
const PLATFORM = `${process.platform}-${process.arch}`;

let folder: string;
let environment: string | undefined;

beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "load-addon-")));
  environment = process.env["GGML_TRANSFORMERS_ADDON"];
  delete process.env["GGML_TRANSFORMERS_ADDON"];
});

afterEach(() => {
  if (environment !== undefined) process.env["GGML_TRANSFORMERS_ADDON"] = environment;
  else delete process.env["GGML_TRANSFORMERS_ADDON"];
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A package root without an addon; returns the folder its compiled files would be in. */
function makePackage(root: string): string {
  fs.mkdirSync(path.join(root, "dist"), { recursive: true });
  fs.writeFileSync(path.join(root, "package.json"), JSON.stringify({ name: "ggml-transformers" }));
  return path.join(root, "dist");
}

function put(file: string, contents: string | Buffer): string {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, contents);
  return file;
}

function failure(from: string): NativeUnavailableError & { details: { tried: LoadAttempt[] } } {
  try {
    loadAddon(from);
  } catch (error) {
    expect(error).toBeInstanceOf(NativeUnavailableError);
    return error as NativeUnavailableError & { details: { tried: LoadAttempt[] } };
  }
  throw new Error("the addon was loaded");
}

/** The built addon with one 16-bit field of its ELF header changed. */
function patchedAddon(offset: number, value: number): Buffer {
  const contents = fs.readFileSync(BUILT);
  contents.writeUInt16LE(value, offset);
  return contents;
}

function isAddon(value: unknown): void {
  expect(Object.keys(value as object).length).toBeGreaterThan(0);
}

describe("finding the addon", () => {
  test("this checkout's own build is found from lib/ and dist/", () => {
    isAddon(loadAddon(path.join(ROOT, "lib")));
    expect(loadAddon(path.join(ROOT, "dist"))).toBe(loadAddon(path.join(ROOT, "lib")));
  });

  test("the folder of the running file is where the search begins", () => {
    expect(loadAddon()).toBe(loadAddon(path.join(ROOT, "lib")));
  });

  test("a prebuilt addon is used where nothing was built", () => {
    const dist = makePackage(folder);
    put(path.join(folder, "prebuilds", PLATFORM, "ggml-transformers.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(dist));
  });

  test("a prebuilt addon for several architectures is used, one for another platform is not", () => {
    const dist = makePackage(folder);
    put(path.join(folder, "prebuilds", "sunos-vax", "ggml-transformers.node"), "not for here");
    const both = `${process.platform}-vax+${process.arch}`;
    put(path.join(folder, "prebuilds", both, "ggml-transformers.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(dist));
  });

  test("an own build comes before a prebuilt one", () => {
    const dist = makePackage(folder);
    put(path.join(folder, "build", "Release", "ggml_transformers.node"), fs.readFileSync(BUILT));
    put(path.join(folder, "prebuilds", PLATFORM, "ggml-transformers.node"), "broken");
    isAddon(loadAddon(dist));
  });

  test("a broken own build does not hide a sound prebuilt one", () => {
    const dist = makePackage(folder);
    put(path.join(folder, "build", "Release", "ggml_transformers.node"), "broken");
    put(path.join(folder, "prebuilds", PLATFORM, "ggml-transformers.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(dist));
  });

  test("bundled into an application's file, the package is found among its dependencies", () => {
    const installed = path.join(folder, "node_modules", "ggml-transformers");
    makePackage(installed);
    put(path.join(installed, "prebuilds", PLATFORM, "ggml-transformers.node"), fs.readFileSync(BUILT));
    fs.mkdirSync(path.join(folder, "out"));
    isAddon(loadAddon(path.join(folder, "out")));
  });

  test("a broken or foreign package.json on the way up is passed over", () => {
    const dist = makePackage(folder);
    const deep = path.join(dist, "a", "b");
    put(path.join(deep, "package.json"), "{");
    put(path.join(dist, "a", "package.json"), '{"name": "something-else"}');
    put(path.join(dist, "package.json"), "null");
    put(path.join(folder, "build", "Release", "ggml_transformers.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(deep));
  });

  test("app.asar is mapped to app.asar.unpacked", () => {
    const packed = path.join(folder, "resources", "app.asar", "node_modules", "ggml-transformers");
    const unpacked = packed.replace("app.asar", "app.asar.unpacked");
    const dist = makePackage(packed);
    put(path.join(packed, "prebuilds", PLATFORM, "ggml-transformers.node"), "inside the archive");
    put(path.join(unpacked, "prebuilds", PLATFORM, "ggml-transformers.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(dist));
  });

  test("what is not unpacked is reported where it is", () => {
    const packed = path.join(folder, "app.asar");
    const error = failure(makePackage(packed));
    expect(error.details.tried.map((attempt) => attempt.path)).toContain(
      path.join(packed, "build", "Release", "ggml_transformers.node"),
    );
  });

  test("a folder that is named .asar.unpacked already is left alone", () => {
    const root = path.join(folder, "app.asar.unpacked");
    const dist = makePackage(root);
    put(path.join(root, "build", "Release", "ggml_transformers.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(dist));
  });
});

describe("GGML_TRANSFORMERS_ADDON", () => {
  test("names the file to load", () => {
    const dist = makePackage(folder);
    process.env["GGML_TRANSFORMERS_ADDON"] = put(path.join(folder, "mine.node"), fs.readFileSync(BUILT));
    isAddon(loadAddon(dist));
  });

  test("excludes every other file", () => {
    const missing = path.join(folder, "missing.node");
    process.env["GGML_TRANSFORMERS_ADDON"] = missing;
    const error = failure(path.join(ROOT, "lib"));
    expect(error.details.tried).toEqual([{ path: missing, reason: "no such file" }]);
  });

  test("may be relative to the working directory", () => {
    process.env["GGML_TRANSFORMERS_ADDON"] = path.relative(process.cwd(), BUILT);
    isAddon(loadAddon(makePackage(folder)));
  });
});

describe("when nothing loads", () => {
  test("the error names every path, the reasons, the platform and the way out", () => {
    const dist = makePackage(folder);
    const error = failure(dist);
    expect(error.code).toBe("NATIVE_UNAVAILABLE");
    expect(error.details.tried).toEqual([
      { path: path.join(folder, "build", "Release", "ggml_transformers.node"), reason: "no such file" },
      { path: path.join(folder, "prebuilds", PLATFORM), reason: "no prebuilt addon for this platform" },
    ]);
    for (const attempt of error.details.tried)
      expect(error.message).toContain(`${attempt.path}: ${attempt.reason}`);
    expect(error.message).toContain(PLATFORM);
    expect(error.message).toContain(path.join(folder, "scripts", "build-native.mjs"));
  });

  test("a package that cannot be found is said so", () => {
    const error = failure(folder);
    expect(error.details.tried).toEqual([]);
    expect(error.message).toContain(`was not found from ${folder}`);
  });

  test.each([
    ["text", Buffer.from("this is not an addon")],
    ["nothing", Buffer.alloc(0)],
    ["a cut header", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])],
  ])("a file with %s gives the system's reason, without repeating the path", (_, contents) => {
    const dist = makePackage(folder);
    const file = put(path.join(folder, "build", "Release", "ggml_transformers.node"), contents);
    const attempt = failure(dist).details.tried.find((entry) => entry.path === file);
    expect(attempt?.reason).toMatch(/\S/);
    expect(attempt?.reason).not.toContain(file);
  });

  test("a folder in place of the file is reported", () => {
    const dist = makePackage(folder);
    const file = path.join(folder, "build", "Release", "ggml_transformers.node");
    fs.mkdirSync(file, { recursive: true });
    expect(failure(dist).details.tried.some((attempt) => attempt.path === file)).toBe(true);
  });

  describe.skipIf(process.platform !== "linux")("on Linux", () => {
    test("an addon for another processor is reported", () => {
      const dist = makePackage(folder);
      const otherMachine = process.arch === "x64" ? 183 : 62; // e_machine: AArch64, x86-64
      const file = put(
        path.join(folder, "build", "Release", "ggml_transformers.node"),
        patchedAddon(18, otherMachine),
      );
      expect(failure(dist).details.tried.find((attempt) => attempt.path === file)?.reason).toMatch(
        /cannot open|ELF/,
      );
    });

    test("a library that is no addon is reported", () => {
      const dist = makePackage(folder);
      const library = spawnSync("sh", ["-c", "ldconfig -p | sed -n 's/.*libm.so.6.*=> //p' | head -1"], {
        encoding: "utf8",
        env: { ...process.env, PATH: `${process.env["PATH"]}:/sbin:/usr/sbin` },
      }).stdout.trim();
      const file = put(
        path.join(folder, "build", "Release", "ggml_transformers.node"),
        fs.readFileSync(library),
      );
      expect(failure(dist).details.tried.find((attempt) => attempt.path === file)?.reason).toContain(
        "register",
      );
    });

    test("the prebuilt addon of the right C library is chosen", () => {
      const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
      const [mine, other] = report.header.glibcVersionRuntime ? ["glibc", "musl"] : ["musl", "glibc"];
      const dist = makePackage(folder);
      const prebuilds = path.join(folder, "prebuilds", PLATFORM);
      put(path.join(prebuilds, `ggml-transformers.${other}.node`), fs.readFileSync(BUILT));
      expect(failure(dist).details.tried).toContainEqual({
        path: prebuilds,
        reason: `no prebuilt addon for ${mine}`,
      });
      put(path.join(prebuilds, `ggml-transformers.${mine}.node`), fs.readFileSync(BUILT));
      isAddon(loadAddon(dist));
    });
  });
});

describe("Node-API", () => {
  test.each(["8", "9", "10"])("version %s is enough", (version) => {
    expect(() => checkNodeApi(version)).not.toThrow();
  });

  test.each([undefined, "", "1", "7", "none"])("version %s is refused", (version) => {
    expect(() => checkNodeApi(version)).toThrow(NativeUnavailableError);
  });
});
