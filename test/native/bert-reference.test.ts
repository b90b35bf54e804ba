import { describe, expect, it } from "vitest";
import type { EncodeRequest } from "../../lib/native.js";
import { concatenate } from "../reference/arithmetic.js";
import {
  bertAnswer,
  bertEncoder,
  bertMaskedTokens,
  bertNextSentence,
  bertPooler,
  bertSequenceLabels,
  bertTokenLabels,
  pool,
  unit,
  type ReferenceBertConfig,
  type ReferencePooling,
} from "../reference/bert.js";
import { maxDifference } from "../support/golden.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, randomBert, withModel, type BertOptions, type TestModel, tolerance } from "./models.js";
import { encode, ragged, randomIds } from "./requests.js";

const TOLERANCE = tolerance(2e-4);
const SEED = 20_261;
const folder = temporaryFolder();

const SHAPES: Record<string, BertOptions> = {
  ordinary: {},
  "an odd width of heads": { H: 20, A: 4, F: 50 },
  "a width that no vector divides": { H: 36, A: 3, F: 37, V: 101, context: 17 },
  "one block, one head": { L: 1, H: 24, A: 1, F: 24 },
  "as many heads as values": { H: 12, A: 12, F: 12 },
  "a feed-forward narrower than the rest": { H: 64, A: 2, F: 7 },
  "four blocks": { L: 4, H: 64, A: 8, F: 256, V: 257, context: 64 },
  "no segments": { segments: 0 },
  "one segment": { segments: 1 },
  "five segments": { segments: 5 },
  "fused projections": { fused: true, H: 36, A: 3 },
  "a head of its own": { tied: false },
  "one label": { labels: 1 },
  "as many labels as two panels and a bit": { labels: 75 },
  "a large epsilon": { epsilon: 0.1 },
  gelu_new: { activation: "gelu_new" },
  relu: { activation: "relu" },
  silu: { activation: "silu" },
  tanh: { activation: "tanh" },
};

function referenceConfig({ spec: { hyperparameters: h } }: Awaited<ReturnType<typeof randomBert>>) {
  return {
    H: h.embeddingLength,
    A: h.headCount,
    L: h.blockCount,
    epsilon: h.layerNormEpsilon,
    activation: h.activation,
  } satisfies ReferenceBertConfig;
}

/** Sequences of every length that matters, with random segments. */
function inputs(model: TestModel<{ vocabSize: number; contextLength: number; segmentCount: number }>) {
  const { vocabSize, contextLength, segmentCount } = model.spec.hyperparameters;
  const next = random(SEED);
  const sequences = [1, 2, 5, 8, 5, contextLength].map((length) => randomIds(next, length, vocabSize));
  const segments = sequences.map((ids) => ids.map(() => integer(next, Math.max(segmentCount, 1))));
  return { sequences, segments };
}

