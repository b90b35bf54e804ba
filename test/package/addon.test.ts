import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { native } from "../../lib/native.js";

/** Of node-api-headers, which ships no types: the functions each version of Node-API has. */
interface NodeApiHeaders {
  symbols: Record<"v8", { js_native_api_symbols: string[]; node_api_symbols: string[] }>;
}

const { symbols } = createRequire(import.meta.url)("node-api-headers") as NodeApiHeaders;
const ROOT = path.resolve(import.meta.dirname, "../..");
const ADDON = path.join(ROOT, "build", "Release", "ggml_transformers.node");

interface CompileCommand {
  file: string;
  command: string;
}

function lines(program: string, ...args: string[]): string[] {
  return execFileSync(program, args, { encoding: "utf8", maxBuffer: 64 << 20 }).split("\n");
}

/** Dynamic symbols as [name without version, version or ""]. */
function dynamicSymbols(kind: "--undefined-only" | "--defined-only"): [string, string][] {
  return lines("nm", "--dynamic", kind, ADDON)
    .map((line) => line.trim().split(/\s+/).at(-1) ?? "")
    .filter((symbol) => symbol !== "")
    .map((symbol) => [symbol.split("@")[0] ?? "", symbol.split(/@+/)[1] ?? ""]);
}

describe.skipIf(process.platform !== "linux")("the built addon", () => {
  const undefinedSymbols = process.platform === "linux" ? dynamicSymbols("--undefined-only") : [];
  const ofNode = undefinedSymbols.filter(([, version]) => version === "").map(([name]) => name);

  test("uses nothing but Node-API 8 of Node", () => {
    const allowed = new Set([...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols]);
    const used = ofNode.filter((name) => /^(napi_|node_api_)/.test(name));
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((name) => !allowed.has(name))).toEqual([]);
  });

  test("needs neither V8 nor libuv nor any other unversioned symbol", () => {
    // Weak references that every shared library made by GCC has.
    const fromCompiler = ["__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable"];
    const rest = ofNode.filter((name) => !/^(napi_|node_api_)/.test(name) && !fromCompiler.includes(name));
    expect(rest).toEqual([]);
  });

  test("creates no external buffers, which Electron forbids", () => {
    expect(ofNode).not.toContain("napi_create_external_arraybuffer");
    expect(ofNode).not.toContain("napi_create_external_buffer");
  });

  test("has GGML and the C++ runtime inside: only the C library is needed", () => {
    const needed = lines("readelf", "--dynamic", "--wide", ADDON)
      .map((line) => line.match(/\(NEEDED\).*\[(.*)\]/)?.[1])
      .filter((name) => name !== undefined);
    expect(needed).toContain("libc.so.6");
    const allowed = /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux.*\.so\.\d)$/;
    expect(needed.filter((name) => !allowed.test(name))).toEqual([]);
    const versions = new Set(undefinedSymbols.map(([, version]) => version.split("_")[0]));
    expect([...versions].sort()).toEqual(["", "GLIBC"]);
  });

  test("shows the world only the entry points of a Node addon", () => {
    const shown = dynamicSymbols("--defined-only").map(([name]) => name);
    expect(shown.sort()).toEqual(["napi_register_module_v1", "node_api_module_get_api_version_v1"]);
  });

  test("is stripped and small", () => {
    const sections = lines("readelf", "--section-headers", "--wide", ADDON).join("\n");
    expect(sections).toMatch(/\.text/);
    expect(sections).not.toMatch(/\.symtab|\.debug_/);
    expect(fs.statSync(ADDON).size).toBeLessThan(6e6);
  });

  test("has no executable stack and no writable code", () => {
    const segments = lines("readelf", "--program-headers", "--wide", ADDON);
    expect(segments.find((line) => line.includes("GNU_STACK"))).toMatch(/ RW\s/);
    expect(segments.filter((line) => /\bRWE\b/.test(line))).toEqual([]);
  });
});

