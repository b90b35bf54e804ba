import { describe, expect, it } from "vitest";
import { profileOf, type Profile } from "../../lib/profile.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, randomBert, randomGpt2, withModel } from "./models.js";
import { encode, generate, ragged, randomIds } from "./requests.js";

const SEED = 2_718;
const [L, H, A, F, V] = [3, 64, 4, 160, 97];
const folder = temporaryFolder();

const operation = (profile: Profile, name: string) =>
  profile.operations.find((each) => each.name === name) ?? expect.fail(`no operation ${name}`);

/** Multiplications and additions that the profile says an operation did. */
const arithmetic = (profile: Profile, name: string) => {
  const { gops, milliseconds } = operation(profile, name);
  return gops! * milliseconds * 1e6;
};

describe.each(LOWERINGS)("a profile, %s", (lowering) => {
  it("counts every block of an encoder, with its arithmetic, and changes no bit", async () => {
    const { spec } = await randomBert(folder, { type: "Q8_0", L, H, A, F, V, context: 32 });
    const next = random(SEED);
    const lengths = [3, 17, 30];
    const request = {
      ...ragged(lengths.map((length) => randomIds(next, length, V))),
      lastHiddenState: true,
      poolerOutput: true,
      nextSentence: true,
      mlmPositions: Int32Array.of(1, 4),
    };
    const plain = await withModel(spec, { lowering }, async (model) => {
      const result = await encode(model, request);
      expect(profileOf(model)).toBeUndefined();
      return result;
    });
    await withModel(spec, { lowering, profile: true }, async (model) => {
      expect(profileOf(model)).toMatchObject({ batches: 0, milliseconds: 0, operations: [] });
      expect(await encode(model, request)).toEqual(plain);
      expect(await encode(model, request)).toEqual(plain);
      const profile = profileOf(model)!;
      const kind = lowering === "fused" ? "fused" : "generic";
      expect(profile).toMatchObject({ lowering: kind, threads: lowering === "discrete" ? 1 : 2 });
      const T = 2 * lengths.reduce((a, b) => a + b);
      const product = (rows: number, width: number, outputs: number) => 2 * rows * width * outputs;
      expect(arithmetic(profile, "qkv")).toBeCloseTo(L * product(T, H, 3 * H), 0);
      expect(arithmetic(profile, "attention output")).toBeCloseTo(L * product(T, H, H), 0);
      expect(arithmetic(profile, "ffn up")).toBeCloseTo(L * product(T, H, F), 0);
      expect(arithmetic(profile, "ffn down")).toBeCloseTo(L * product(T, F, H), 0);
      expect(arithmetic(profile, "pooler")).toBeCloseTo(product(2 * 3, H, H), 0);
      expect(arithmetic(profile, "next-sentence head")).toBeCloseTo(product(2 * 3, H, 2), 0);
      expect(arithmetic(profile, "masked-token head")).toBeCloseTo(product(2 * 2, H, H + V), 0);
      const squares = 2 * lengths.reduce((sum, length) => sum + length ** 2, 0);
      expect(arithmetic(profile, "attention")).toBeCloseTo(L * 2 * product(squares, H, 1), 0);
      for (const name of ["embed", "norm", "between"]) expect(operation(profile, name).gops).toBeUndefined();
      if (lowering === "fused") expect(operation(profile, "qkv").count).toBe(2 * L);
    });
  });

  it("divides all the time, and compares with a peak", async () => {
    const { spec } = await randomGpt2(folder, { type: "Q8_0", L, H, A, F, V, context: 64 });
    await withModel(spec, { lowering, profile: true }, async (model) => {
      const { tokens } = await generate(model, randomIds(random(SEED), 9, V), 20);
      const profile = profileOf(model)!;
      expect(profile.batches).toBe(tokens.length);
      expect(operation(profile, "between").count).toBe(tokens.length);
      expect(arithmetic(profile, "head")).toBeCloseTo(tokens.length * 2 * H * V, 0);
      expect(arithmetic(profile, "ffn up")).toBeCloseTo((9 + tokens.length - 1) * L * 2 * H * F, 0);
      const { operations, milliseconds, kernelPeak } = profile;
      const sum = (of: (each: (typeof operations)[number]) => number) =>
        operations.reduce((total, each) => total + of(each), 0);
      expect(sum(({ share }) => share)).toBeCloseTo(1, 6);
      expect(sum((each) => each.milliseconds)).toBeCloseTo(milliseconds, 6);
      expect(kernelPeak.int8).toBeGreaterThan(0);
      expect(kernelPeak.float32).toBeGreaterThan(0);
      const { gops, fractionOfPeak } = operation(profile, "ffn up");
      expect(fractionOfPeak).toBeCloseTo(gops! / kernelPeak.int8, 6);
      for (const [i, each] of operations.slice(1).entries()) {
        expect(each.milliseconds).toBeLessThanOrEqual(operations[i]!.milliseconds);
      }
    });
  });
});
