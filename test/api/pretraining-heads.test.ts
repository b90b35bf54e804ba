/** The heads that ELECTRA and ALBERT are pre-trained with, through the public interface. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder, inspect, InvalidArgumentError, UnsupportedError } from "../../lib/index.js";
import type { ReferenceTensor } from "../reference/arithmetic.js";
import { albert, electra, type ReferenceEncoder } from "../reference/encoders.js";
import { writeRandomEncoder, type RandomEncoderOptions } from "../support/random-encoders.js";
import type { RandomModel } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();

async function load(options: RandomEncoderOptions) {
  const dir = join(folder, options.architecture);
  const model = await writeRandomEncoder(dir, options);
  await convert(dir, `${dir}.gguf`, { type: "F32" });
  return { model, path: `${dir}.gguf`, encoder: await Encoder.load(`${dir}.gguf`) };
}

function outputs(reference: ReferenceEncoder, model: RandomModel, ids: Int32Array, segments: Int32Array) {
  const weights = new Map<string, ReferenceTensor>();
  for (const [name, { shape, data }] of model.weights)
    weights.set(name, { shape: shape.toReversed(), data: Float64Array.from(data) });
  return reference(weights, model.config, ids, segments);
}

describe("ELECTRA's discriminator", () => {
  let loaded: Awaited<ReturnType<typeof load>>;
  beforeAll(async () => {
    loaded = await load({ family: "electra", architecture: "ElectraForPreTraining" });
  });
  afterAll(() => loaded.encoder.dispose());

  it("tells for each token of the text whether it was replaced", async () => {
    const { encoder, model, path } = loaded;
    const texts = ["the a of", "of x", ""];
    const all = await encoder.detectReplaced(texts);
    for (const [i, text] of texts.entries()) {
      const { ids, offsets, specialTokensMask } = encoder.tokenizer.encode(text);
      const logits = outputs(electra, model, ids, new Int32Array(ids.length)).replaced!;
      const own = [...ids.keys()].filter((position) => specialTokensMask[position] === 0);
      expect(all[i]!.map(({ token }) => token)).toEqual(own.map((position) => ids[position]));
      for (const [k, { logit, probability, start, end, tokenString }] of all[i]!.entries()) {
        const position = own[k]!;
        expect(Math.abs(logit - logits[position]!)).toBeLessThan(1e-4);
        expect(probability).toBeCloseTo(1 / (1 + Math.exp(-logits[position]!)), 5);
        expect([start, end]).toEqual([offsets[2 * position], offsets[2 * position + 1]]);
        expect(tokenString).toBe(encoder.tokenizer.idToToken(ids[position]!));
      }
      expect(await encoder.detectReplaced(text)).toEqual(all[i]);
    }
    expect((await inspect(path)).heads).toContain("replaced-token");
  });

  it("is missing elsewhere, and refuses what it does not know", async () => {
    const { encoder } = loaded;
    await expect(encoder.detectReplaced(5 as unknown as string)).rejects.toThrow(InvalidArgumentError);
    await expect(encoder.detectReplaced("a", { topK: 1 } as object)).rejects.toThrow(InvalidArgumentError);
    await using other = await Encoder.load("mini-bert");
    await expect(other.detectReplaced("a")).rejects.toThrow(UnsupportedError);
  });
});

describe("ALBERT's sentence order", () => {
  it("is what nextSentence gives", async () => {
    const { encoder, model, path } = await load({ family: "albert", architecture: "AlbertForPreTraining" });
    const { ids, typeIds } = encoder.tokenizer.encode("the a of", { pair: "of x" });
    const [inOrder, swapped] = outputs(albert, model, ids, typeIds).sentenceOrder!;
    const { logits, probability } = await encoder.nextSentence("the a of", "of x");
    expect(Math.abs(logits[0] - inOrder!)).toBeLessThan(1e-4);
    expect(Math.abs(logits[1] - swapped!)).toBeLessThan(1e-4);
    expect(probability).toBeCloseTo(1 / (1 + Math.exp(swapped! - inOrder!)), 5);
    expect((await inspect(path)).tasks).toContain("next-sentence");
    await encoder.dispose();
  });
});
