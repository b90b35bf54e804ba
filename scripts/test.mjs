// `npm test`: set-up, lint, then every test. The last line says how many checks and tests passed and failed.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const REPORT = path.join(ROOT, "build", "test-results.json");

function runVitest() {
  fs.rmSync(REPORT, { force: true });
  const vitest = path.join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`];
  const { status } = spawnSync(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: "inherit",
  });
  return { ok: status === 0, ...countResults() };
}

function countResults() {
  let report;
  try {
    report = JSON.parse(fs.readFileSync(REPORT, "utf8"));
  } catch {
    return { passed: 0, failed: 0 };
  }
  // A file that fails before its first test (an import, a hook, a crash) counts as one failure.
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
}

async function main() {
  let passed = 0;
  let failed = 0;
  try {
    await setup();
    const { lint } = await import("./lint.mjs");
    failed += lint();
    const tests = runVitest();
    passed += tests.passed;
    failed += tests.failed;
    if (!tests.ok && tests.failed === 0) failed++;
  } catch (error) {
    console.error(error);
    failed++;
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}

await main();
