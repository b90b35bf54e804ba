/** What a word is where the vocabulary does not mark the tokens that go on with one: byte-level BPE. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { convert, Encoder, type EntityAggregation } from "../../lib/index.js";
import { entityPipeline, type Token } from "../reference/entity-pipeline.js";
import { modernBert } from "../reference/modern-bert.js";
import type { ReferenceTensor } from "../reference/arithmetic.js";
import { writeRandomEncoder } from "../support/random-encoders.js";
import { softmaxOf } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];
const TEXTS = [
  "the cat, the man-of-it and dog.",
  " it  is (the) man's",
  "the\ncat\tof it",
  "\u{1f642}the cats, \u{1f642}\u{1f642} of",
  "cafe\u0301s de\u0301ja\u0300, it",
];
const AGGREGATIONS: EntityAggregation[] = ["none", "simple", "first", "average", "max"];
const folder = temporaryFolder();

it("are what stands between spaces, as the pipeline has it", async () => {
  const dir = join(folder, "byte-level");
  const { weights, config } = await writeRandomEncoder(dir, {
    family: "modernbert",
    architecture: "ModernBertForTokenClassification",
    labels: LABELS.length,
    positions: 128,
    std: 0.3,
    config: { id2label: { ...LABELS } },
  });
  const reference = new Map<string, ReferenceTensor>();
  for (const [name, { shape, data }] of weights)
    reference.set(name, { shape: shape.toReversed(), data: Float64Array.from(data) });
  await convert(dir, `${dir}.gguf`, { type: "F32" });
  await using encoder = await Encoder.load(`${dir}.gguf`, { threads: 1 });

  let joined = 0;
  for (const text of TEXTS) {
    const { ids, offsets, specialTokensMask, wordIds } = encoder.tokenizer.encode(text);
    const logits = modernBert(reference, config, ids, new Int32Array(ids.length)).token!;
    const tokens: Token[] = [];
    for (const [at, id] of ids.entries()) {
      if (specialTokensMask[at] === 1) continue;
      const [start, end] = [offsets[2 * at]!, offsets[2 * at + 1]!];
      const isSubword = start > 0 && !text.slice(start - 1, start + 1).includes(" ");
      const row = logits.subarray(at * LABELS.length, (at + 1) * LABELS.length);
      tokens.push({
        start,
        end,
        isSubword: isSubword && id !== encoder.tokenizer.specialIds.unk,
        scores: softmaxOf(row),
      });
      if (isSubword && at > 0 && wordIds[at] !== wordIds[at - 1]) joined++;
    }
    for (const aggregation of AGGREGATIONS) {
      const found = await encoder.recognizeEntities(text, { aggregation });
      const expected = entityPipeline(tokens, LABELS, aggregation);
      const places = (spans: readonly { label: string; start: number; end: number }[]) =>
        spans.map(({ label, start, end }) => ({ label, start, end }));
      expect(places(found), `${aggregation}: ${text}`).toEqual(places(expected));
      for (const [i, { score }] of found.entries())
        expect(Math.abs(score - expected[i]!.score)).toBeLessThan(2e-4);
    }
  }
  expect(joined).toBeGreaterThan(5);
});
