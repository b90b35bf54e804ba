// Checks the ARM kernels on a machine that is not ARM: cross-compiles test/native/kernel_check.cpp and runs it
// under qemu, as processors that have all, some and none of the instructions that the kernels use.
//
//   node scripts/test-arm.mjs [--seed=<number>]
//
// Needs CMake, g++ for aarch64 and qemu's user mode; on Debian: gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and
// qemu-user. Takes a few minutes.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fetchGgml, VendorError } from "../vendor/fetch.mjs";
import { BuildError, runCmake } from "./build-native.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const OUT = path.join(ROOT, ".cmake", "cross-arm64");
const COMPILER = "aarch64-linux-gnu-";
const EMULATOR = "qemu-aarch64";

/** Processors as qemu names them, and what each must run: the first by itself, the others when forced. */
const PROCESSORS = [
  { name: "max", isas: ["NEON-I8MM", "NEON-DOTPROD", "scalar"] },
  { name: "neoverse-n1", isas: ["NEON-DOTPROD", "scalar"] },
  { name: "cortex-a53", isas: ["scalar"] },
];

function requireTools() {
  const tools = ["cmake", `${COMPILER}gcc`, `${COMPILER}g++`, EMULATOR];
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
  if (missing.length === 0) return;
  throw new BuildError(
    `The ARM kernels cannot be tested here: ${missing.join(", ")} not found. On Debian install cmake, ` +
      "gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and qemu-user.",
  );
}

function build() {
  fetchGgml({ log: (line) => console.error(line) });
  runCmake({
    out: OUT,
    config: "Release",
    arch: "arm64",
    target: "kernel_check",
    cMakeOptions: {
      CMAKE_SYSTEM_NAME: "Linux",
      CMAKE_SYSTEM_PROCESSOR: "aarch64",
      CMAKE_C_COMPILER: `${COMPILER}gcc`,
      CMAKE_CXX_COMPILER: `${COMPILER}g++`,
      // Needs no ARM libraries where it runs.
      CMAKE_EXE_LINKER_FLAGS: "-static",
    },
  });
}

/** Runs the program as on that processor; fails when it does not end by itself. */
function emulate(processor, args, env = {}) {
  const { error, signal, status, stdout, stderr } = spawnSync(
    EMULATOR,
    ["-cpu", processor.name, path.join(OUT, "kernel_check"), ...args],
    { encoding: "utf8", env: { ...process.env, GGML_TRANSFORMERS_ISA: "", ...env } },
  );
  if (error) throw error;
  if (signal) throw new BuildError(`kernel_check ended by ${signal} on ${processor.name}: ${stderr}`);
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

// --- Checks: each returns what is wrong ----------------------------------------------------------------

function checkDispatch(processor) {
  const wrong = [];
  const expect = (what, expected, { stdout, stderr }) => {
    if (stdout !== expected) wrong.push(`${what}: expected ${expected}, got ${stdout || stderr}`);
  };
  expect("chosen", processor.isas[0], emulate(processor, ["--chosen"]));
  for (const isa of PROCESSORS[0].isas) {
    const forced = emulate(processor, ["--chosen"], { GGML_TRANSFORMERS_ISA: isa });
    if (processor.isas.includes(isa)) expect(`${isa} forced`, isa, forced);
    else if (forced.status !== 1) wrong.push(`${isa} was not refused`);
  }
  return { passed: 1 + PROCESSORS[0].isas.length - wrong.length, wrong };
}

function checkKernels(processor, seed) {
  const { status, stdout, stderr } = emulate(processor, ["--seed", seed]);
  const checks = stdout.split("\n").map((line) => JSON.parse(line));
  const wrong = checks.filter(({ passed }) => !passed).map((check) => JSON.stringify(check));
  for (const isa of processor.isas) {
    const passed = checks.filter((check) => check.isa === isa && check.passed).length;
    console.log(`  ${isa}: ${passed} checks passed`);
    if (passed === 0) wrong.push(`${isa} was not checked`);
  }
  for (const { isa } of checks) {
    if (!processor.isas.includes(isa)) wrong.push(`${isa} ran`);
  }
  if (status !== 0 && wrong.length === 0) wrong.push(`exit code ${status}: ${stderr}`);
  return { passed: checks.filter(({ passed }) => passed).length, wrong };
}

function main() {
  const random = String(Math.floor(Math.random() * 2 ** 31));
  const { values } = parseArgs({ options: { seed: { type: "string", default: random } } });
  requireTools();
  build();
  let passed = 0;
  let failed = 0;
  for (const processor of PROCESSORS) {
    const begin = performance.now();
    console.log(`${processor.name} (seed ${values.seed})`);
    for (const result of [checkDispatch(processor), checkKernels(processor, values.seed)]) {
      passed += result.passed;
      failed += result.wrong.length;
      for (const line of result.wrong) console.log(`  FAILED ${line}`);
    }
    console.log(`  ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

try {
  main();
} catch (error) {
  console.error(error instanceof BuildError || error instanceof VendorError ? error.message : error);
  process.exitCode = 1;
}