describe.skipIf(process.platform !== "linux")("how it was compiled", () => {
  const database = path.join(ROOT, ".cmake", `release-${process.arch}`, "compile_commands.json");
  // Not those of programs that are built beside the addon for tests.
  const commands = (JSON.parse(fs.readFileSync(database, "utf8")) as CompileCommand[]).filter(
    ({ command, file }) => command.includes("ggml_transformers.dir") || file.includes("/vendor/"),
  );
  const from = (folder: string) => commands.filter(({ file }) => file.startsWith(path.join(ROOT, folder)));
  const instructionSets = (command: string) =>
    (command.match(/ -m(?!tune)\S+/g) ?? []).map((flag) => flag.trim()).sort();

  test("nothing is compiled for the machine of the build", () => {
    expect(commands.length).toBeGreaterThan(20);
    expect(commands.filter(({ command }) => /-m(arch|cpu|tune)=native/.test(command))).toEqual([]);
  });

  test.skipIf(process.arch !== "x64")("GGML is compiled for exactly the x64 baseline", () => {
    const cpu = from("vendor/ggml/src/ggml-cpu");
    expect(cpu.length).toBeGreaterThan(8);
    for (const { command } of cpu) {
      expect(instructionSets(command)).toEqual(["-mavx", "-mavx2", "-mbmi2", "-mf16c", "-mfma", "-msse4.2"]);
    }
  });

  /** Where they are not called as in the files' names. */
  const NAMESPACES: Record<string, string> = { avx512vnni: "avx512", amxint8: "amx" };
  const isaOf = (file: string) => file.match(/\/kernels\/.*_(avx2|avxvnni|avx512vnni|amxint8)\.cpp$/)?.[1];

  test("what runs before the processor is checked needs no instruction set", () => {
    const own = from("native").filter(({ file }) => isaOf(file) === undefined);
    expect(own.length).toBeGreaterThan(0);
    for (const { command } of own) expect(instructionSets(command)).toEqual([]);
  });

  test.skipIf(process.arch !== "x64")("a kernel is compiled for the instruction set its file names", () => {
    const avx2 = ["-mavx2", "-mf16c", "-mfma"];
    const avx512 = ["-mavx512bw", "-mavx512dq", "-mavx512f", "-mavx512vl", "-mavx512vnni"];
    const wanted: Record<string, string[]> = {
      avx2,
      avxvnni: [...avx2, "-mavxvnni"].sort(),
      avx512vnni: [...avx2, ...avx512].sort(),
      amxint8: [...avx2, ...avx512, "-mamx-int8", "-mamx-tile"].sort(),
    };
    const kernels = from("native").filter(({ file }) => isaOf(file) !== undefined);
    for (const { command, file } of kernels) {
      expect(instructionSets(command), file).toEqual(wanted[isaOf(file)!]);
    }
  });

  test.skipIf(process.arch !== "x64")("kernels lend the rest of the addon no inline function", () => {
    // The linker keeps one copy of an inline function, from any file: one compiled for AVX-512 would then run
    // everywhere. What a kernel's file shares must carry its instruction set's namespace in its name.
    const objects = path.join(ROOT, ".cmake", `release-${process.arch}`);
    for (const { file } of from("native").filter((entry) => isaOf(entry.file) !== undefined)) {
      const name = path.relative(ROOT, file);
      const object = path.join(objects, "CMakeFiles", "ggml_transformers.dir", `${name}.o`);
      const shared = lines("nm", "--demangle", object).filter((line) => /^\S+ [WVu] /.test(line));
      const isa = isaOf(file)!;
      const space = `${NAMESPACES[isa] ?? isa}::`;
      expect(
        shared.filter((line) => !line.includes(space)),
        name,
      ).toEqual([]);
    }
  });

  test("our own code is compiled with warnings as errors, for Node-API 8", () => {
    for (const { command } of from("native")) {
      for (const flag of [
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Werror",
        "-fvisibility=hidden",
        "-DNAPI_VERSION=8",
      ]) {
        expect(command).toContain(flag);
      }
      expect(command).toContain("-DNODE_API_NO_EXTERNAL_BUFFERS_ALLOWED");
    }
  });

  test("GGML's kernels that depend on the batch and its OpenMP runtime are off", () => {
    const all = commands.map(({ command }) => command).join("\n");
    for (const define of ["GGML_USE_LLAMAFILE", "GGML_USE_CPU_REPACK", "GGML_USE_OPENMP", "-fopenmp"]) {
      expect(all).not.toContain(define);
    }
  });
});

test("reports the GGML that the lock file pins", () => {
  const lock = JSON.parse(fs.readFileSync(path.join(ROOT, "vendor", "ggml.lock.json"), "utf8")) as {
    ggml: { version: string };
  };
  expect(native().ggmlVersion()).toBe(lock.ggml.version);
});
