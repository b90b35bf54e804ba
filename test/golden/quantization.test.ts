/** How far each weight type takes the embeddings of real text from those of the float weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder, quantize } from "../../lib/index.js";
import type { TensorType } from "../../lib/native.js";
import { checkpointFolder, cosine, hasGolden } from "../support/golden.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();

/** Least cosine of an embedding to that of F32. Q8_0's is promised; the others are what was measured, with room. */
const LEAST: Record<Exclude<TensorType, "F32">, number> = {
  F16: 0.99999,
  BF16: 0.9999,
  Q8_0: 0.999,
  Q6_K: 0.998,
  Q5_K: 0.994,
  Q5_1: 0.994,
  Q5_0: 0.99,
  Q4_K: 0.98,
  Q4_1: 0.97,
  Q4_0: 0.97,
};

/** Sentences of real text: the licence, the readme and the notices of this repository and its models. */
function sentences(): string[] {
  const files = ["LICENSE", "THIRD_PARTY_NOTICES.md", "models/README.md"];
  const text = files.map((file) => readFileSync(join(__dirname, "../..", file), "utf8")).join("\n\n");
  const found = text
    .split(/(?<=[.;:!?])\s+|\n\n|\|/)
    .map((sentence) => sentence.replace(/\s+/g, " ").trim())
    .filter((sentence) => sentence.length > 12);
  // Single words and parts of sentences as well: short texts are where a mean hides least.
  const words = text.match(/[A-Za-z]{4,}/g)!;
  const parts = Array.from({ length: 200 }, (_, i) => {
    const begin = (7 * i) % words.length;
    return words.slice(begin, begin + 1 + (i % 6)).join(" ");
  });
  return [...new Set([...found, ...parts])];
}

describe("embeddings of mini-embed", () => {
  const texts = sentences();
  let source: string;
  let exact: Float32Array[];
  const measured: string[] = [];

  const embedWith = async (path: string) => {
    const encoder = await Encoder.load(path);
    try {
      return await encoder.embed(texts, { maxLength: 128 });
    } finally {
      await encoder.dispose();
    }
  };

  beforeAll(async () => {
    expect(texts.length).toBeGreaterThan(250);
    source = join(folder, "F32.gguf");
    if (hasGolden) await convert(checkpointFolder("mini-embed"), source, { type: "F32" });
    else await quantize("mini-embed", source, { type: "F32" });
    exact = await embedWith(source);
  });
  afterAll(() => console.log([`${texts.length} texts; type: least, mean cosine`, ...measured].join("\n")));

  it.each(Object.keys(LEAST) as (keyof typeof LEAST)[])("%s", async (type) => {
    const path = join(folder, `${type}.gguf`);
    await quantize(source, path, { type });
    const cosines = (await embedWith(path)).map((vector, i) => cosine(vector, exact[i]!));
    const least = cosines.reduce((a, b) => Math.min(a, b));
    const mean = cosines.reduce((a, b) => a + b) / cosines.length;
    measured.push(`${type}: ${least.toFixed(6)}, ${mean.toFixed(6)}`);
    expect(least).toBeGreaterThan(LEAST[type]);
  });

  it("the file in models/ is as close as Q8_0 is", async () => {
    const cosines = (await embedWith("mini-embed")).map((vector, i) => cosine(vector, exact[i]!));
    expect(cosines.reduce((a, b) => Math.min(a, b))).toBeGreaterThan(0.999);
  });
});
