import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuilt } from "../cli/built.js";

interface Report {
  cores: number;
  twoEncoders: number;
  encoderBesideBusy: number;
  generatorBesideBusy: number;
  idle: number;
}

// In a process of its own: whatever else this one does would count as the models' use of the processor.
describe("a model on a processor that is wanted elsewhere", () => {
  let report: Report;
  beforeAll(async () => {
    await requireBuilt();
    const program = resolve(__dirname, "oversubscription.mjs");
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 110_000 });
    report = JSON.parse(stdout) as Report;
  });

  it("beside another model: both together do about as much as one alone", () => {
    expect(report.twoEncoders).toBeGreaterThan(0.6);
  });

  // With two busy processes for each core, a third of the processor is a fair share. Threads that wait for each
  // other by spinning keep a twentieth.
  it("beside busy processes: keeps a fair share of its speed", () => {
    expect(report.encoderBesideBusy).toBeGreaterThan(0.2);
    expect(report.generatorBesideBusy).toBeGreaterThan(0.2);
  });

  it("when idle: uses next to nothing", () => {
    expect(report.idle).toBeLessThan(0.02);
  });
});
