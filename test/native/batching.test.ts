import { describe, expect, it } from "vitest";
import type { NativeModel } from "../../lib/native.js";
import { profileOf } from "../../lib/profile.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { randomBert, withModel } from "./models.js";
import { encode, ragged, randomIds } from "./requests.js";

const V = 97;
const folder = temporaryFolder();
const { spec } = await randomBert(folder, { type: "Q8_0", L: 4, H: 128, A: 4, F: 256, V, context: 128 });

const next = random(1618);
const sequences = (count: number, length: number) =>
  ragged(Array.from({ length: count }, () => randomIds(next, length, V)));
const pooled = (model: NativeModel, request: ReturnType<typeof ragged>) =>
  encode(model, { ...request, pooling: "mean" });
const batches = (model: NativeModel) => profileOf(model)!.batches;

describe("batches", () => {
  it("hold as many tokens as the budget, or one longer sequence", async () => {
    await withModel(spec, { tokenBudget: 64, profile: true }, async (model) => {
      await pooled(model, sequences(100, 16));
      expect(batches(model)).toBe(25);
      await pooled(model, sequences(3, 100));
      expect(batches(model)).toBe(28);
    });
  });

  it("are shared by calls that are in flight together", async () => {
    await withModel(spec, { tokenBudget: 4096, profile: true }, async (model) => {
      // The first call is computed at once; those that come meanwhile go together.
      await Promise.all(Array.from({ length: 128 }, () => pooled(model, sequences(1, 16))));
      expect(batches(model)).toBeLessThanOrEqual(128 / 4);
    });
  });

  it("are not held back for more: a lone query is no slower than one with company", async () => {
    await withModel(spec, {}, async (model) => {
      const alone: number[] = [];
      const together: number[] = [];
      for (let i = 0; i < 60; i++) {
        let begin = performance.now();
        await pooled(model, sequences(1, 16));
        alone.push(performance.now() - begin);
        begin = performance.now();
        await Promise.all(Array.from({ length: 4 }, () => pooled(model, sequences(1, 16))));
        together.push(performance.now() - begin);
      }
      // The shortest of many in turns: what else the machine does is in neither.
      expect(Math.min(...alone)).toBeLessThan(1.2 * Math.min(...together));
    });
  });

  it("let short queries pass a long call, which still ends, with the same bits", async () => {
    await withModel(spec, { tokenBudget: 256, profile: true }, async (model) => {
      const long = sequences(2000, 32);
      const short = sequences(1, 16);
      const expected = await pooled(model, short);
      const alone = await pooled(model, long);
      // Answers come in the order in which the engine has them. It may have the long one's when the short call is made,
      // should this thread have to wait for so long in between; not every time.
      for (let hasPassed = false; !hasPassed;) {
        const order: string[] = [];
        const call = pooled(model, long).finally(() => order.push("long"));
        const query = pooled(model, short).finally(() => order.push("short"));
        expect(await query).toEqual(expected);
        expect(await call).toEqual(alone);
        hasPassed = order[0] === "short";
      }
    });
  });
});
