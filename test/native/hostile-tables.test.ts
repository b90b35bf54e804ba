import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { GgmlTransformersError } from "../../lib/errors.js";
import { fromNativeError, native, type ModelSpec, type TensorEntry } from "../../lib/native.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { loadNative, randomBert, randomGpt2, randomGptNeox } from "./models.js";
import { encode, generate } from "./requests.js";

const SEED = 666;
const folder = temporaryFolder();
const OPTIONS = { device: "cpu", threads: 1, maxMemory: 0 };
const bert = await randomBert(folder, { V: 50, context: 8 });
const gpt2 = await randomGpt2(folder, { V: 50, context: 8 });
const neox = await randomGptNeox(folder, { V: 50, tied: true });
const shared = await randomGpt2(folder, { V: 50, context: 8, keyValueHeads: 1 });
const fused = await randomBert(folder, { V: 50, context: 8, fused: true });

async function failure(spec: unknown, options: unknown = OPTIONS): Promise<GgmlTransformersError> {
  try {
    const model = await native().loadModel(spec as ModelSpec, options as typeof OPTIONS).promise;
    await model.dispose();
  } catch (error) {
    return fromNativeError(error);
  }
  throw new Error("Nothing was refused");
}

/** The specification with one row of its table changed. */
function withRow({ spec }: { spec: ModelSpec }, name: string, change: Record<string, unknown>): ModelSpec {
  const at = spec.tensors.findIndex((tensor) => tensor.name === name);
  expect(at, name).toBeGreaterThanOrEqual(0);
  return { ...spec, tensors: spec.tensors.with(at, { ...spec.tensors[at]!, ...change }) };
}

async function refused(spec: ModelSpec, name: string, code = "MODEL_FILE_INVALID"): Promise<void> {
  const error = await failure(spec);
  expect(error, error.message).toMatchObject({ code });
  if (code === "MODEL_FILE_INVALID") expect(`${error.details["field"]} ${error.message}`).toContain(name);
}

