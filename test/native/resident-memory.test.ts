import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuilt } from "../cli/built.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
// Other systems count mapped files otherwise; sanitizers keep what was freed.
const isMeasurable =
  process.platform === "linux" && !["ASAN_OPTIONS", "TSAN_OPTIONS"].some((name) => name in process.env);

describe.runIf(isMeasurable)("resident memory", () => {
  beforeAll(requireBuilt);

  it.each([
    ["bert", "Q8_0"],
    ["gpt2", "Q8_0"],
    ["bert", "F32"],
  ])("%s in %s: about the weights' bytes, and next to nothing afterwards", async (architecture, type) => {
    const program = resolve(__dirname, "resident-memory.mjs");
    const args = ["--expose-gc", program, folder, architecture, type];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { bytes, ...measured } = JSON.parse(stdout) as Record<string, number>;
    expect(bytes).toBeGreaterThan(90e6);
    // Weights are in memory once: packed, or mapped, not both. What comes on top are threads and activations.
    expect(measured["loaded"]! / bytes!).toBeLessThan(1.15);
    expect(measured["working"]! / bytes!).toBeLessThan(1.25);
    expect(measured["idle"]! / bytes!).toBeLessThan(1.15);
    expect(measured["busy"]).toBeGreaterThan(0);
    expect(measured["activations"]).toBe(0);
    expect(measured["disposed"]! / bytes!).toBeLessThan(0.2);
  });
});
