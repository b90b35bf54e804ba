/**
 * The loader that stands between GGML's CUDA backend and cuBLAS, compiled on its own. It needs the toolkit's headers,
 * no GPU and no cuBLAS; NVIDIA's library is stood in for by one that writes down what arrives.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const ROOT = join(import.meta.dirname, "../..");
const TOOLKIT = process.env["CUDA_PATH"] ?? "/usr/local/cuda";
const INCLUDE = join(TOOLKIT, "include");
const hasToolkit = process.platform === "linux" && existsSync(join(INCLUDE, "cuda_runtime_api.h"));
const HEADER = join(INCLUDE, "cublas_v2.h");

const folder = temporaryFolder();
const source = (name: string) => join(ROOT, "test/native", name);

function compile(name: string, sources: string[], options: string[] = []): string {
  const program = join(folder, name);
  const include = [`-I${join(ROOT, "native/cuda")}`, "-isystem", INCLUDE];
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  execFileSync("c++", ["-std=c++17", ...warnings, ...include, ...options, ...sources, "-o", program, "-ldl"]);
  return program;
}

const run = (program: string, args: string[], libraries = "") =>
  execFileSync(program, args, { encoding: "utf8", env: { ...process.env, LD_LIBRARY_PATH: libraries } });

describe.skipIf(!hasToolkit)("the loader of cuBLAS", () => {
  let program: string;

  beforeAll(() => {
    program = compile("cublas_check", [
      source("cublas_check.cpp"),
      join(ROOT, "native/cuda/cublas_loader.cpp"),
    ]);
  });

  it.skipIf(existsSync(HEADER))("says so where there is no library, and ends nothing", () => {
    const { available, status, text } = JSON.parse(run(program, [])) as Record<string, unknown>;
    expect({ available, status }).toEqual({ available: false, status: 1 });
    expect(text).toMatch(/cannot be opened/);
  });

  it("passes every argument on in its place, and sums half precision in single precision", () => {
    const library = join(folder, "libcublas.so.13");
    execFileSync("cc", ["-shared", "-fPIC", "-Wall", "-Werror", source("recording_cublas.c"), "-o", library]);
    // CUDA_R_32F is 0, CUDA_R_16F 2; summing in single precision is 68, the algorithm 99.
    expect(run(program, ["--products"], folder).trim().split("\n")).toEqual([
      "workspace 77",
      "math 0",
      "math 1",
      "sgemm 10 11 12 13 2 14 15 3 16",
      "sgemm batched 10 11 12 13 2 14 15 3 16 17",
      "sgemm strided 10 11 12 13 2 14 21 15 22 3 16 23 17",
      "gemm 10 11 12 13 2 0 14 0 15 3 0 16 68 99",
      "gemm 10 11 12 13 2 2 14 2 15 3 2 16 68 99",
      "gemm batched 10 11 12 13 2 2 14 2 15 3 2 16 17 68 99",
      "gemm strided 10 11 12 13 2 2 14 21 2 15 22 3 2 16 23 17 68 99",
      "strsm 1101 11 12 2 14 15 17",
    ]);
  });

  it("takes a library that lacks a function for none", () => {
    const only = join(folder, "only");
    mkdirSync(only);
    const renamed = ["-DcublasStrsmBatched=unrelated", "-o", join(only, "libcublas.so.12")];
    execFileSync("cc", ["-shared", "-fPIC", source("recording_cublas.c"), ...renamed]);
    expect(JSON.parse(run(program, [], only))).toMatchObject({ available: false, status: 1 });
  });

  it.skipIf(!existsSync(HEADER))("has the values of the library's own header", () => {
    const check = compile(
      "cublas_header_check",
      [source("cublas_check.cpp")],
      [`-DCUBLAS_HEADER="${HEADER}"`],
    );
    expect(run(check, [])).toMatch(/library's/);
  });
});
