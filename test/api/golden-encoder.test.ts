import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder, type EncoderInput } from "../../lib/index.js";
import {
  checkpointFolder,
  goldenArrays,
  goldenInputs,
  hasGolden,
  maxDifference,
  type GoldenArray,
} from "../support/golden.js";

interface BertCase {
  text: string | [string, string];
  input_ids: number[];
  token_type_ids: number[];
  mask_position?: number;
  mlm_top10?: [token: number, probability: number][];
}

const TOLERANCE = 2e-4;

describe.skipIf(!hasGolden)("an F32 encoder against the reference in double precision", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "golden-encoder-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const load = async (name: string) => {
    const path = join(folder, `${name}.gguf`);
    await convert(checkpointFolder(name), path, { type: "F32" });
    return Encoder.load(path);
  };

  describe("mini-bert", () => {
    const { cases } = hasGolden ? goldenInputs<{ cases: BertCase[] }>("mini-bert") : { cases: [] };
    let arrays: Map<string, GoldenArray>;
    let encoder: Encoder;
    beforeAll(async () => {
      arrays = goldenArrays("mini-bert");
      encoder = await load("mini-bert");
    });
    afterAll(() => encoder.dispose());

    const inputOf = ({ text }: BertCase): EncoderInput =>
      typeof text === "string" ? text : { text: text[0], pair: text[1] };

    it("reproduces tokens, hidden states, pooler output and attentions of all cases in one call", async () => {
      const outputs = await encoder.encode(cases.map(inputOf), { hiddenStates: true, attentions: true });
      expect(outputs).toHaveLength(cases.length);
      for (const [i, output] of outputs.entries()) {
        expect([...output.ids]).toEqual(cases[i]!.input_ids);
        expect([...output.segmentIds]).toEqual(cases[i]!.token_type_ids);
        const golden = (name: string) => arrays.get(`${i}.${name}`);
        const last = golden("last_hidden_state")!;
        expect(output.lastHiddenState!.shape).toEqual(last.shape);
        expect(maxDifference(output.lastHiddenState!.data, last.data)).toBeLessThan(TOLERANCE);
        expect(maxDifference(output.poolerOutput!, golden("pooler_output")!.data)).toBeLessThan(TOLERANCE);
        const hidden = golden("hidden_states");
        if (hidden) {
          expect(output.hiddenStates!.shape).toEqual(hidden.shape);
          expect(maxDifference(output.hiddenStates!.data, hidden.data)).toBeLessThan(TOLERANCE);
        }
        const attentions = golden("attentions");
        if (attentions) {
          expect(output.attentions!.shape).toEqual(attentions.shape);
          expect(maxDifference(output.attentions!.data, attentions.data)).toBeLessThan(TOLERANCE);
        }
      }
    });

    it("takes ids with segment ids to the same numbers as text", async () => {
      const { input_ids: ids, token_type_ids: segmentIds } = cases[2]!;
      const [byIds, byText] = await encoder.encode([{ ids, segmentIds }, inputOf(cases[2]!)]);
      expect(byIds!.lastHiddenState!.data).toEqual(byText!.lastHiddenState!.data);
      expect(byIds!.tokens).toEqual(byText!.tokens);
      expect(byIds!.offsets).toHaveLength(0);
    });

    it("fills masks with the reference's tokens and probabilities", async () => {
      const masked = cases.filter(({ mlm_top10, text }) => mlm_top10 && typeof text === "string");
      expect(masked.length).toBeGreaterThan(1);
      const results = await encoder.fillMask(
        masked.map(({ text }) => text as string),
        { topK: 10 },
      );
      for (const [i, { masks }] of results.entries()) {
        const { mask_position, mlm_top10, text } = masked[i]!;
        expect(masks).toHaveLength(1);
        const [{ position, offset, predictions }] = masks as [(typeof masks)[number]];
        expect(position).toBe(mask_position);
        expect((text as string).slice(...offset)).toBe("[MASK]");
        expect(predictions.map(({ token }) => token)).toEqual(mlm_top10!.map(([token]) => token));
        const scores = predictions.map(({ score }) => score);
        expect(
          maxDifference(
            scores,
            mlm_top10!.map(([, probability]) => probability),
          ),
        ).toBeLessThan(1e-5);
      }
    });

    it("judges whether a sentence follows another", async () => {
      const pairs = cases.map(({ text }, i) => ({ text, i })).filter(({ text }) => typeof text !== "string");
      const results = await encoder.nextSentence(pairs.map(({ text }) => text as [string, string]));
      expect(results).toHaveLength(2);
      for (const [k, { i }] of pairs.entries()) {
        const [isNext] = arrays.get(`${i}.nsp_probabilities`)!.data;
        expect(Math.abs(results[k]!.probability - isNext!)).toBeLessThan(1e-5);
      }
    });
  });

  describe("mini-embed", () => {
    it("reproduces the embeddings and their similarities", async () => {
      const { cases } = goldenInputs<{ cases: { text: string; input_ids: number[] }[] }>("mini-embed");
      const arrays = goldenArrays("mini-embed");
      const encoder = await load("mini-embed");
      const embeddings = await encoder.embed(cases.map(({ text }) => text));
      for (const [i, embedding] of embeddings.entries()) {
        expect(maxDifference(embedding, arrays.get(`${i}.embedding`)!.data)).toBeLessThan(1e-5);
      }
      const similarity = embeddings.flatMap((a) =>
        embeddings.map((b) => a.reduce((sum, value, k) => sum + value * b[k]!, 0)),
      );
      expect(maxDifference(similarity, arrays.get("similarity")!.data)).toBeLessThan(1e-5);
      await encoder.dispose();
    });
  });
});
