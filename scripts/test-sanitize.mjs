// Runs the tests that reach the addon under sanitizers: memory errors, leaks and undefined behaviour, then
// data races.
//
//   node scripts/test-sanitize.mjs [address | thread] [test file filters ...]
//
// Node itself is not instrumented, so the runtime is preloaded, and what it finds in Node or in the test
// runner alone does not count: a report does when a frame of it lies in the addon.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildNative } from "./build-native.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const VITEST = path.join(ROOT, "node_modules", "vitest", "vitest.mjs");
/** These do not reach the addon, or start programs that are not Node. */
const LEFT_OUT = [
  ...["package", "vendor", "tokenizer", "gguf", "cli", "docs", "reference", "runtimes", "electron"].map(
    (area) => `test/${area}/**`,
  ),
  // These measure resident memory, of which the sanitizer holds most, or speed, or count allocations.
  "test/api/memory.test.ts",
  "test/native/resident-memory.test.ts",
  "test/native/oversubscription.test.ts",
  "test/native/allocations.test.ts",
  "test/native/cgroups.test.ts",
];

/**
 * Memory that Node itself keeps, a few bytes each: of an external until a garbage collection, which the end of
 * an environment does not run; of a promise until it is settled, which a terminated worker no longer allows.
 */
const HELD_BY_NODE = /#1 .* in napi_create_(?:external|promise) /;

const SANITIZERS = {
  address: {
    build: "address,undefined",
    runtime: "libasan.so",
    /**
     * Threads, in one process that is preloaded as a whole: the end of each frees what the addon holds, and the
     * end of the process is where leaks are looked for. vitest ends child processes by a signal, too early.
     */
    pool: "threads",
    options: (log) => ({
      ASAN_OPTIONS: `detect_leaks=1:detect_stack_use_after_return=1:exitcode=0:log_path=${log}`,
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${log}`,
    }),
  },
  thread: {
    build: "thread",
    runtime: "libtsan.so",
    /** Child processes, which alone are preloaded: the test runner's own threads would drown the rest. */
    pool: "forks",
    options: (log) => ({ TSAN_OPTIONS: `second_deadlock_stack=1:exitcode=0:log_path=${log}` }),
  },
};

function runtimeLibrary(name) {
  const file = execFileSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
  if (!path.isAbsolute(file))
    throw new Error(`${name} was not found: install the sanitizer runtimes of g++.`);
  return file;
}

/**
 * The reports in `folder` that concern the addon; leaks only of the process `pid`, since a program that calls
 * process.exit() frees nothing.
 */
function readReports(folder, pid) {
  return fs
    .readdirSync(folder)
    .filter((name) => name.startsWith("report"))
    .flatMap((name) => {
      const reports = splitReports(fs.readFileSync(path.join(folder, name), "utf8"));
      return name === `report.${pid}` ? reports : reports.filter((report) => !/leak of/.test(report));
    })
    .filter((report) => report.includes("ggml_transformers.node") || /native\/|vendor\/ggml\//.test(report))
    .filter((report) => !HELD_BY_NODE.test(report));
}

/** One entry per error, leak or race. */
function splitReports(text) {
  return text
    .split(/^(?=={10,}$)|^(?=(?:Direct|Indirect) leak of )/m)
    .map((report) => report.trim())
    .filter((report) => /ERROR:|WARNING:|leak of|runtime error:/.test(report))
    .filter((report) => !report.endsWith("LeakSanitizer: detected memory leaks"));
}

async function check(name, filters) {
  const { build, runtime, pool, options } = SANITIZERS[name];
  const addon = await buildNative({ sanitize: build });
  const folder = path.join(ROOT, "build", `sanitize-${name}`);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });

  const sanitized = {
    LD_PRELOAD: runtimeLibrary(runtime),
    GGML_TRANSFORMERS_ADDON: addon,
    ...options(path.join(folder, "report")),
  };
  const whole = pool === "threads";
  const results = path.join(folder, "results.json");
  const { pid, status } = spawnSync(
    // Without randomized addresses: the thread sanitizer of older compilers needs them where it expects them.
    "setarch",
    [
      "-R",
      process.execPath,
      VITEST,
      "run",
      `--config=${path.join(ROOT, "test", "sanitize.config.mts")}`,
      `--pool=${pool}`,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${results}`,
      ...LEFT_OUT.flatMap((pattern) => ["--exclude", pattern]),
      ...filters,
    ],
    {
      cwd: ROOT,
      stdio: "inherit",
      env: whole
        ? { ...process.env, ...sanitized }
        : { ...process.env, SANITIZE_WORKERS: JSON.stringify(sanitized) },
    },
  );

  const reports = readReports(folder, pid);
  for (const report of reports) console.log(`\n${report}`);
  const passed = testsPassed(results);
  console.log(
    `${name}: ${reports.length} reports, tests ${passed ? "passed" : `failed (exit code ${status})`}`,
  );
  return passed && reports.length === 0;
}

/** By the runner's own results: its exit code is non-zero too when something outside the addon leaked. */
function testsPassed(file) {
  try {
    const results = JSON.parse(fs.readFileSync(file, "utf8"));
    return results.success === true && results.numPassedTests > 0;
  } catch {
    return false;
  }
}

const [first, ...rest] = process.argv.slice(2);
const chosen = first in SANITIZERS ? [first] : Object.keys(SANITIZERS);
const filters = first in SANITIZERS ? rest : process.argv.slice(2);
for (const name of chosen) {
  if (!(await check(name, filters))) process.exitCode = 1;
}
