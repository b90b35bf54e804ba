/** Quantized files: block bytes against a scalar reference, errors against each type's bound, metadata kept. */
import {
  copyFileSync,
  existsSync,
  linkSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { targetType } from "../../lib/convert/target-type.js";
import { TENSOR_TYPES } from "../../lib/gguf/types.js";
import { inspect } from "../../lib/inspect.js";
import type { TensorType } from "../../lib/native.js";
import { quantize } from "../../lib/quantize.js";
import { buildGguf, floats, parseGguf, TENSOR_TYPE_IDS } from "../support/gguf-bytes.js";
import { writeRandomBert, writeRandomGpt2, type RandomModel } from "../support/random-models.js";
import { encodeFloats } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyBert, withKey } from "../support/tiny-gguf.js";

const folder = temporaryFolder();
const wide = join(folder, "wide.gguf");
let model: RandomModel;

beforeAll(async () => {
  model = await writeRandomBert(join(folder, "bert"), {
    hidden: 256,
    layers: 1,
    intermediate: 512,
    vocabSize: 600,
  });
  await convert(model.dir, wide, { type: "F32" });
});

const parse = (path: string) => parseGguf(readFileSync(path));

// ---- scalar references of GGML's block formats (ggml-quants.c), in binary32 arithmetic

/** The nearest binary16 of a value, and that binary16's value. */
function half(value: number): [bits: number, value: number] {
  const bits = new Uint16Array(encodeFloats(Float32Array.of(value), "F16").buffer)[0]!;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return [bits, bits & 0x8000 ? -magnitude : magnitude];
}

const roundAway = (value: number) => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);

/** A scale of max|x| / 127 as binary16, then 32 signed bytes. */
function referenceQ8(values: Float32Array): Buffer {
  const out = Buffer.alloc((values.length / 32) * 34);
  for (let block = 0; block < values.length / 32; block++) {
    const x = values.subarray(block * 32, block * 32 + 32);
    const largest = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    out.writeUInt16LE(half(scale)[0], block * 34);
    for (const [i, value] of x.entries())
      out.writeInt8(roundAway(Math.fround(value * inverse)), block * 34 + 2 + i);
  }
  return out;
}

/** A scale of (the value of largest magnitude) / -8 as binary16, then 16 bytes of two values, 16 places apart. */
function referenceQ4(values: Float32Array): Buffer {
  const out = Buffer.alloc((values.length / 32) * 18);
  for (let block = 0; block < values.length / 32; block++) {
    const x = values.subarray(block * 32, block * 32 + 32);
    const extreme = x.reduce((max, value) => (Math.abs(value) > Math.abs(max) ? value : max), 0);
    const scale = Math.fround(extreme / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    const level = (value: number) =>
      Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)));
    out.writeUInt16LE(half(scale)[0], block * 18);
    for (let i = 0; i < 16; i++) out[block * 18 + 2 + i] = level(x[i]!) | (level(x[i + 16]!) << 4);
  }
  return out;
}

describe("block bytes", () => {
  test.each([
    ["Q8_0", referenceQ8],
    ["Q4_0", referenceQ4],
  ] as const)("%s equals the scalar reference", async (type, reference) => {
    const out = join(folder, `${type}.gguf`);
    await convert(model.dir, out, { type });
    const { tensors } = parse(out);
    const narrowed = [...tensors].filter(([, each]) => each.type === TENSOR_TYPE_IDS[type]);
    expect(narrowed.map(([name]) => name)).toEqual([
      "token_embd.weight",
      ...["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"].map(
        (name) => `blk.0.${name}.weight`,
      ),
      "cls.weight",
      "mlm.transform.weight",
    ]);
    const original = parse(wide).tensors;
    for (const [name, { data }] of narrowed) {
      expect(data.equals(reference(floats(original.get(name)!.data))), name).toBe(true);
    }
  });

  test("zeros, and a block of one extreme, quantize without a division by zero", async () => {
    const spec = tinyBert();
    const data = new Float32Array(32 * 6);
    data[40] = -3;
    const resized = spec.tensors.map((tensor) => {
      const shape = tensor.shape.map((size) => (size === 8 ? 32 : size));
      const isTable = tensor.name === "token_embd.weight";
      return isTable
        ? { name: tensor.name, shape, data: new Uint8Array(data.buffer) }
        : { name: tensor.name, shape };
    });
    const path = join(folder, "zeros.gguf");
    const grown = withKey({ ...spec, tensors: resized }, "bert.embedding_length", { type: "u32", value: 32 });
    writeFileSync(path, buildGguf(grown).bytes);
    for (const [type, reference] of [
      ["Q8_0", referenceQ8],
      ["Q4_0", referenceQ4],
    ] as const) {
      await quantize(path, join(folder, "zeros-out.gguf"), { type });
      const written = parse(join(folder, "zeros-out.gguf")).tensors.get("token_embd.weight")!.data;
      expect(written.equals(reference(data)), type).toBe(true);
    }
  });
});

