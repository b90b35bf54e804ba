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
 * gigabytes per second. Undefined where the micro-benchmark is missing or does not know.
 */
export function measurePeaks(threads) {
  const program = ["", "Release"]
    .flatMap((folder) =>
      ["kernel_check", "kernel_check.exe"].map((name) => path.join(KERNEL_BUILD, folder, name)),
    )
    .find((file) => fs.existsSync(file));
  if (program === undefined) return {};
  const { stdout } = spawnSync(program, ["--peaks", "--threads", String(threads)], { encoding: "utf8" });
  const peaks = {};
  for (const line of stdout.trim().split("\n")) {
    const peak = JSON.parse(line);
    if (peak.peak_int8_gops === undefined) return {};
    // Each core has its own units; they share the memory.
    const cores = threads / (peak.threads ?? 1);
    peaks[peak.isa] = {
      int8: peak.peak_int8_gops * cores,
      f32: peak.peak_f32_gops * cores,
      read: peak.read_gb_per_s,
      readThreads: peak.threads ?? 1,
    };
  }
  return peaks;
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
