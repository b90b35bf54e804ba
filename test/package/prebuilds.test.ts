/** What a release ships: prebuilt addons that are what their names say and run on old systems, and CUDA packages. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { familySync } from "detect-libc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { npm, ROOT } from "./stage.js";

interface Binary {
  platform: string;
  arch?: string;
  imports?: string[];
  needed?: string[];
  versions?: string[];
}

interface Scripts {
  "binary-format.mjs": { readBinary(contents: Buffer): Binary | undefined };
  "check-prebuilds.mjs": {
    findFaults(target: string, contents: Buffer): string[];
    isNewer(version: string, than: string): boolean;
    TARGETS: string[];
  };
  "pack-cuda.mjs": { packCuda(options: { file: string; out: string }): string };
}

async function script<Name extends keyof Scripts>(name: Name): Promise<Scripts[Name]> {
  return (await import(pathToFileURL(path.join(ROOT, "scripts", name)).href)) as Scripts[Name];
}

const { readBinary } = await script("binary-format.mjs");
const { findFaults, isNewer, TARGETS } = await script("check-prebuilds.mjs");
const { packCuda } = await script("pack-cuda.mjs");

const ADDON = path.join(ROOT, "build", "Release", "ggml_transformers.node");
const HERE = `${process.platform}-${process.arch}`;
const TARGET = `${HERE}/${["ggml-transformers", familySync(), "node"].filter(Boolean).join(".")}`;
const addon = fs.readFileSync(ADDON);

test("the addon built here is one that a release ships, and fit for it", () => {
  // Small, needs the C library alone, and of glibc no version newer than the oldest supported.
  expect(TARGETS).toContain(TARGET);
  expect(findFaults(TARGET, addon)).toEqual([]);
});

describe.skipIf(process.platform !== "linux" || familySync() !== "glibc")(
  "a file unfit for a release",
  () => {
    /** The addon with one thing changed that stands in it once or more. */
    const changed = (from: string, to: string) => {
      expect(to.length).toBe(from.length);
      expect(addon.includes(from)).toBe(true);
      return Buffer.from(addon.toString("latin1").replaceAll(from, to), "latin1");
    };

    test("that needs a newer glibc is found", () => {
      const oldest = readBinary(addon)!.versions!.toSorted((a, b) =>
        isNewer(a.slice(6), b.slice(6)) ? -1 : 1,
      )[0]!;
      expect(oldest).toMatch(/^GLIBC_2\.\d\d$/);
      expect(findFaults(TARGET, changed(oldest, "GLIBC_2.99"))).toEqual(["needs GLIBC_2.99"]);
    });

    test("that needs a version of another library is found", () => {
      const version = readBinary(addon)!.versions!.find((name) => name.length === "GLIBC_2.17".length);
      expect(findFaults(TARGET, changed(version!, "CXXABI_1.3"))[0]).toMatch(/^needs CXXABI_1\.3/);
    });

    test("that needs another library is found", () => {
      expect(findFaults(TARGET, changed("libm.so.6", "libq.so.6"))).toEqual(["needs libq.so.6"]);
    });

    test("that lacks a function of this project or of GGML is found", () => {
      // As a build across a change leaves it: an object calls what no other one has any more.
      const imported = readBinary(addon)!.imports!.find((name) => /^napi_\w{26,}$/.test(name))!;
      const ours = "_ZN17ggml_transformers".padEnd(imported.length, "x");
      expect(findFaults(TARGET, changed(imported, ours))).toEqual([`lacks ${ours}`]);
      const ggml = "ggml_".padEnd(imported.length, "x");
      expect(findFaults(TARGET, changed(imported, ggml))).toEqual([`lacks ${ggml}`]);
    });

    test("for another C library is found", () => {
      const [needs] = findFaults(TARGET.replace("glibc", "musl"), addon);
      expect(needs).toMatch(/^needs lib.*libc\.so\.6/);
    });

    test.each(TARGETS.filter((target) => !target.startsWith(HERE)))("is not taken for %s", (target) => {
      expect(findFaults(target, addon)[0]).toBe(`is for ${HERE}`);
    });

    test("that is too large is found", () => {
      expect(findFaults(TARGET, Buffer.concat([addon, Buffer.alloc(6e6)]))[0]).toMatch(/^has \d+\.\d MB$/);
    });
  },
);

