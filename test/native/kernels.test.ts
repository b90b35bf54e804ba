import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT, buildProgram, programPath } from "./build-program.js";

/** A line that the program prints: what it measured, and the bound that had to hold. */
interface Check {
  kernel: string;
  isa: string;
  unit: string;
  max_error: number;
  bound: number;
  passed: boolean;
}

const FORMATS = ["Q8_0", "Q4_0", "Q4_K", "Q6_K", "Q16", "F32"];
const ROWS = ["attention", "finish_row", "gelu", "norm_row", "quantize_row", "quantize_row_words"];
const EVERY_ISA = [
  ...ROWS,
  ...FORMATS.flatMap((name) => [`gemm ${name}`, `gemm ${name} cut`, `gemm ${name} rounded`]),
];

/** Runs the program; its exit code tells whether every check passed, and the lines tell which did not. */
function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(programPath("kernel_check"), args, {
    encoding: "utf8",
    env: { ...process.env, GGML_TRANSFORMERS_ISA: "", ...env },
  });
}

beforeAll(() => buildProgram("kernel_check"), BUILD_TIMEOUT);

describe("the CPU kernels", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let checks: Check[] = [];
  let checked: string[] = []; // with another encoding of instructions that this processor lacks
  let isas: string[] = []; // of this processor

  beforeAll(() => {
    const { status, stdout, stderr } = run(["--seed", String(seed)]);
    expect(stderr).toBe("");
    checks = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Check);
    checked = [...new Set(checks.map(({ isa }) => isa))];
    isas = checked.filter((isa) => !isa.includes("("));
    expect(status, stdout).toBe(checks.every(({ passed }) => passed) ? 0 : 1);
  }, 300_000);

  test(`keep their bounds (seed ${seed})`, () => {
    expect(checks.filter(({ passed, max_error, bound }) => !passed || !(max_error <= bound))).toEqual([]);
  });

  test("are all checked, in every instruction set of this processor", () => {
    expect(isas).toContain("scalar");
    for (const isa of checked) {
      const kernels = new Set(checks.filter((check) => check.isa === isa).map(({ kernel }) => kernel));
      for (const kernel of EVERY_ISA) expect(kernels, isa).toContain(kernel);
    }
  });

  test.skipIf(process.arch !== "x64")("include AVX2, without which nothing loads on x64", () => {
    expect(isas).toContain("AVX2");
  });

  test.skipIf(process.platform === "win32")("include AVX-VNNI wherever AVX-512 has its instructions", () => {
    expect(checked.includes("AVX-VNNI (EVEX)")).toBe(isas.includes("AVX512-VNNI"));
  });

  test("can be forced by name, in any case", () => {
    for (const isa of isas) {
      for (const name of [isa, isa.toLowerCase(), isa.toUpperCase()]) {
        expect(run(["--chosen"], { GGML_TRANSFORMERS_ISA: name }).stdout.trim()).toBe(isa);
      }
    }
  });

  test("are the best ones unless forced", () => {
    const best = run(["--chosen"]).stdout.trim();
    expect(checks.find(({ kernel }) => kernel === "dispatch")?.isa).toBe(best);
    if (isas.length > 1) expect(best).not.toBe("scalar");
  });

  test("refuse an unknown name, and say which there are", () => {
    const { status, stderr } = run(["--chosen"], { GGML_TRANSFORMERS_ISA: "AVX3" });
    expect(status).toBe(1);
    for (const part of ["UNSUPPORTED", "AVX3", ...isas]) expect(stderr).toContain(part);
  });
});
