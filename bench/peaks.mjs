// What the machine can do at most: int8 and F32 products, and reading memory, as the kernels' own micro-benchmark
// measures them.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
/** Where the addon is built, and the micro-benchmark with it. */
export const KERNEL_BUILD = path.join(ROOT, ".cmake", `release-${process.arch}`);

/**
 * For `threads` threads, per instruction set: `int8` and `f32` in billions of operations per second, `read` in
 * gigabytes per second. Nothing where the micro-benchmark is missing.
 */
export function measurePeaks(threads) {
  const program = findProgram();
  if (program === undefined) return {};
  const lines = run(program, ["--peaks", "--threads", String(threads)]);
  const peaks = {};
  for (const line of lines) {
    peaks[line.isa] = { int8: line.peak_int8_gops, f32: line.peak_f32_gops, read: line.read_gb_per_s };
  }
  return peaks;
}

function findProgram() {
  const names = ["kernel_check", "kernel_check.exe"];
  return ["", "Release"]
    .flatMap((folder) => names.map((name) => path.join(KERNEL_BUILD, folder, name)))
    .find((file) => fs.existsSync(file));
}

function run(program, args) {
  const env = { ...process.env, GGML_TRANSFORMERS_ISA: "" };
  const { stdout } = spawnSync(program, args, { encoding: "utf8", env });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** The greater of two measurements each: what disturbs one only makes it smaller. */
export function greaterPeaks(a, b) {
  const merged = { ...a };
  for (const [isa, peak] of Object.entries(b)) {
    merged[isa] = { ...peak };
    for (const key of ["int8", "f32", "read"])
      merged[isa][key] = Math.max(a[isa]?.[key] ?? 0, peak[key] ?? 0);
  }
  return merged;
}