describe("a tensor table that does not fit its file", () => {
  const name = "blk.0.ffn_up.weight";
  const shapes: Record<string, number[]> = {
    "that overflows 64 bits": [2 ** 32, 2 ** 32],
    "that overflows 64 bits to something small": [2 ** 53, 2 ** 11],
    "that overflows in four steps": [2 ** 31, 2 ** 31, 2, 2 ** 31],
    "larger than the file": [32, 2 ** 30],
    "larger than any file": [2 ** 52],
    "of no values": [0],
    "with a zero dimension": [32, 0],
    "with zero first": [0, 64],
    "of no dimensions": [],
    "of five dimensions": [32, 64, 1, 1, 1],
    "of a thousand dimensions": Array.from({ length: 1000 }, () => 1),
    transposed: [64, 32],
    "one too wide": [33, 64],
    "one row short": [32, 63],
    "of too many dimensions": [32, 32, 2],
  };
  it.each(Object.entries(shapes))("is refused for a shape %s", async (_, shape) => {
    await refused(withRow(bert, name, { shape }), name);
  });

  it("is refused for a dimension that is no whole number", async () => {
    for (const extent of [-1, 1.5, Number.NaN, Infinity, "32", null, undefined, 2 ** 60, 32n]) {
      const spec = withRow(bert, name, { shape: [extent, 64] });
      expect(await failure(spec)).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    for (const shape of [undefined, null, 32, "32,64", new Uint32Array([32, 64]), { 0: 32, length: 1 }]) {
      expect(await failure(withRow(bert, name, { shape }))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("is refused for an offset outside the file", async () => {
    const size = readFileSync(bert.spec.path).length;
    for (const offset of [size, size - 4, size + 32, 2 ** 32, 2 ** 53]) {
      await refused(withRow(bert, name, { offset }), name);
    }
    for (const offset of [-1, 0.5, Number.NaN, Infinity, 2 ** 60, "64", undefined, null]) {
      expect(await failure(withRow(bert, name, { offset }))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("is refused for an offset that is no multiple of four", async () => {
    const { offset } = bert.spec.tensors.find((tensor) => tensor.name === name)!;
    for (const shift of [1, 2, 3]) await refused(withRow(bert, name, { offset: offset - shift }), name);
  });

  it("is refused for names that are empty, long, doubled, or of the wrong type", async () => {
    for (const bad of ["", "n".repeat(64), "é".repeat(32), "n".repeat(100_000)]) {
      await refused(withRow(bert, "nsp.bias", { name: bad }), "name");
    }
    await refused(withRow(bert, "nsp.bias", { name: "cls.bias" }), "cls.bias");
    for (const bad of [undefined, null, 3, {}]) {
      expect(await failure(withRow(bert, "nsp.bias", { name: bad }))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    // A name of 63 bytes is an ordinary name.
    const model = await loadNative(withRow(bert, "nsp.weight", { name: "n".repeat(63) }));
    expect(model.heads).toMatchObject({ pooler: true, mlm: true, nextSentence: false, sequenceLabels: 3 });
    await model.dispose();
  });

  it("is refused for types that do not exist", async () => {
    for (const type of ["Q9_9", "", "f32", "I32", "F64", "IQ2_XXS"]) {
      await refused(withRow(bert, name, { type }), name, "UNSUPPORTED");
    }
    for (const type of [undefined, null, 0, {}]) {
      expect(await failure(withRow(bert, name, { type }))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("is refused for rows that do not hold whole blocks", async () => {
    const odd = await randomBert(folder, { H: 20, A: 4, F: 50 });
    for (const type of ["Q8_0", "Q4_0", "Q4_K"] as const) await refused(withRow(odd, name, { type }), name);
  });

  it.each([
    ["bert", bert],
    ["gpt2", gpt2],
    ["gpt2 with shared keys and values", shared],
    ["gptneox", neox],
    ["bert with fused projections", fused],
  ] as const)(
    "is refused without any one tensor that %s needs, and with any one of another shape",
    async (_, test) => {
      const optional = /^(cls|nsp|mlm|qa|token_types|token_cls)|\.bias$/;
      for (const entry of test.spec.tensors) {
        const rest = test.spec.tensors.filter((other) => other !== entry);
        const needed = !optional.test(entry.name) || entry.name.endsWith("norm.bias");
        if (needed && !entry.name.startsWith("mlm")) {
          // Without a fused matrix, its three parts are what is missing.
          const missing = entry.name.replace(/attn_(qkv|[qkv])\..*/, "attn_");
          await refused({ ...test.spec, tensors: rest }, missing);
        }
        const [width, ...others] = entry.shape;
        await refused(
          { ...test.spec, tensors: [...rest, { ...entry, shape: [width! - 1, ...others] }] },
          entry.name,
        );
        await refused({ ...test.spec, tensors: [...rest, { ...entry, shape: [1] }] }, entry.name);
      }
      await refused({ ...test.spec, tensors: [] }, "token_embd.weight");
    },
  );

  it("computes or refuses vectors and small tables of any type, and never ends the process", async () => {
    for (const test of [bert, gpt2]) {
      for (const { name: each } of test.spec.tensors) {
        for (const type of ["F16", "BF16", "Q8_0", "Q4_1"] as const) {
          // Each is smaller than F32, so that the bytes are there; as numbers they are noise.
          const spec = withRow(test, each, { type });
          const model = await loadNative(spec).catch((error: unknown) => error);
          if (model instanceof GgmlTransformersError) {
            expect(["MODEL_FILE_INVALID", "UNSUPPORTED"]).toContain(model.code);
            continue;
          }
          const loaded = model as Awaited<ReturnType<typeof loadNative>>;
          const work =
            spec.architecture === "bert"
              ? encode(loaded, {
                  ids: Int32Array.of(1, 2, 3),
                  lengths: Int32Array.of(1, 2),
                  mlmPositions: Int32Array.of(0),
                  nextSentence: true,
                })
              : generate(loaded, [1, 2], 2);
          await work.catch((error: unknown) => expect(error).toBeInstanceOf(GgmlTransformersError));
          await loaded.dispose();
        }
      }
    }
  });
});

describe("a file that is not what it was", () => {
  const copy = (name: string) => {
    const path = join(folder, name);
    writeFileSync(path, readFileSync(bert.spec.path));
    return { ...bert.spec, path };
  };

  it("is refused when it was truncated after the table was read, wherever", async () => {
    const spec = copy("truncated");
    const size = readFileSync(spec.path).length;
    for (let left = size - 32; left > 0; left -= Math.ceil(size / 9)) {
      truncateSync(spec.path, left);
      expect(await failure(spec)).toMatchObject({ code: "MODEL_FILE_INVALID" });
    }
  });

  it("is refused when it is empty, a folder, a device, missing or not readable as a path", async () => {
    const empty = join(folder, "empty");
    writeFileSync(empty, "");
    const dir = join(folder, "folder");
    mkdirSync(dir);
    for (const path of [empty, dir, "/dev/null", "/dev/zero", "", join(empty, "below"), "a\0b"]) {
      const error = await failure({ ...bert.spec, path });
      expect(error.code, path).toMatch(/^MODEL_FILE_/);
      expect(error.details).toHaveProperty("path");
    }
    expect(await failure({ ...bert.spec, path: join(folder, "missing") })).toMatchObject({
      code: "MODEL_FILE_NOT_FOUND",
    });
    for (const path of [undefined, null, 4, {}, Buffer.from("x")]) {
      expect(await failure({ ...bert.spec, path })).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });
});

describe("hyper-parameters", () => {
  const withNumber = (test: { spec: ModelSpec }, key: string, value: unknown) => {
    return { ...test.spec, hyperparameters: { ...test.spec.hyperparameters, [key]: value } };
  };

  it.each([
    ["bert", bert],
    ["gpt2", gpt2],
    ["gptneox", neox],
  ] as const)(
    "of %s are refused when they are missing, no whole numbers, out of range or not the file's",
    async (_, test) => {
      const sizes = [
        "vocabSize",
        "embeddingLength",
        "feedForwardLength",
        "blockCount",
        "headCount",
        // Of rotations the file has no table.
        test === neox ? "ropeDimensions" : "contextLength",
      ];
      if (test === bert) sizes.push("segmentCount");
      for (const key of sizes) {
        for (const value of [undefined, -1, 0.5, Number.NaN, Infinity, 2 ** 31, 2 ** 53, "8", null, 3]) {
          if (key === "segmentCount" && value === 0) continue;
          const error = await failure(withNumber(test, key, value));
          expect(error.code, `${key} = ${value}: ${error.message}`).toMatch(
            /^(MODEL_FILE_INVALID|INVALID_ARGUMENT)$/,
          );
        }
        if (key !== "segmentCount")
          expect((await failure(withNumber(test, key, 0))).code).toBe("MODEL_FILE_INVALID");
      }
      for (const value of [undefined, Number.NaN, Infinity, -1, "small"]) {
        const { code } = await failure(withNumber(test, "layerNormEpsilon", value));
        expect(code, `epsilon ${value}`).toMatch(/^(MODEL_FILE_INVALID|INVALID_ARGUMENT)$/);
      }
      for (const value of [undefined, "swish", "", 3]) {
        const { code } = await failure(withNumber(test, "activation", value));
        expect(code, `activation ${value}`).toMatch(/^(UNSUPPORTED|MODEL_FILE_INVALID|INVALID_ARGUMENT)$/);
      }
    },
  );

  it("are refused for heads of keys and values that do not divide the heads, or are not the file's", async () => {
    for (const value of [-1, 0, 0.5, 2, 3, 8, 2 ** 31]) {
      const error = await failure(withNumber(shared, "keyValueHeadCount", value));
      expect(error.code, `${value}: ${error.message}`).toBe("MODEL_FILE_INVALID");
    }
  });

  it("are refused for an architecture that is not known", async () => {
    for (const architecture of ["llama", "", "BERT", "bert\0"]) {
      expect(await failure({ ...bert.spec, architecture })).toMatchObject({ code: "UNSUPPORTED" });
    }
    expect(await failure({ ...bert.spec, architecture: "gpt2" })).toMatchObject({
      code: "MODEL_FILE_INVALID",
    });
    expect(await failure({ ...gpt2.spec, architecture: "bert" })).toMatchObject({
      code: "MODEL_FILE_INVALID",
    });
  });
});

describe("the arguments of loadModel", () => {
  it("are refused when they are of the wrong type", async () => {
    for (const spec of [undefined, null, 1, "path", true]) {
      expect(await failure(spec)).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    for (const field of ["tensors", "hyperparameters", "architecture", "path"]) {
      for (const value of [undefined, null, 1]) {
        expect(await failure({ ...bert.spec, [field]: value })).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
    }
    for (const row of [undefined, null, 1, "x"]) {
      expect(await failure({ ...bert.spec, tensors: [row] })).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    for (const options of [undefined, null, 1]) {
      expect(await failure(bert.spec, options === undefined ? null : options)).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    const bad = {
      device: [undefined, null, 0],
      threads: [undefined, -1, 1025, 1.5, Number.NaN, "2", Infinity],
      maxMemory: [undefined, -1, 0.5, Number.NaN, 2 ** 60, "1"],
      generic: [0, 1, "true", null],
      discrete: [0, 1, "true", null],
    };
    for (const [field, values] of Object.entries(bad)) {
      for (const value of values) {
        const error = await failure(bert.spec, { ...OPTIONS, [field]: value });
        expect(error, `${field} = ${value}`).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
    }
    for (const device of ["", "tpu", "cuda:99", "CPU"]) {
      expect(await failure(bert.spec, { ...OPTIONS, device })).toMatchObject({ code: "DEVICE_UNAVAILABLE" });
    }
  });
});

describe(`five hundred random tables (seed ${SEED})`, () => {
  it("are computed or refused", async () => {
    const next = random(SEED);
    const pick = <T>(values: readonly T[]) => values[integer(next, values.length)]!;
    const numbers = [0, 1, 2, 8, 31, 32, 33, 64, 256, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 53];
    let refusals = 0;
    for (let round = 0; round < 500; round++) {
      const { spec } = pick([bert, gpt2, fused, neox, shared]);
      const tensors = spec.tensors.map((entry): TensorEntry => {
        if (next() > 0.03) return entry;
        const shape = Array.from({ length: integer(next, 5) }, () => pick(numbers));
        return {
          name: next() < 0.2 ? pick(spec.tensors).name : entry.name,
          type: next() < 0.3 ? pick(["F16", "Q8_0", "Q4_K", "Q6_K", "BF16"] as const) : entry.type,
          shape: next() < 0.5 ? shape : entry.shape,
          offset: next() < 0.5 ? 4 * pick(numbers) : entry.offset,
        };
      });
      const model = await loadNative({ ...spec, tensors }, { threads: 1 }).catch((error: unknown) => error);
      if (model instanceof GgmlTransformersError) {
        expect(["MODEL_FILE_INVALID", "UNSUPPORTED", "INVALID_ARGUMENT"], model.message).toContain(
          model.code,
        );
        refusals++;
        continue;
      }
      const loaded = model as Awaited<ReturnType<typeof loadNative>>;
      const ids = Int32Array.of(1, 2, 3);
      if (spec.architecture === "bert") {
        await encode(loaded, { ids, lengths: Int32Array.of(3), pooling: "mean" });
      } else {
        await generate(loaded, ids, 3);
      }
      await loaded.dispose();
    }
    expect(refusals).toBeGreaterThan(100);
    expect(refusals).toBeLessThan(500);
  });
});
