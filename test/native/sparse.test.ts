/** The weights of the vocabulary's tokens, made in the engine, against the logits of the masked-token head. */
import { describe, expect, it } from "vitest";
import type { NativeModel, SparseActivation, SparsePooling, TensorType } from "../../lib/native.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { random } from "../support/random.js";
import { LOWERINGS, randomBert, withModel } from "./models.js";
import { encode, ragged, randomIds } from "./requests.js";

const SEED = 7_193;
const folder = temporaryFolder();
const POOLINGS: SparsePooling[] = ["max", "sum"];
const ACTIVATIONS: SparseActivation[] = ["relu", "log1p_relu"];

/** As the papers define it, in double precision, from logits [S, V]. */
function weightsOf(
  logits: Float32Array,
  V: number,
  pooling: SparsePooling,
  activation: SparseActivation,
): Float64Array {
  const weights = new Float64Array(V);
  for (let at = 0; at < logits.length; at++) {
    const once = Math.log1p(Math.max(0, logits[at]!));
    const weight = activation === "relu" ? once : Math.log1p(once);
    const v = at % V;
    weights[v] = pooling === "max" ? Math.max(weights[v]!, weight) : weights[v]! + weight;
  }
  return weights;
}

/** Sequences of every length there may be trouble with: one token, more than a tile of rows. */
function sequences(V: number): Int32Array[] {
  const next = random(SEED);
  const lengths = [1, 2, 3, 7, 31, 127, 128, 129, 150];
  return lengths.map((length) => randomIds(next, length, V));
}

async function logitsOf(model: NativeModel, ids: Int32Array): Promise<Float32Array> {
  const all = Int32Array.from(ids, (_, i) => i);
  return (await encode(model, { ...ragged([ids]), mlmPositions: all })).mlmLogits!;
}

const wanted = (pooling: SparsePooling, activation: SparseActivation, most = 2 ** 30, threshold = 0) => ({
  sparse: { pooling, activation, threshold, most },
});

describe.each(LOWERINGS)(`sparse vectors, %s (seed ${SEED})`, (lowering) => {
  // A multiple of the kernels' panels and not; types with kernels and, Q5_K and Q4_1, without.
  it.each<[TensorType, number, number]>([
    ["F32", 32, 101],
    ["F32", 32, 256],
    ["Q8_0", 32, 333],
    ["F16", 64, 130],
    ["Q4_1", 64, 101],
    ["Q4_K", 256, 131],
    ["Q5_K", 256, 131],
  ])("of weights in %s, H = %i, V = %i", async (type, H, V) => {
    const { spec } = await randomBert(folder, { type, H, V, context: 160, seed: SEED });
    await withModel(spec, { lowering }, async (model) => {
      const inputs = sequences(V);
      const logits: Float32Array[] = [];
      for (const ids of inputs) logits.push(await logitsOf(model, ids));
      for (const pooling of POOLINGS) {
        for (const activation of ACTIVATIONS) {
          const { sparse } = await encode(model, { ...ragged(inputs), ...wanted(pooling, activation) });
          expect(sparse).toHaveLength(inputs.length);
          for (const [i, { indices, values }] of sparse!.entries()) {
            const expected = weightsOf(logits[i]!, V, pooling, activation);
            expect([...indices]).toEqual([...expected.keys()].filter((v) => expected[v]! > 0));
            for (const [at, v] of indices.entries()) {
              expect(Math.abs(values[at]! - expected[v]!)).toBeLessThan(1e-6 * (1 + 4 * expected[v]!));
            }
            // Alone, to the same bits.
            if (activation !== "relu") continue;
            const alone = await encode(model, { ...ragged([inputs[i]!]), ...wanted(pooling, activation) });
            expect(alone.sparse![0]).toEqual({ indices, values });
          }
        }
      }
    });
  });

  it("keep the largest, and those above the threshold", async () => {
    const { spec } = await randomBert(folder, { V: 301, seed: SEED });
    await withModel(spec, { lowering }, async (model) => {
      const input = ragged([Int32Array.of(1, 7, 300, 7)]);
      const all = (await encode(model, { ...input, ...wanted("max", "relu") })).sparse![0]!;
      const order = [...all.indices.keys()].sort(
        (a, b) => all.values[b]! - all.values[a]! || all.indices[a]! - all.indices[b]!,
      );
      for (const most of [1, 2, 17, 301]) {
        const kept = order.slice(0, most).sort((a, b) => a - b);
        const { sparse } = await encode(model, { ...input, ...wanted("max", "relu", most) });
        expect([...sparse![0]!.indices]).toEqual(kept.map((i) => all.indices[i]));
        expect([...sparse![0]!.values]).toEqual(kept.map((i) => all.values[i]));
      }
      const threshold = all.values[order[20]!]!;
      const { sparse } = await encode(model, { ...input, ...wanted("max", "relu", 999, threshold) });
      expect([...sparse![0]!.values]).toEqual([...all.values].filter((value) => value > threshold));
    });
  });

  it("of requests that share a batch, and with other outputs", async () => {
    const { spec } = await randomBert(folder, { V: 101, context: 160, seed: SEED + 1 });
    await withModel(spec, { lowering, tokenBudget: 64 }, async (model) => {
      const inputs = sequences(101);
      const request = (ids: Int32Array, i: number) => ({
        ...ragged([ids]),
        ...(i % 3 < 2 && wanted(POOLINGS[i % 2]!, "relu")),
        ...(i % 3 > 0 && { mlmPositions: Int32Array.of(0), pooling: "mean" as const }),
      });
      const alone = [];
      for (const [i, ids] of inputs.entries()) alone.push(await encode(model, request(ids, i)));
      const together = await Promise.all(inputs.map((ids, i) => encode(model, request(ids, i))));
      expect(together).toEqual(alone);
      expect(alone.filter(({ sparse, mlmLogits }) => sparse && mlmLogits)).toHaveLength(3);
    });
  });

  it("are refused where a request is wrong or the head is missing", async () => {
    const ids = ragged([Int32Array.of(1)]);
    const good = wanted("max", "relu").sparse;
    const { spec } = await randomBert(folder, { heads: false });
    await withModel(spec, { lowering }, async (model) => {
      await expect(encode(model, { ...ids, sparse: good })).rejects.toThrow("no masked-token head");
    });
    const whole = await randomBert(folder, {});
    await withModel(whole.spec, { lowering }, async (model) => {
      const wrong = [
        { pooling: "mean" },
        { activation: "gelu" },
        { threshold: -1 },
        { threshold: Number.NaN },
        { most: 0 },
        { most: 1.5 },
      ];
      for (const entry of wrong) {
        const sparse = { ...good, ...entry } as never;
        await expect(encode(model, { ...ids, sparse }), JSON.stringify(entry)).rejects.toThrow("Expected");
      }
    });
  });
});
