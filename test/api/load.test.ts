import { copyFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, devices, Encoder, Generator, ModelFileError } from "../../lib/index.js";
import { writeRandomBert, writeRandomGpt2 } from "../support/random-models.js";

const MODELS = resolve(__dirname, "../../models");

describe("load", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "load-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("takes a name, a relative path and an absolute path to the same model", async () => {
    const path = join(MODELS, "mini-embed.gguf");
    const loads = ["mini-embed", relative(process.cwd(), path), path].map((name) => Encoder.load(name));
    const encoders = await Promise.all(loads);
    const [first, ...others] = await Promise.all(encoders.map((encoder) => encoder.embed("a whale")));
    for (const other of others) expect(other).toEqual(first);
    for (const { info } of encoders) expect(info).toMatchObject({ path, name: "mini-embed" });
    await Promise.all(encoders.map((encoder) => encoder.dispose()));
  });

  it("reports progress that only grows, up to one", async () => {
    const fractions: number[] = [];
    const encoder = await Encoder.load("mini-bert", { onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    expect(fractions[0]).toBeGreaterThanOrEqual(0);
    await encoder.dispose();
  });

  it("rejects with what onProgress throws", async () => {
    const load = Encoder.load("mini-bert", {
      onProgress: () => {
        throw new RangeError("mine");
      },
    });
    await expect(load).rejects.toThrow(RangeError);
  });

  it("uses the threads it is given and reports them", async () => {
    const encoder = await Encoder.load("mini-bert", { threads: 2, device: "cpu" });
    expect(encoder.info).toMatchObject({ threads: 2, device: "cpu" });
    await encoder.dispose();
    const usual = await Encoder.load("mini-bert", { device: "auto" });
    expect(usual.info.threads).toBeGreaterThanOrEqual(1);
    await usual.dispose();
  });

  it("names what is wrong with a file", async () => {
    const text = join(folder, "text.gguf");
    await writeFile(text, "this is not a model, but long enough to have a header");
    await expect(Encoder.load(text)).rejects.toBeInstanceOf(ModelFileError);
    await expect(Encoder.load(text)).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      details: { path: text },
    });
    const short = join(folder, "short.gguf");
    await copyFile(join(MODELS, "mini-gpt2.gguf"), short);
    await truncate(short, 4_000_000);
    await expect(Generator.load(short)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
    await expect(Encoder.load(folder)).rejects.toThrow("is a folder");
  });

  it("keeps nothing of a model whose loading failed", async () => {
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 30; i++) {
      await expect(Encoder.load("mini-bert", { maxMemory: 1 })).rejects.toMatchObject({
        code: "OUT_OF_MEMORY",
      });
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20);
  });

  it("describes models of any shape", async () => {
    await writeRandomBert(join(folder, "bert"), {
      layers: 3,
      hidden: 48,
      heads: 6,
      intermediate: 80,
      positions: 40,
    });
    await convert(join(folder, "bert"), join(folder, "bert.gguf"));
    const encoder = await Encoder.load(join(folder, "bert.gguf"));
    const shape = {
      blockCount: 3,
      embeddingLength: 48,
      headCount: 6,
      feedForwardLength: 80,
      contextLength: 40,
    };
    expect(encoder.info).toMatchObject({ ...shape, maxLength: 40, dimensions: 48, segmentCount: 2 });
    await encoder.dispose();
    await writeRandomGpt2(join(folder, "gpt2"), { layers: 1, hidden: 40, heads: 5, positions: 32 });
    await convert(join(folder, "gpt2"), join(folder, "gpt2.gguf"));
    const generator = await Generator.load(join(folder, "gpt2.gguf"));
    expect(generator.info).toMatchObject({
      blockCount: 1,
      embeddingLength: 40,
      headCount: 5,
      contextLength: 32,
    });
    await generator.dispose();
  });
});

describe("devices", () => {
  it("always has the processor, last", () => {
    const found = devices();
    const cpu = found.at(-1)!;
    expect(cpu).toMatchObject({ id: "cpu", kind: "cpu" });
    expect(cpu.name).not.toBe("");
    expect(cpu.memoryTotal).toBeGreaterThan(cpu.memoryFree);
    expect(cpu.memoryFree).toBeGreaterThan(0);
    expect(found.filter(({ kind }) => kind === "cpu")).toHaveLength(1);
    if (process.arch === "x64") expect(cpu.features).toContain("AVX2");
  });
});
