/** Both lowerings of the engine, on the converted checkpoints in F32, against the recorded outputs. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert } from "../../lib/index.js";
import { openModelFile } from "../../lib/model-file.js";
import type { NativeModel } from "../../lib/native.js";
import { LOWERINGS, withModel, type Lowering, tolerance } from "../native/models.js";
import { encode, generate, logits, ragged } from "../native/requests.js";
import { concatenate } from "../reference/arithmetic.js";
import { logSoftmax } from "../reference/gpt2.js";
import { checkpointFolder, goldenArrays, hasGolden, maxDifference } from "../support/golden.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { bertCases, certainTokens, embedCases, gpt2Golden } from "./inputs.js";

const TOLERANCE = tolerance(2e-4);
const folder = temporaryFolder();

async function withCheckpoint(name: string, lowering: Lowering, work: (model: NativeModel) => Promise<void>) {
  const path = join(folder, `${name}-${lowering}.gguf`);
  await convert(checkpointFolder(name), path, { type: "F32" });
  await withModel((await openModelFile(path)).spec, { lowering }, work);
}

describe.skipIf(!hasGolden).each(LOWERINGS)(
  "the engine in F32, %s, against the recorded outputs",
  (lowering) => {
    it("of mini-bert: every array", async () => {
      const arrays = goldenArrays("mini-bert");
      const compared = new Set<string>();
      await withCheckpoint("mini-bert", lowering, async (model) => {
        for (const [i, { input_ids, token_type_ids, mask_position }] of bertCases.entries()) {
          const ids = Int32Array.from(input_ids);
          const result = await encode(model, {
            ...ragged([ids]),
            segments: Int32Array.from(token_type_ids),
            mlmPositions: mask_position === undefined ? undefined : Int32Array.of(mask_position),
            lastHiddenState: true,
            hiddenStates: true,
            attentions: true,
            poolerOutput: true,
            nextSentence: true,
          });
          const actual: Record<string, ArrayLike<number> | undefined> = {
            last_hidden_state: result.lastHiddenState,
            hidden_states: result.hiddenStates,
            attentions: result.attentions,
            pooler_output: result.poolerOutput,
            nsp_probabilities: logSoftmax(result.nextSentenceLogits!).map(Math.exp),
            mlm_logits: result.mlmLogits,
          };
          for (const [name, values] of Object.entries(actual)) {
            const golden = arrays.get(`${i}.${name}`);
            if (!golden) continue;
            compared.add(`${i}.${name}`);
            expect(maxDifference(values!, golden.data), `${i}.${name}`).toBeLessThan(TOLERANCE);
          }
        }
      });
      expect([...compared].sort()).toEqual([...arrays.keys()].sort());
    });

    it("of mini-embed: all embeddings, in one batch", async () => {
      const arrays = goldenArrays("mini-embed");
      await withCheckpoint("mini-embed", lowering, async (model) => {
        const sequences = embedCases.map(({ input_ids }) => Int32Array.from(input_ids));
        const { pooled } = await encode(model, { ...ragged(sequences), pooling: "mean", normalize: true });
        const golden = concatenate(embedCases.map((_, i) => arrays.get(`${i}.embedding`)!.data));
        expect(maxDifference(pooled!, golden)).toBeLessThan(TOLERANCE);
      });
    });

    it("of mini-gpt2: logits, continuations token for token, scores", async () => {
      const arrays = goldenArrays("mini-gpt2");
      await withCheckpoint("mini-gpt2", lowering, async (model) => {
        for (const [i, { input_ids, greedy_ids, greedy_margins }] of gpt2Golden.cases.entries()) {
          const actual = await logits(model, Int32Array.from(input_ids));
          expect(maxDifference(actual, arrays.get(`${i}.logits`)!.data)).toBeLessThan(TOLERANCE);
          const { tokens } = await generate(model, input_ids, greedy_ids.length);
          const count = certainTokens(greedy_margins);
          expect([...tokens.subarray(0, count)]).toEqual(greedy_ids.slice(0, count));
        }
        const ids = gpt2Golden.score.input_ids;
        const rows = await logits(model, Int32Array.from(ids));
        const V = rows.length / ids.length;
        const scores = ids.slice(1).map((id, i) => logSoftmax(rows.subarray(i * V, (i + 1) * V))[id]!);
        expect(maxDifference(scores, arrays.get("score.token_logprobs")!.data)).toBeLessThan(TOLERANCE);
        const perplexity = Math.exp(-scores.reduce((a, b) => a + b, 0) / scores.length);
        expect(Math.abs(perplexity / gpt2Golden.score.perplexity - 1)).toBeLessThan(1e-4);
      });
    });
  },
);
