/** sentence-transformers' `Dense` layers behind the pooling, against the same in double precision. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert, Encoder, inspect, quantize, type TensorType } from "../../lib/index.js";
import { bertWeights } from "../golden/checkpoints.js";
import { activate, product } from "../reference/arithmetic.js";
import { bertEncoder, pool, unit } from "../reference/bert.js";
import { cosine, maxDifference } from "../support/golden.js";
import { writeRandomBert } from "../support/random-models.js";
import { gaussian, random } from "../support/random.js";
import { writeSafetensors } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const H = 64;
const SHAPE = { H, A: 4, L: 2, epsilon: 1e-12, activation: "gelu" } as const;
const TEXTS = ["the a of", "x", "of the the a of x y z", ""];

interface Layer {
  out: number;
  activation: "Tanh" | "Identity" | "GELU" | "ReLU" | undefined;
  bias?: boolean;
}

interface Weights {
  weight: Float64Array;
  bias: Float64Array | undefined;
}

let models = 0;

/** A checkpoint with these layers, in Hugging Face's layout, and their weights. */
async function write(layers: readonly Layer[], normalize: boolean) {
  const dir = join(folder, `dense-${++models}`);
  await writeRandomBert(dir, { architecture: "BertModel", sentenceTransformers: { normalize } });
  const path = join(dir, "modules.json");
  const modules = JSON.parse(await readFile(path, "utf8")) as { path: string }[];
  const normal = gaussian(random(77 + models));
  const weights: Weights[] = [];
  let width = H;
  for (const [i, { out, activation, bias = true }] of layers.entries()) {
    const name = `${2 + i}_Dense`;
    await mkdir(join(dir, name));
    const values = (count: number) => Float32Array.from({ length: count }, () => 0.2 * normal());
    const own = { weight: values(out * width), bias: bias ? values(out) : undefined };
    const tensors = [
      { name: "linear.weight", shape: [out, width], write: (data: Float32Array) => data.set(own.weight) },
    ];
    const { bias: offsets } = own;
    if (offsets) {
      tensors.push({ name: "linear.bias", shape: [out], write: (data: Float32Array) => data.set(offsets) });
    }
    await writeSafetensors(join(dir, name, "model.safetensors"), tensors, "F32");
    const kind = activation === "Identity" ? "linear.Identity" : `activation.${activation}`;
    await writeFile(
      join(dir, name, "config.json"),
      JSON.stringify({
        in_features: width,
        out_features: out,
        bias,
        ...(activation && { activation_function: `torch.nn.modules.${kind}` }),
      }),
    );
    modules.splice(2 + i, 0, { path: name, type: "sentence_transformers.models.Dense" } as { path: string });
    weights.push({ weight: Float64Array.from(own.weight), bias: own.bias && Float64Array.from(own.bias) });
    width = out;
  }
  await writeFile(path, JSON.stringify(modules));
  return { dir, weights, dimensions: width };
}

function reference(dir: string, layers: readonly Layer[], weights: readonly Weights[], ids: Int32Array) {
  let x = pool("mean", H, bertEncoder(bertWeights(dir), SHAPE, ids).last);
  for (const [i, { out, activation = "Tanh" }] of layers.entries()) {
    const { weight, bias } = weights[i]!;
    const shape = [x.length, out];
    x = product({ shape, data: weight }, bias && { shape: [out], data: bias }, x);
    const name = activation.toLowerCase() as "tanh" | "gelu" | "relu" | "identity";
    if (name !== "identity") x = x.map((value) => activate(name, value));
  }
  return x;
}

const CASES: Readonly<Record<string, { layers: readonly Layer[]; normalize: boolean }>> = {
  "one, its activation by default": { layers: [{ out: 32, activation: undefined }], normalize: true },
  "two, the second without bias": {
    layers: [
      { out: 96, activation: "GELU" },
      { out: 48, activation: "Identity", bias: false },
    ],
    normalize: false,
  },
  "of odd sizes": {
    layers: [
      { out: 37, activation: "ReLU" },
      { out: 5, activation: "Tanh" },
    ],
    normalize: true,
  },
};

describe("Dense layers", () => {
  it.each(Object.entries(CASES))("%s: give what the reference gives", async (_, { layers, normalize }) => {
    const { dir, weights, dimensions } = await write(layers, normalize);
    const path = `${dir}.gguf`;
    await convert(dir, path, { type: "F32" });
    await using encoder = await Encoder.load(path, { threads: 2 });
    expect(encoder.info.dimensions).toBe(dimensions);
    expect(encoder.info.embeddingLength).toBe(H);
    const together = await encoder.embed(TEXTS);
    for (const [i, text] of TEXTS.entries()) {
      const expected = reference(dir, layers, weights, encoder.tokenizer.encode(text).ids);
      const wanted = normalize ? unit(expected) : expected;
      expect(together[i]).toHaveLength(dimensions);
      expect(maxDifference(together[i]!, wanted)).toBeLessThan(2e-5);
      expect(await encoder.embed(text)).toEqual(together[i]);
    }
    // Calls in the same batches that want other things of them.
    const [embedded, hidden] = await Promise.all([encoder.embed(TEXTS), encoder.encode(TEXTS[0]!)]);
    expect(embedded).toEqual(together);
    expect(hidden.lastHiddenState!.shape.at(-1)).toBe(H);
  });

  it.each(["Q8_0", "Q4_0", "F16"] satisfies TensorType[])("survive %s", async (type) => {
    const { layers, normalize } = CASES["one, its activation by default"]!;
    const { dir, weights } = await write(layers, normalize);
    await convert(dir, `${dir}.gguf`);
    await quantize(`${dir}.gguf`, `${dir}-small.gguf`, { type });
    const { tensors } = await inspect(`${dir}-small.gguf`);
    expect(tensors.find(({ name }) => name === "dense_2.weight")!.type).toBe(type);
    await using encoder = await Encoder.load(`${dir}-small.gguf`);
    for (const text of TEXTS) {
      const expected = reference(dir, layers, weights, encoder.tokenizer.encode(text).ids);
      const least = type === "Q4_0" ? 0.97 : 0.999;
      expect(cosine(await encoder.embed(text), expected)).toBeGreaterThan(least);
    }
  });

  it("can be cut, and embed long texts by windows", async () => {
    const { layers } = CASES["two, the second without bias"]!;
    const { dir, dimensions } = await write(layers, true);
    await convert(dir, `${dir}.gguf`);
    await using encoder = await Encoder.load(`${dir}.gguf`);
    const whole = await encoder.embed("the a of", { normalize: false });
    const cut = await encoder.embed("the a of", { dimensions: 7 });
    expect(maxDifference(cut, unit(Float64Array.from(whole.subarray(0, 7))))).toBeLessThan(1e-6);
    await expect(encoder.embed("x", { dimensions: dimensions + 1 })).rejects.toThrow(/dimensions/);
    const { vector } = await encoder.embedWindows("the a of ".repeat(200));
    expect(vector).toHaveLength(dimensions);
  });
});
