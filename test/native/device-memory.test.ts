/**
 * What only models in a device's own memory do: copy weights there, pool there, keep keys and values there. The device
 * is the processor with memory that nothing else may touch; that all outputs are right is tested with the lowerings.
 */
import { expect, it } from "vitest";
import type { NativeModel, PoolingMode, TensorType } from "../../lib/native.js";
import { cosine } from "../support/golden.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomBert, randomGpt2, withModel } from "./models.js";
import { encode, generate, logits, ragged, randomIds } from "./requests.js";

const SEED = 6_006;
const V = 101;
const folder = temporaryFolder();
const next = random(SEED);
const SHAPE = { H: 64, A: 4, V, context: 96, seed: SEED };

it(`holds a copy of the weights, nothing of the mapped file (seed ${SEED})`, async () => {
  const { spec } = await randomBert(folder, { ...SHAPE, type: "Q8_0" });
  const memory = (lowering: "generic" | "discrete") =>
    withModel(spec, { lowering, threads: 1 }, async (model) => model.memory());
  const [inPlace, copied] = [await memory("generic"), await memory("discrete")];
  expect(copied.mapped).toBe(0);
  expect(copied.weights).toBe(inPlace.mapped + inPlace.weights);
});

it("refuses a model that needs more memory than it may have", async () => {
  const { spec } = await randomBert(folder, SHAPE);
  await expect(
    withModel(spec, { lowering: "discrete", maxMemory: 1000 }, async () => {}),
  ).rejects.toMatchObject({
    code: "OUT_OF_MEMORY",
    details: { available: 1000 },
  });
});

it("pools where the rows are, as the processor does", async () => {
  const { spec } = await randomBert(folder, SHAPE);
  const batch = ragged([3, 17, 17, 1, 40, 3].map((length) => randomIds(next, length, V)));
  for (const pooling of ["mean", "cls", "last", "max"] satisfies PoolingMode[]) {
    for (const normalize of [false, true]) {
      const pooled = async (lowering: "generic" | "discrete") => {
        const run = (model: NativeModel) => encode(model, { ...batch, pooling, normalize });
        return (await withModel(spec, { lowering, threads: 1 }, run)).pooled!;
      };
      const [here, there] = [await pooled("generic"), await pooled("discrete")];
      here.forEach((value, i) => expect(there[i]).toBeCloseTo(value, 5));
    }
  }
});

/** Attention in one operation, with keys and values in half precision: unless the weights are single precision. */
it.each<[TensorType, number]>([
  ["F16", 0.9999],
  ["Q8_0", 0.9995],
  ["Q4_K", 0.98],
])("attends in half precision with weights in %s", async (type, least) => {
  const { spec } = await randomBert(folder, { ...SHAPE, H: 256, type });
  const batch = { ...ragged([64, 5, 5].map((length) => randomIds(next, length, V))), lastHiddenState: true };
  const states = async (lowering: "generic" | "discrete") =>
    (await withModel(spec, { lowering, threads: 1 }, (model) => encode(model, batch))).lastHiddenState!;
  const [exact, rounded] = [await states("generic"), await states("discrete")];
  expect(rounded).not.toEqual(exact);
  expect(cosine(rounded, exact)).toBeGreaterThan(least);
});

it("keeps keys and values in single or half precision, and refuses bytes", async () => {
  const { spec } = await randomGpt2(folder, SHAPE);
  const prompt = randomIds(next, 40, V);
  await withModel(spec, { lowering: "discrete" }, async (model) => {
    const { tokens: expected } = await generate(model, prompt, 20);
    const wide = model.createSession();
    expect((await generate(model, prompt, 20, { session: wide })).tokens).toEqual(expected);
    const before = model.memory().kvCache;
    const half = model.createSession("f16");
    await generate(model, prompt, 20, { session: half });
    const of = (session: typeof half) => session.tokens().length;
    expect(of(half)).toBe(of(wide));
    expect(2 * (model.memory().kvCache - before)).toBe(before);
    expect(() => model.createSession("q8_0")).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED", details: { kvType: "q8_0" } }),
    );
  });
});

it("moves long caches between sessions in few copies, with the same bits", async () => {
  const { spec } = await randomGpt2(folder, { ...SHAPE, context: 700 });
  const prompt = randomIds(next, 600, V);
  await withModel(spec, { lowering: "discrete" }, async (model) => {
    const session = model.createSession();
    await generate(model, prompt, 1, { session });
    const fork = session.fork();
    const longer = Int32Array.of(...prompt, 7, 8, 9);
    const [first, second] = [
      await generate(model, longer, 20, { session }),
      await generate(model, longer, 20, { session: fork }),
    ];
    expect(second.tokens).toEqual(first.tokens);
    expect((await generate(model, longer, 20)).tokens).toEqual(first.tokens);
    expect((await logits(model, longer.subarray(0, 5))).length).toBe(5 * V);
  });
});