/**
 * The largest error of one value, given the values that share its scale. `e` is the error of a scale stored as
 * binary16 (relative 2^-11).
 */
const e = 2 ** -11;
const BOUNDS: Record<string, { group: number; bound: (group: Float32Array) => number }> = {
  F32: { group: 1, bound: () => 0 },
  // Half a unit in the last place; subnormals below 2^-14.
  F16: { group: 1, bound: ([x]) => Math.max(Math.abs(x!) * 2 ** -11, 2 ** -25) },
  BF16: { group: 1, bound: ([x]) => Math.abs(x!) * 2 ** -8 },
  // Half a step, and 127 steps of a scale that is off by e.
  Q8_0: { group: 32, bound: (x) => (amax(x) / 127) * (0.5 + 127 * e) },
  // The side opposite to the extreme value ends one step short.
  Q4_0: { group: 32, bound: (x) => (amax(x) / 8) * (1 + 8 * e) },
  Q5_0: { group: 32, bound: (x) => (amax(x) / 16) * (1 + 16 * e) },
  // Half a step of (max - min) / levels, a scale and a minimum that are off by e.
  Q4_1: { group: 32, bound: (x) => range(x) * (0.5 / 15 + e) + amax(x) * e },
  Q5_1: { group: 32, bound: (x) => range(x) * (0.5 / 31 + e) + amax(x) * e },
  // Super-blocks: the scales of sub-blocks are integers of 6 bits (8 for Q6_K) times one scale, so each is off by
  // up to half of its own step; the search for scales trades the largest error for the mean one, at most a step.
  Q4_K: { group: 256, bound: (x) => spread(x) * (1 / 15 + 1 / 63) },
  Q5_K: { group: 256, bound: (x) => spread(x) * (1 / 31 + 1 / 63) },
  Q6_K: { group: 256, bound: (x) => amax(x) * (1 / 32 + 1 / 127) },
};
const amax = (x: Float32Array) => x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
const range = (x: Float32Array) => Math.max(...x) - Math.min(...x);
/** Sub-blocks have minima of at most zero. */
const spread = (x: Float32Array) => Math.max(...x, 0) - Math.min(...x, 0);

test.each(TENSOR_TYPES.map((type) => [type]))(
  "%s values are within the type's bound of the original",
  async (type) => {
    const [narrow, back] = [join(folder, `${type}.gguf`), join(folder, `${type}-F32.gguf`)];
    const result = await quantize(wide, narrow, { type });
    expect(result).toMatchObject({ type, path: narrow, requantized: [] });
    await quantize(narrow, back, { type: "F32" });
    const original = parse(wide).tensors;
    const restored = parse(back).tensors;
    const { group, bound } = BOUNDS[type]!;
    for (const [name, { data, type: typeId }] of restored) {
      expect(typeId).toBe(0);
      const [x, y] = [floats(original.get(name)!.data), floats(data)];
      if (targetType(type, name, original.get(name)!.shape) === "F32") {
        expect(data.equals(original.get(name)!.data), name).toBe(true);
        continue;
      }
      for (let at = 0; at < x.length; at += group) {
        const limit = bound(x.subarray(at, at + group));
        for (let i = at; i < at + group; i++) {
          if (Math.abs(x[i]! - y[i]!) > limit)
            throw new Error(`${name}[${i}]: ${x[i]} became ${y[i]}, bound ${limit}`);
        }
      }
    }
  },
);

