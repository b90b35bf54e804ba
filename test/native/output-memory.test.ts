/** The engine writes outputs straight into arrays of JavaScript: they must outlive every way a request can end. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { loadNative, randomBert, withModel } from "./models.js";
import { encode, ragged, randomIds } from "./requests.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const SEED = 88;
const V = 60;
const folder = temporaryFolder();
/** Bytes of the attention maps: 4 layers, 4 heads. */
const SIZE = 4 * 4 * 128 * 128 * 4;
const SEVENS = Buffer.alloc(SIZE, 7);
const request = (length: number, seed = SEED) => ({
  ...ragged([randomIds(random(seed), length, V)]),
  attentions: true,
  hiddenStates: true,
  lastHiddenState: true,
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength);

describe("outputs", () => {
  it("are complete although memory is collected while they are made", async () => {
    const { spec } = await randomBert(folder, { V, L: 4, context: 128 });
    await withModel(spec, { threads: 1 }, async (model) => {
      const expected = await encode(model, request(120));
      for (let round = 0; round < 8; round++) {
        const results = Array.from({ length: 3 }, () => encode(model, request(120)));
        for (let i = 0; i < 5; i++) {
          collect();
          await new Promise(setImmediate);
        }
        for (const result of await Promise.all(results)) {
          for (const name of ["attentions", "hiddenStates", "lastHiddenState"] as const) {
            expect(bytesOf(result[name]!).equals(bytesOf(expected[name]!)), name).toBe(true);
          }
        }
      }
    });
  });

  it("of requests that are cancelled, or whose model is disposed of, are never written to after their end", async () => {
    const { spec } = await randomBert(folder, { V, L: 4, context: 128 });
    for (let round = 0; round < 8; round++) {
      const model = await loadNative(spec, { threads: 1 });
      const tasks = Array.from({ length: 4 }, (_, i) => model.encode(request(128, i)));
      const ends = Promise.allSettled(tasks.map(({ promise }) => promise));
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
      tasks[1]!.cancel();
      const disposal = model.dispose();
      collect();
      const outcomes = await ends;
      await disposal;
      // What replaces the arrays' memory now must stay as it is.
      collect();
      const after = Array.from({ length: 4 }, () => Buffer.alloc(SIZE, 7));
      await new Promise((resolve) => setTimeout(resolve, 5));
      for (const bytes of after) expect(bytes.equals(SEVENS)).toBe(true);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") {
          expect(["ABORTED", "DISPOSED"]).toContain((outcome.reason as { code: string }).code);
        }
      }
    }
  });
});
