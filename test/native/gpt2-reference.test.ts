import { describe, expect, it } from "vitest";
import type { Gpt2Hyperparameters } from "../../lib/native.js";
import { gpt2Greedy, gpt2Logits, logSoftmax, type ReferenceGpt2Config } from "../reference/gpt2.js";
import { maxDifference } from "../support/golden.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, randomGpt2, withModel, type Gpt2Options, type TestModel, tolerance } from "./models.js";
import { generate, logits, randomIds } from "./requests.js";

const TOLERANCE = tolerance(2e-4);
const SEED = 77_003;
const folder = temporaryFolder();

const SHAPES: Record<string, Gpt2Options> = {
  ordinary: {},
  "an odd width of heads": { H: 20, A: 4, F: 50 },
  "a width that no vector divides": { H: 36, A: 3, F: 37, V: 101, context: 17 },
  "one block, one head": { L: 1, H: 24, A: 1, F: 24 },
  "as many heads as values": { H: 12, A: 12, F: 12 },
  "a feed-forward narrower than the rest": { H: 64, A: 2, F: 7 },
  "four blocks": { L: 4, H: 64, A: 8, F: 256, V: 257, context: 64 },
  "projections apart": { fused: false, H: 36, A: 3 },
  "one head of keys and values": { A: 8, H: 128, F: 64, keyValueHeads: 1 },
  "heads of keys and values that two share, apart": { A: 4, H: 36, keyValueHeads: 2, fused: false },
  "many heads that three share keys and values": { A: 9, H: 144, F: 64, keyValueHeads: 3 },
  "a head of its own": { tied: false },
  "scores not scaled": { scaleAttention: false, std: 0.2 },
  "scores scaled by the block's number": { scaleAttentionByInverseLayer: true, L: 3 },
  "scores scaled by the block's number alone": {
    scaleAttention: false,
    scaleAttentionByInverseLayer: true,
    L: 3,
    std: 0.2,
  },
  gelu: { activation: "gelu" },
  relu: { activation: "relu" },
  silu: { activation: "silu" },
  tanh: { activation: "tanh" },
};

function referenceConfig({ spec }: TestModel<Gpt2Hyperparameters>): ReferenceGpt2Config {
  const h = spec.hyperparameters;
  return {
    H: h.embeddingLength,
    A: h.headCount,
    L: h.blockCount,
    epsilon: h.layerNormEpsilon,
    activation: h.activation,
    scaleAttention: h.scaleAttention,
    scaleAttentionByInverseLayer: h.scaleAttentionByInverseLayer,
  };
}

describe.each(LOWERINGS)("GPT-2 in F32, %s, against double precision", (lowering) => {
  it.each(Object.entries(SHAPES))("%s", async (_, options) => {
    const test = await randomGpt2(folder, { seed: SEED, ...options });
    const config = referenceConfig(test);
    const { vocabSize, contextLength } = test.spec.hyperparameters;
    const next = random(SEED);
    await withModel(test.spec, { lowering }, async (model) => {
      for (const length of [1, 2, 7, contextLength]) {
        const ids = randomIds(next, length, vocabSize);
        const expected = gpt2Logits(test.weights, config, ids);
        expect(maxDifference(await logits(model, ids), expected), `${length} tokens`).toBeLessThan(TOLERANCE);
      }

      const prompt = randomIds(next, 3, vocabSize);
      const count = contextLength - 3;
      const expected = gpt2Greedy(test.weights, config, prompt, count);
      const doubtful = expected.margins.findIndex((margin) => margin < 1e-3);
      const certain = doubtful < 0 ? count : doubtful;
      const result = await generate(model, prompt, count);
      expect([...result.tokens].slice(0, certain)).toEqual(expected.ids.slice(0, certain));
      expect(certain).toBeGreaterThan(0);

      // The model's own continuation, which the reference scores.
      const whole = [...prompt, ...result.tokens];
      const rows = gpt2Logits(test.weights, config, whole);
      const scores = Array.from(result.tokens, (id, i) => {
        return logSoftmax(rows.subarray((i + 2) * vocabSize, (i + 3) * vocabSize))[id]!;
      });
      expect(maxDifference(result.logprobs!, scores)).toBeLessThan(TOLERANCE);
    });
  });
});