describe("quantize", () => {
  test("makes the same file as convert", async () => {
    const [direct, indirect] = [join(folder, "direct.gguf"), join(folder, "indirect.gguf")];
    await convert(model.dir, direct, { type: "Q5_K", name: "same" });
    await convert(model.dir, join(folder, "between.gguf"), { type: "F32", name: "same" });
    await quantize(join(folder, "between.gguf"), indirect, { type: "Q5_K" });
    expect(readFileSync(indirect).equals(readFileSync(direct))).toBe(true);
  });

  test("keeps every key byte for byte, those it does not know included, and updates the type", async () => {
    const spec = withKey(tinyBert(), "general.file_type", { type: "u32", value: 0 });
    const odd = withKey(spec, "someone.elses", { type: "f32s", value: [1.5, -2] });
    const aligned = withKey(odd, "general.alignment", { type: "u32", value: 64 });
    const [from, to] = [join(folder, "keys.gguf"), join(folder, "keys-out.gguf")];
    writeFileSync(from, buildGguf({ ...aligned, alignment: 64 }).bytes);
    await quantize(from, to, { type: "F16" });
    const [before, after] = [parse(from), parse(to)];
    const plain = (parsed: typeof before) => Object.fromEntries(parsed.metadata);
    expect(plain(after)).toEqual({
      ...plain(before),
      "general.file_type": { type: 4, value: 1 },
      "general.quantization_version": { type: 4, value: 2 },
    });
  });

  test("widens exactly, and says what it quantized twice", async () => {
    const [q8, f32, q4] = ["q8", "f32", "q4"].map((name) => join(folder, `twice-${name}.gguf`));
    await quantize(wide, q8!, { type: "Q8_0" });
    await quantize(q8!, f32!, { type: "F32" });
    const restored = parse(f32!).tensors.get("blk.0.ffn_up.weight")!.data;
    const stored = parse(q8!).tensors.get("blk.0.ffn_up.weight")!.data;
    expect(floats(restored)).toEqual(dequantizeQ8(stored));
    const { requantized } = await quantize(q8!, q4!, { type: "Q4_0" });
    expect(requantized).toContain("blk.0.ffn_up.weight");
    expect(requantized).not.toContain("position_embd.weight");
  });

  function dequantizeQ8(data: Buffer): Float32Array {
    const values = new Float32Array((data.length / 34) * 32);
    for (let i = 0; i < values.length; i++) {
      const block = Math.floor(i / 32) * 34;
      const scale = floats16(data.readUInt16LE(block));
      values[i] = Math.fround(scale * data.readInt8(block + 2 + (i % 32)));
    }
    return values;
  }
  function floats16(bits: number): number {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  }

  test("refuses to write over its input, also through links", async () => {
    const [file, soft, hard] = ["self.gguf", "soft.gguf", "hard.gguf"].map((name) => join(folder, name));
    copyFileSync(wide, file!);
    symlinkSync(file!, soft!);
    linkSync(file!, hard!);
    for (const out of [file!, soft!, hard!, join(folder, ".", "self.gguf")]) {
      await expect(quantize(file!, out, { type: "Q8_0" })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        details: { name: "out" },
      });
    }
    expect(readFileSync(file!).equals(readFileSync(wide))).toBe(true);
  });

  test("leaves nothing behind when it is aborted", async () => {
    const out = join(folder, "aborted.gguf");
    const controller = new AbortController();
    const onProgress = ({ done, total }: { done: number; total: number }) => {
      if (done > total / 2) controller.abort();
    };
    const running = quantize(wide, out, { type: "Q4_K", signal: controller.signal, onProgress });
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("names a missing or unknown type, and files it is not made for", async () => {
    const out = join(folder, "never.gguf");
    const quantizeAny = quantize as (...args: unknown[]) => Promise<unknown>;
    await expect(quantizeAny(wide, out)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { name: "type" },
    });
    await expect(quantizeAny(wide, out, { type: "Q2_K" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    const llama = join(folder, "llama.gguf");
    const spec = withKey(tinyBert(), "general.architecture", { type: "string", value: "llama" });
    writeFileSync(llama, buildGguf(spec).bytes);
    await expect(quantize(llama, out, { type: "Q8_0" })).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(existsSync(out)).toBe(false);
  });
});

describe("rows a type cannot hold", () => {
  const fallbacks: [TensorType, number, TensorType][] = [
    ["Q4_K", 384, "Q5_0"],
    ["Q5_K", 384, "Q5_1"],
    ["Q6_K", 384, "Q8_0"],
    ["Q8_0", 40, "F16"],
    ["Q4_0", 40, "F16"],
    ["Q4_K", 40, "F16"],
    ["Q4_K", 512, "Q4_K"],
    ["BF16", 40, "BF16"],
  ];
  test.each(fallbacks)("%s of width %i becomes %s", (type, width, expected) => {
    expect(targetType(type, "blk.0.ffn_up.weight", [width, 8])).toBe(expected);
    expect(targetType(type, "blk.0.ffn_up.bias", [width])).toBe("F32");
    expect(targetType(type, "position_embd.weight", [width, 8])).toBe("F32");
    expect(targetType(type, "cls.output.weight", [width, 2])).toBe("F32");
  });

  test("inspect shows them", async () => {
    const { dir } = await writeRandomGpt2(join(folder, "fallback"), {
      hidden: 96,
      heads: 4,
      layers: 1,
      intermediate: 256,
    });
    const out = join(folder, "fallback.gguf");
    await convert(dir, out, { type: "Q4_K" });
    const seen = await inspect(out);
    expect(seen.type).toBe("Q4_K");
    expect(seen.exceptions.map(({ name, type, reason }) => [name, type, reason])).toEqual([
      ["token_embd.weight", "Q5_0", "width"],
      ["blk.0.attn_qkv.weight", "Q5_0", "width"],
      ["blk.0.attn_output.weight", "Q5_0", "width"],
      ["blk.0.ffn_up.weight", "Q5_0", "width"],
    ]);
  });
});