describe("reading a library's header", () => {
  test.skipIf(process.platform !== "linux")("agrees with readelf", () => {
    for (const file of [ADDON, process.execPath]) {
      const readelf = (option: string) =>
        execFileSync("readelf", ["--wide", option, file], { encoding: "utf8", maxBuffer: 64 << 20 });
      const needed = Array.from(readelf("--dynamic").matchAll(/\(NEEDED\).*\[(.+)\]/g), (match) => match[1]!);
      const versionNeeds = readelf("--version-info").split("Version needs section")[1] ?? "";
      const versions = Array.from(versionNeeds.matchAll(/Name: (\S+)/g), (match) => match[1]!);
      const symbols = readelf("--dyn-syms").matchAll(/ GLOBAL +DEFAULT +UND ([^\s@]+)/g);
      const imports = Array.from(symbols, (match) => match[1]!);
      expect(versions.length).toBeGreaterThan(0);
      expect(imports).toContain("memcpy");
      expect(readBinary(fs.readFileSync(file))).toEqual({
        platform: "linux",
        arch: process.arch,
        needed,
        versions,
        imports,
      });
    }
  });

  test("tells systems and processors apart", () => {
    const header = (write: (contents: Buffer) => void) => {
      const contents = Buffer.alloc(256);
      write(contents);
      return readBinary(contents);
    };
    const machO = (processor: number) =>
      header((contents) => {
        contents.writeUInt32LE(0xfeedfacf, 0);
        contents.writeUInt32LE(processor, 4);
      });
    const pe = (machine: number) =>
      header((contents) => {
        contents.write("MZ");
        contents.writeUInt32LE(128, 60);
        contents.write("PE\0\0", 128);
        contents.writeUInt16LE(machine, 132);
      });
    expect(machO(0x01000007)).toEqual({ platform: "darwin", arch: "x64", imports: [] });
    expect(machO(0x0100000c)).toEqual({ platform: "darwin", arch: "arm64", imports: [] });
    expect(pe(0x8664)).toEqual({ platform: "win32", arch: "x64" });
    expect(pe(0xaa64)).toEqual({ platform: "win32", arch: "arm64" });
    expect(pe(0x14c)?.arch).toBeUndefined();
    expect(header(() => {})).toBeUndefined();
    expect(readBinary(Buffer.from("short"))).toBeUndefined();
  });
});

test("what a library for macOS lacks is found", () => {
  const contents = Buffer.alloc(512);
  contents.writeUInt32LE(0xfeedfacf, 0);
  contents.writeUInt32LE(0x0100000c, 4);
  contents.writeUInt32LE(2, 16); // commands
  contents.writeUInt32LE(0x32, 32); // of another kind
  contents.writeUInt32LE(24, 36);
  contents.writeUInt32LE(2, 56); // the table of symbols
  contents.writeUInt32LE(24, 60);
  [128, 4, 256].forEach((value, i) => contents.writeUInt32LE(value, 64 + i * 4));
  // By their types: undefined twice, in a section, for debuggers.
  const names = ["__ZN17ggml_transformers4goneEv", "_napi_throw", "_ggml_here", "_ggml_debugged"];
  const types = [0x01, 0x01, 0x0f, 0x24];
  let text = 1;
  for (const [i, name] of names.entries()) {
    contents.writeUInt32LE(text, 128 + i * 16);
    contents[132 + i * 16] = types[i]!;
    text += contents.write(`${name}\0`, 256 + text);
  }
  expect(readBinary(contents)!.imports).toEqual(names.slice(0, 2));
  expect(findFaults("darwin-arm64/ggml-transformers.node", contents)).toEqual([`lacks ${names[0]!}`]);
});

describe("the CUDA package of a platform", () => {
  let folder: string;
  let consumer: string;

  // Which addon it carries makes no difference to how it is packed and found: here the one for the CPU.
  beforeAll(() => {
    folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "cuda-package-")));
    consumer = path.join(folder, "consumer");
    fs.mkdirSync(consumer);
    fs.writeFileSync(path.join(consumer, "package.json"), '{ "name": "consumer", "private": true }\n');
    npm(consumer, ["install", "--offline", "--ignore-scripts", packCuda({ file: ADDON, out: folder })]);
  }, 120_000);
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test("is the addon, under the platform's name and this version", () => {
    const require = createRequire(path.join(consumer, "_.js"));
    const name = `ggml-transformers-cuda-${HERE}`;
    const file = require.resolve(name);
    expect(path.basename(file)).toBe("ggml_transformers_cuda.node");
    expect(fs.readFileSync(file).equals(addon)).toBe(true);
    const manifest = require(`${name}/package.json`) as Record<string, unknown>;
    const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
      version: string;
    };
    expect(manifest).toMatchObject({ name, version, os: [process.platform], cpu: [process.arch] });
    expect(manifest).not.toHaveProperty("scripts");
    expect(fs.readdirSync(path.dirname(file)).sort()).toEqual(
      [
        "LICENSE",
        "README.md",
        "THIRD_PARTY_NOTICES.md",
        "ggml_transformers_cuda.node",
        "package.json",
      ].sort(),
    );
  });

  test("is not made of what is no addon", () => {
    const file = path.join(folder, "text.node");
    fs.writeFileSync(file, "text".repeat(100));
    expect(() => packCuda({ file, out: folder })).toThrow(/no addon/);
    expect(() => packCuda({ file: path.join(folder, "missing.node"), out: folder })).toThrow(/build:cuda/);
  });
});