describe.each(LOWERINGS)("BERT in F32, %s, against double precision", (lowering) => {
  it.each(Object.entries(SHAPES))("%s", async (_, options) => {
    const test = await randomBert(folder, { seed: SEED, ...options });
    const config = referenceConfig(test);
    const { sequences, segments } = inputs(test);
    const request: EncodeRequest = { ...ragged(sequences), segments: ragged(segments).ids };
    request.mlmPositions = Int32Array.of(0, 7, request.ids.length - 1);
    const outputs = { lastHiddenState: true, hiddenStates: true, attentions: true };
    const heads = {
      poolerOutput: true,
      nextSentence: true,
      sequenceLogits: true,
      tokenLogits: true,
      answerLogits: true,
    };
    const result = await withModel(test.spec, { lowering }, (model) =>
      encode(model, { ...request, ...outputs, ...heads }),
    );

    const expected = sequences.map((ids, i) => bertEncoder(test.weights, config, ids, segments[i]));
    const pooled = expected.map(({ last }) => bertPooler(test.weights, config.H, last));
    const last = concatenate(expected.map((each) => each.last));
    const states = expected.flatMap((each) => each.hiddenStates);
    const attentions = expected.flatMap((each) => each.attentions);
    const nextSentence = pooled.map((each) => bertNextSentence(test.weights, each));
    const mlm = bertMaskedTokens(test.weights, config, last, [...request.mlmPositions]);
    expect(maxDifference(result.lastHiddenState!, last)).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.hiddenStates!, concatenate(states))).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.attentions!, concatenate(attentions))).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.poolerOutput!, concatenate(pooled))).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.nextSentenceLogits!, concatenate(nextSentence))).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.mlmLogits!, mlm)).toBeLessThan(TOLERANCE);
    const labels = concatenate(pooled.map((each) => bertSequenceLabels(test.weights, each)));
    expect(maxDifference(result.sequenceLogits!, labels)).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.tokenLogits!, bertTokenLabels(test.weights, last))).toBeLessThan(TOLERANCE);
    expect(maxDifference(result.answerLogits!, bertAnswer(test.weights, last))).toBeLessThan(TOLERANCE);
  });

  it("computes each head alone as with the others", async () => {
    const test = await randomBert(folder, { seed: SEED });
    const request = ragged(inputs(test).sequences);
    const heads = { sequenceLogits: true, tokenLogits: true, answerLogits: true };
    await withModel(test.spec, { lowering }, async (model) => {
      const all = await encode(model, { ...request, ...heads });
      expect(Object.keys(all).sort()).toEqual(Object.keys(heads).sort());
      for (const head of Object.keys(heads) as (keyof typeof heads)[]) {
        expect(await encode(model, { ...request, [head]: true })).toEqual({ [head]: all[head] });
      }
    });
  });

  it("pools and normalizes", async () => {
    const test = await randomBert(folder, { seed: SEED });
    const config = referenceConfig(test);
    const { sequences } = inputs(test);
    const last = sequences.map((ids) => bertEncoder(test.weights, config, ids).last);
    await withModel(test.spec, { lowering }, async (model) => {
      for (const pooling of ["mean", "cls", "max", "last"] satisfies ReferencePooling[]) {
        const vectors = last.map((each) => pool(pooling, config.H, each));
        const plain = await encode(model, { ...ragged(sequences), pooling });
        expect(Object.keys(plain)).toEqual(["pooled"]);
        expect(maxDifference(plain.pooled!, concatenate(vectors)), pooling).toBeLessThan(TOLERANCE);
        const scaled = await encode(model, { ...ragged(sequences), pooling, normalize: true });
        expect(maxDifference(scaled.pooled!, concatenate(vectors.map(unit))), pooling).toBeLessThan(
          TOLERANCE,
        );
      }
    });
  });

  it("takes segments to be zero when there are none", async () => {
    const test = await randomBert(folder, { seed: SEED });
    const request = { ...ragged(inputs(test).sequences), lastHiddenState: true };
    const zeros = new Int32Array(request.ids.length);
    await withModel(test.spec, { lowering }, async (model) => {
      const implied = await encode(model, request);
      const stated = await encode(model, { ...request, segments: zeros });
      const other = await encode(model, { ...request, segments: zeros.map(() => 1) });
      expect(implied).toEqual(stated);
      expect(maxDifference(implied.lastHiddenState!, other.lastHiddenState!)).toBeGreaterThan(0.1);
    });
  });

  it("says which heads there are, and refuses those that are not", async () => {
    const test = await randomBert(folder, { heads: false });
    await withModel(test.spec, { lowering }, async (model) => {
      expect(model.heads).toEqual({
        pooler: false,
        mlm: false,
        nextSentence: false,
        sequenceLabels: 0,
        tokenLabels: 0,
        questionAnswering: false,
        replacedTokens: false,
      });
      const request = ragged([Int32Array.of(1, 2)]);
      for (const wanted of [
        { poolerOutput: true },
        { nextSentence: true },
        { mlmPositions: Int32Array.of(0) },
        { sequenceLogits: true },
        { tokenLogits: true },
        { answerLogits: true },
        { replacedLogits: true },
      ]) {
        await expect(encode(model, { ...request, ...wanted })).rejects.toMatchObject({ code: "UNSUPPORTED" });
      }
    });
    const whole = await randomBert(folder);
    await withModel(whole.spec, { lowering }, async (model) => {
      expect(model.heads).toEqual({
        pooler: true,
        mlm: true,
        nextSentence: true,
        sequenceLabels: 3,
        tokenLabels: 5,
        questionAnswering: true,
        replacedTokens: false,
      });
    });
  });
});
