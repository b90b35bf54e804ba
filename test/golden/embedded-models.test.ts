/** The models in models/, always: what they compute against double precision on the numbers in the files. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { quantize, Tokenizer } from "../../lib/index.js";
import { openModelFile, resolveModel } from "../../lib/model-file.js";
import { LOWERINGS, withModel, tolerance } from "../native/models.js";
import { encode, generate, logits, ragged } from "../native/requests.js";
import { concatenate } from "../reference/arithmetic.js";
import {
  bertEncoder,
  bertMaskedTokens,
  bertNextSentence,
  bertPooler,
  pool,
  unit,
} from "../reference/bert.js";
import { gpt2Greedy, gpt2Logits } from "../reference/gpt2.js";
import { cosine, maxDifference } from "../support/golden.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { ggufWeights, MINI_BERT, MINI_GPT2 } from "./checkpoints.js";
import { certainTokens } from "./inputs.js";

const TOLERANCE = tolerance(2e-4);
const folder = temporaryFolder();
const { H } = MINI_BERT;

/** The same numbers, stored as F32. */
async function widened(name: string): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  await quantize(name, path, { type: "F32" });
  return path;
}

const [bert, embed, gpt2] = await Promise.all(["mini-bert", "mini-embed", "mini-gpt2"].map(widened));
const specOf = async (path: string) => (await openModelFile(path)).spec;
const idsOf = async (name: string, text: string, pair?: string) => {
  const { ids, typeIds } = (await Tokenizer.load(name)).encode(text, { pair });
  return { ids, segments: typeIds };
};

describe.each(LOWERINGS)("models/, their numbers in F32, %s", (lowering) => {
  it("mini-bert: hidden states, masked tokens and next sentences of a pair", async () => {
    const text = "Call me [MASK]. Some years ago I went to sea.";
    const { ids, segments } = await idsOf("mini-bert", text, "It is a way I have of driving off the spleen.");
    const mask = ids.indexOf(103);
    expect(mask).toBeGreaterThan(0);
    const weights = await ggufWeights(bert!);
    const { hiddenStates, last } = bertEncoder(weights, MINI_BERT, ids, segments);
    const pooled = bertPooler(weights, H, last);
    await withModel(await specOf(bert!), { lowering }, async (model) => {
      const result = await encode(model, {
        ...ragged([ids]),
        segments,
        mlmPositions: Int32Array.of(mask),
        hiddenStates: true,
        poolerOutput: true,
        nextSentence: true,
      });
      const states = concatenate(hiddenStates);
      expect(maxDifference(result.hiddenStates!, states)).toBeLessThan(TOLERANCE);
      expect(maxDifference(result.poolerOutput!, pooled)).toBeLessThan(TOLERANCE);
      const logit = bertMaskedTokens(weights, MINI_BERT, last, [mask]);
      expect(maxDifference(result.mlmLogits!, logit)).toBeLessThan(TOLERANCE);
      const next = bertNextSentence(weights, pooled);
      expect(maxDifference(result.nextSentenceLogits!, next)).toBeLessThan(TOLERANCE);
    });
  });

  it("mini-embed: embeddings; and those of the file itself are close", async () => {
    const weights = await ggufWeights(embed!);
    const texts = ["a ship that sails on the ocean", "the president spoke to congress", "fish"];
    const sequences = await Promise.all(texts.map(async (text) => (await idsOf("mini-embed", text)).ids));
    const expected = sequences.map((ids) => unit(pool("mean", H, bertEncoder(weights, MINI_BERT, ids).last)));
    const request = { ...ragged(sequences), pooling: "mean", normalize: true } as const;
    const exact = await withModel(await specOf(embed!), { lowering }, (model) => encode(model, request));
    expect(maxDifference(exact.pooled!, concatenate(expected))).toBeLessThan(TOLERANCE);
    const file = await specOf(await resolveModel("mini-embed"));
    const narrow = await withModel(file, { lowering }, (model) => encode(model, request));
    for (const [i, vector] of expected.entries()) {
      expect(cosine(narrow.pooled!.subarray(i * H, (i + 1) * H), vector)).toBeGreaterThan(0.9995);
    }
  });

  it("mini-gpt2: logits, and a continuation token for token", async () => {
    const weights = await ggufWeights(gpt2!);
    const { ids } = await idsOf("mini-gpt2", "The President of the United States");
    const expected = gpt2Greedy(weights, MINI_GPT2, ids, 16);
    await withModel(await specOf(gpt2!), { lowering }, async (model) => {
      const actual = await logits(model, ids);
      expect(maxDifference(actual, gpt2Logits(weights, MINI_GPT2, ids))).toBeLessThan(TOLERANCE);
      const { tokens } = await generate(model, ids, 16);
      const count = certainTokens(expected.margins);
      expect(count).toBeGreaterThan(4);
      expect([...tokens.subarray(0, count)]).toEqual(expected.ids.slice(0, count));
    });
  });
});
