/**
 * Runs the tests of the engine's numbers again on an instruction set that is not this machine's best. The
 * addon chooses at its first use, from the environment of the process, and every test file has its own.
 */
import { expect, it } from "vitest";
import { native } from "../../lib/native.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const NEEDS: Record<string, readonly string[]> = {
  scalar: [],
  avx2: ["AVX2", "FMA", "F16C"],
  "neon-dotprod": ["DOTPROD"],
};

const SUITES = [
  () => import("./bert-reference.test.js"),
  () => import("./gpt2-reference.test.js"),
  () => import("./weight-types.test.js"),
  () => import("./batch-invariance.test.js"),
  () => import("./decoding.test.js"),
];

/** Registers the tests; where the processor lacks the instructions, the one that the choice is refused. */
export async function testInstructionSet(name: keyof typeof NEEDS): Promise<void> {
  const { features } = native()
    .devices()
    .find(({ kind }) => kind === "cpu")!;
  const available = NEEDS[name]!.every((feature) => features.includes(feature));
  // Before models.ts is imported, which looks whether one is forced.
  process.env["GGML_TRANSFORMERS_ISA"] = name;
  const { randomBert, withModel } = await import("./models.js");
  const folder = temporaryFolder();

  it(`${name} is ${available ? "chosen" : "refused"} by name, and what does not exist is refused`, async () => {
    const { spec } = await randomBert(folder);
    const load = () => withModel(spec, {}, ({ device }) => Promise.resolve(device));
    const refusal = { code: "UNSUPPORTED", message: expect.stringContaining("scalar") as string };
    process.env["GGML_TRANSFORMERS_ISA"] = "abacus";
    await expect(load()).rejects.toMatchObject(refusal);
    process.env["GGML_TRANSFORMERS_ISA"] = name;
    if (available) expect(await load()).toBe("cpu");
    else await expect(load()).rejects.toMatchObject(refusal);
  });

  if (available) for (const suite of SUITES) await suite();
}
