/** The references of these tests against outputs that were computed elsewhere: each checks the other. */
import { describe, expect, it } from "vitest";
import { concatenate } from "../reference/arithmetic.js";
import {
  bertEncoder,
  bertMaskedTokens,
  bertNextSentence,
  bertPooler,
  pool,
  unit,
} from "../reference/bert.js";
import { gpt2Greedy, gpt2Logits, logSoftmax } from "../reference/gpt2.js";
import { checkpointFolder, goldenArrays, hasGolden, maxDifference } from "../support/golden.js";
import { bertWeights, gpt2Weights, MINI_BERT, MINI_GPT2 } from "./checkpoints.js";
import { bertCases, certainTokens, embedCases, gpt2Golden } from "./inputs.js";

/** The recorded arrays are rounded to float32. */
const ROUNDING = 5e-6;

describe.skipIf(!hasGolden)("the reference of BERT", () => {
  it("has the recorded outputs of mini-bert", () => {
    const weights = bertWeights(checkpointFolder("mini-bert"));
    const arrays = goldenArrays("mini-bert");
    for (const [i, each] of bertCases.entries()) {
      const { hiddenStates, attentions, last } = bertEncoder(
        weights,
        MINI_BERT,
        each.input_ids,
        each.token_type_ids,
      );
      const pooled = bertPooler(weights, MINI_BERT.H, last);
      const actual: Record<string, ArrayLike<number>> = {
        last_hidden_state: last,
        hidden_states: concatenate(hiddenStates),
        attentions: concatenate(attentions),
        pooler_output: pooled,
        nsp_probabilities: logSoftmax(bertNextSentence(weights, pooled)).map(Math.exp),
      };
      if (each.mask_position !== undefined) {
        actual["mlm_logits"] = bertMaskedTokens(weights, MINI_BERT, last, [each.mask_position]);
      }
      for (const [name, values] of Object.entries(actual)) {
        const golden = arrays.get(`${i}.${name}`);
        if (golden) expect(maxDifference(values, golden.data), `${i}.${name}`).toBeLessThan(ROUNDING);
      }
    }
  });

  it("has the recorded embeddings of mini-embed", () => {
    const weights = bertWeights(checkpointFolder("mini-embed"));
    const arrays = goldenArrays("mini-embed");
    for (const [i, { input_ids }] of embedCases.entries()) {
      const embedding = unit(pool("mean", MINI_BERT.H, bertEncoder(weights, MINI_BERT, input_ids).last));
      expect(maxDifference(embedding, arrays.get(`${i}.embedding`)!.data)).toBeLessThan(ROUNDING);
    }
  });
});

describe.skipIf(!hasGolden)("the reference of GPT-2", () => {
  it("has the recorded logits, continuations and scores of mini-gpt2", () => {
    const weights = gpt2Weights(checkpointFolder("mini-gpt2"));
    const arrays = goldenArrays("mini-gpt2");
    for (const [i, { input_ids, greedy_ids, greedy_margins }] of gpt2Golden.cases.entries()) {
      const logits = gpt2Logits(weights, MINI_GPT2, input_ids);
      expect(maxDifference(logits, arrays.get(`${i}.logits`)!.data)).toBeLessThan(2 * ROUNDING);
      const count = Math.min(certainTokens(greedy_margins), 8);
      const { ids, margins } = gpt2Greedy(weights, MINI_GPT2, input_ids, count);
      expect(ids).toEqual(greedy_ids.slice(0, count));
      expect(maxDifference(margins, greedy_margins.slice(0, count))).toBeLessThan(2 * ROUNDING);
    }
    const ids = gpt2Golden.score.input_ids.slice(0, 100);
    const logits = gpt2Logits(weights, MINI_GPT2, ids);
    const V = logits.length / ids.length;
    const scores = ids.slice(1).map((id, i) => logSoftmax(logits.subarray(i * V, (i + 1) * V))[id]!);
    const golden = arrays.get("score.token_logprobs")!.data;
    expect(maxDifference(scores, golden.subarray(0, 99))).toBeLessThan(2 * ROUNDING);
  });
});
