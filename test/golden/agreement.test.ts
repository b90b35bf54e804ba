/**
 * How often quantized weights come to the same answer as F32, over 500 real sentences: the best word for a masked one,
 * and whether one sentence follows another. Those are the trained heads of mini-bert, the only ones there are here.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder, quantize } from "../../lib/index.js";
import type { TensorType } from "../../lib/native.js";
import { checkpointFolder, hasGolden } from "../support/golden.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { englishText } from "../tokenizer/corpus.js";

const COUNT = 500;
/** Of log-probabilities: where the best word is not further ahead of the second, the model has not decided. */
const UNDECIDED = 0.1;

/** Least agreement: of all best words, of those that F32 is decided about, of next sentences. */
const LEAST: Partial<Record<TensorType, [all: number, decided: number, next: number]>> = {
  Q8_0: [0.97, 0.99, 0.99],
  Q6_K: [0.93, 0.98, 0.99],
  Q5_K: [0.9, 0.96, 0.98],
  Q4_K: [0.8, 0.88, 0.98],
};

const folder = temporaryFolder();

/** English sentences of documentation, in its order. */
function sentences(): string[] {
  const prose = englishText(3_000_000).replace(/```[^]*?```/g, "\n\n");
  const found = prose
    .split(/(?<=[.;:!?])\s+|\n\n|\|/)
    .map((sentence) => sentence.replace(/\s+/g, " ").trim())
    .filter((sentence) => /^[A-Z][a-z]+ [a-z].*[.:;!?]$/.test(sentence) && sentence.split(" ").length >= 6);
  return [...new Set(found)].slice(0, COUNT + 1);
}

interface Answers {
  words: { token: number; lead: number }[];
  follows: boolean[];
}

const agreement = <T>(a: readonly T[], b: readonly T[]) =>
  a.filter((value, i) => value === b[i]).length / a.length;

describe("answers of mini-bert, compared with those of F32", () => {
  const texts = sentences();
  const masked = texts.slice(0, COUNT).map((text, i) => {
    const words = text.split(" ");
    words[1 + ((7 * i) % (words.length - 2))] = "[MASK]";
    return words.join(" ");
  });
  // Every other one is followed by its neighbour.
  const pairs = masked.map((_, i) => [texts[i]!, texts[i % 2 ? i + 1 : (i + 251) % COUNT]!] as const);
  const measured: string[] = [];
  let source: string;
  let exact: Answers;

  const answersOf = async (path: string): Promise<Answers> => {
    await using encoder = await Encoder.load(path);
    const filled = await encoder.fillMask(masked, { topK: 2, truncate: true });
    const judged = await encoder.nextSentence(pairs, { truncate: true });
    const words = filled.map(({ masks }) => {
      const [best, second] = masks[0]!.predictions;
      return { token: best!.token, lead: Math.log(best!.score / second!.score) };
    });
    return { words, follows: judged.map(({ probability }) => probability > 0.5) };
  };

  beforeAll(async () => {
    expect(pairs).toHaveLength(COUNT);
    source = join(folder, "agreement-F32.gguf");
    if (hasGolden) await convert(checkpointFolder("mini-bert"), source, { type: "F32" });
    else await quantize("mini-bert", source, { type: "F32" });
    exact = await answersOf(source);
  });
  afterAll(() => {
    const from = hasGolden ? "the checkpoint" : "the file in models/, which is quantized itself";
    const title = `${COUNT} sentences, F32 from ${from}; type: best word, where decided, next sentence`;
    console.log([title, ...measured].join("\n"));
  });

  it.each(Object.keys(LEAST) as (keyof typeof LEAST)[])("%s", async (type) => {
    const path = join(folder, `agreement-${type}.gguf`);
    await quantize(source, path, { type });
    const { words, follows } = await answersOf(path);
    const all = words.map(({ token }) => token);
    const expected = exact.words.map(({ token }) => token);
    const decided = [...expected.keys()].filter((i) => exact.words[i]!.lead > UNDECIDED);
    expect(decided.length).toBeGreaterThan(COUNT / 2);
    const shares = [
      agreement(all, expected),
      agreement(
        decided.map((i) => all[i]),
        decided.map((i) => expected[i]),
      ),
      agreement(follows, exact.follows),
    ];
    measured.push(`${type}: ${shares.map((share) => `${(100 * share).toFixed(1)} %`).join(", ")}`);
    for (const [i, share] of shares.entries()) expect(share).toBeGreaterThanOrEqual(LEAST[type]![i]!);
  });
});
