import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installTarballs, pack, stagePackage } from "./stage.js";

// What someone meets on a platform without a prebuilt addon: the package as installed, a compiler and CMake,
// neither git nor the tools this checkout is built with.

let folder: string;
let installed: string;

beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "from-source-")));
  installed = installTarballs([pack(stagePackage(folder), folder)], path.join(folder, "consumer"));
}, 600_000);

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** A folder with links to the programs named that exist, for use as the whole PATH. */
function pathWith(programs: string[]): string {
  const bin = fs.mkdtempSync(path.join(folder, "bin-"));
  for (const program of programs) {
    const found = (process.env["PATH"] ?? "")
      .split(path.delimiter)
      .map((entry) => path.join(entry, program))
      .find((file) => fs.existsSync(file));
    if (found !== undefined) fs.symlinkSync(found, path.join(bin, program));
  }
  return bin;
}

function runInstallScript(programs: string[]): { status: number | null; output: string } {
  const result = spawnSync(process.execPath, [path.join(installed, "scripts", "install.mjs")], {
    cwd: installed,
    encoding: "utf8",
    env: { PATH: pathWith(programs), HOME: folder },
    maxBuffer: 64 << 20,
  });
  return { status: result.status, output: `${result.stdout}${result.stderr}` };
}

const COMPILER = ["make", "cc", "gcc", "c++", "g++", "as", "ld", "ar", "ranlib", "uname", "sh"];

describe.skipIf(process.platform === "win32")("a package without a prebuilt addon", () => {
  test("says at load what was tried and how to build", () => {
    const program = `try { require("ggml-transformers").devices(); } catch (error) { console.log(error.code, error.message); }`;
    const { stdout } = spawnSync(process.execPath, ["-e", program], {
      cwd: path.join(folder, "consumer"),
      encoding: "utf8",
    });
    expect(stdout).toMatch(/^NATIVE_UNAVAILABLE .*cannot be loaded/);
    expect(stdout).toContain(path.join(installed, "scripts", "build-native.mjs"));
  });

  test("says at installation what is missing when CMake is", () => {
    const { status, output } = runInstallScript(COMPILER);
    expect(status).toBe(1);
    expect(output).toContain("cmake is needed");
    expect(output).toContain("apt-get install g++ make cmake");
  });

  test(
    "builds with a compiler and CMake alone, once, and leaves only the addon behind",
    { timeout: 900_000 },
    () => {
      const built = runInstallScript([...COMPILER, "cmake"]);
      expect(built.output).toContain("building it from source");
      expect(built.status, built.output.slice(-2000)).toBe(0);

      const loader = `console.log(require(${JSON.stringify(path.join(installed, "dist", "load-addon.js"))}).loadAddon().ggmlVersion())`;
      const { stdout } = spawnSync(process.execPath, ["-e", loader], { encoding: "utf8" });
      expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
      expect(fs.readdirSync(path.join(installed, "build", "Release"))).toContain("ggml_transformers.node");
      expect(fs.existsSync(path.join(installed, ".cmake"))).toBe(false);

      const again = runInstallScript([]);
      expect(again).toEqual({ status: 0, output: "" });
    },
  );
});
