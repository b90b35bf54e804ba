/** What every decoder has to pass, whatever it computes: logits, greedy tokens, the same bits in every way to them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { convert, Generator } from "../../lib/index.js";
import { openModelFile } from "../../lib/model-file.js";
import { LOWERINGS, withModel } from "../native/models.js";
import { logits as nativeLogits } from "../native/requests.js";
import { logSoftmax } from "../reference/gpt2.js";
import type { ReferenceTensor } from "../reference/arithmetic.js";
import { maxDifference } from "../support/golden.js";
import type { RandomModel } from "../support/random-models.js";
import { integer, random } from "../support/random.js";

const TOLERANCE = 2e-4;

/** The tensors of a checkpoint in GGUF's order of dimensions, by their names without `prefix`. */
export function referenceWeights({ weights }: RandomModel, prefix: RegExp): Map<string, ReferenceTensor> {
  const renamed = [...weights].map(([name, { shape, data }]) => {
    return [name.replace(prefix, ""), { shape: shape.toReversed(), data: Float64Array.from(data) }] as const;
  });
  return new Map(renamed);
}

export function randomTokens(next: () => number, length: number, count = 256): Int32Array {
  return Int32Array.from({ length }, () => integer(next, count));
}

export interface LogitsCase {
  model: RandomModel;
  seed: number;
  /** Of the file. */
  architecture: string;
  /** Prompts; those below `continued` tokens are continued. */
  lengths: readonly number[];
  continued: number;
  V: number;
  /** [S, V] */
  reference: (ids: ArrayLike<number>) => Float64Array;
}

/** Both lowerings give the reference's logits; greedy tokens are the likeliest by it, or as good as that. */
export async function expectReferenceLogits(given: LogitsCase): Promise<void> {
  const { model, reference, V } = given;
  const path = `${model.dir}.gguf`;
  const { architecture } = await convert(model.dir, path, { type: "F32" });
  expect(architecture).toBe(given.architecture);
  await using generator = await Generator.load(path, { threads: 2 });
  const { spec } = await openModelFile(path);
  const next = random(given.seed);
  for (const length of given.lengths) {
    const ids = randomTokens(next, length);
    const expected = reference(ids);
    for (const lowering of LOWERINGS) {
      const got = await withModel(spec, { lowering }, (native) => nativeLogits(native, ids));
      expect(maxDifference(got, expected), `${lowering}, ${length} tokens`).toBeLessThan(TOLERANCE);
    }
    if (length >= given.continued) continue;
    const settings = { maxTokens: 20, ignoreEos: true, logprobs: true };
    const { tokens, logprobs } = await generator.generate({ ids }, settings);
    const all = reference([...ids, ...tokens]);
    expect(tokens).toHaveLength(20);
    for (const [i, token] of tokens.entries()) {
      const row = all.subarray((length + i - 1) * V, (length + i) * V);
      expect(Math.max(...row) - row[token]!).toBeLessThan(TOLERANCE);
      expect(Math.abs(logSoftmax(row)[token]! - logprobs![i]!)).toBeLessThan(TOLERANCE);
    }
  }
}

/** At once, token by token, in company, with other threads, forked, saved, speculated: the same bits. */
export async function expectSameBits(
  path: string,
  seed: number,
  folder: string,
  lengths: readonly number[] = [5, 33, 50],
): Promise<void> {
  await using generator = await Generator.load(path, { threads: 2 });
  await using single = await Generator.load(path, { threads: 1, promptCache: 0 });
  const next = random(seed);
  const all = lengths.map((length) => randomTokens(next, length));
  const together = await Promise.all(all.map((ids) => generator.logits({ ids })));
  const settings = { maxTokens: 15, ignoreEos: true, logprobs: true };
  for (const [i, ids] of all.entries()) {
    expect(await generator.logits({ ids })).toEqual(together[i]);
    expect(await single.logits({ ids })).toEqual(together[i]);
    const { tokens, logprobs } = await single.generate({ ids }, settings);
    expect(logprobs).toHaveLength(15);
    const expected = { tokens, logprobs };
    const session = generator.createSession();
    for (const id of ids) await session.append({ ids: [id] });
    const fork = await session.fork();
    await session.save(join(folder, "decoder.session"));
    const restored = single.createSession();
    await restored.restore(join(folder, "decoder.session"));
    const ways = [
      ...[session, fork, restored].map((each) => each.generate(settings)),
      generator.generate({ ids }, { ...settings, speculation: { method: "promptLookup" } }),
    ];
    for (const way of await Promise.all(ways)) expect(way).toMatchObject(expected);
    for (const each of [session, fork, restored]) await each.dispose();
  }
}

/** Beams have the log-probabilities that the reference gives their tokens, and the best is at least as likely as greedy. */
export async function expectBeams(
  path: string,
  ids: Int32Array,
  V: number,
  reference: LogitsCase["reference"],
): Promise<void> {
  await using generator = await Generator.load(path, { threads: 2 });
  const { sequences } = await generator.beamSearch(
    { ids },
    { numBeams: 3, numReturnSequences: 3, maxTokens: 8, ignoreEos: true, lengthPenalty: 0 },
  );
  expect(sequences).toHaveLength(3);
  const scores = sequences.map(({ tokens }) => {
    const all = reference([...ids, ...tokens]);
    return tokens.reduce((sum, token, i) => {
      const at = (ids.length + i - 1) * V;
      return sum + logSoftmax(all.subarray(at, at + V))[token]!;
    }, 0);
  });
  for (const [i, { score }] of sequences.entries()) {
    expect(Math.abs(score - scores[i]!)).toBeLessThan(1e-3);
    expect(sequences[0]!.score).toBeGreaterThanOrEqual(score);
  }
}

/**
 * What other programs write lacks the keys that are ours: with these under names that nobody reads, the file is the same
 * model, with a tokenizer of the same ids.
 */
export async function expectLoadsWithout(path: string, keys: readonly string[], text: string): Promise<void> {
  let bytes = (await readFile(path)).toString("latin1");
  for (const key of [...keys, "huggingface.config.json", "tokenizer.huggingface.json"]) {
    expect(bytes.split(key)).toHaveLength(2);
    bytes = bytes.replace(key, key.replace(/.$/, "?"));
  }
  const bare = path.replace(/\.gguf$/, "-bare.gguf");
  await writeFile(bare, bytes, "latin1");
  await using whole = await Generator.load(path, { threads: 2 });
  await using other = await Generator.load(bare, { threads: 2 });
  expect(other.tokenizer.encode(text).ids).toEqual(whole.tokenizer.encode(text).ids);
  expect(await other.logits(text)).toEqual(await whole.logits(text));
}

/** Quantized files stay near the reference; how near each type has to be, as a cosine over all logits. */
export async function expectQuantized(
  { dir }: RandomModel,
  ids: Int32Array,
  reference: Float64Array,
): Promise<void> {
  for (const [type, least] of [
    ["F16", 0.999_999],
    ["Q8_0", 0.9995],
    ["Q6_K", 0.99],
    ["Q4_0", 0.95],
  ] as const) {
    const path = `${dir}-${type}.gguf`;
    await convert(dir, path, { type });
    await using generator = await Generator.load(path, { threads: 2 });
    const { data } = await generator.logits({ ids });
    expect(cosine(data, reference), type).toBeGreaterThan(least);
  }
}

function cosine(a: ArrayLike<number>, b: Float64Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

/** A configuration with that entry is refused by its name. */
export function itRefuses(
  write: (options: { config: Record<string, unknown> }) => Promise<RandomModel>,
  cases: readonly (readonly [field: string, value: unknown, code: "UNSUPPORTED" | "MODEL_FILE_INVALID"])[],
): void {
  it.each(cases)("is refused with %s: %j", async (field, value, code) => {
    const { dir } = await write({ config: { [field]: value } });
    const named = { field: expect.stringContaining(field) as string };
    await expect(convert(dir, `${dir}.gguf`)).rejects.toMatchObject({ code, details: named });
  });
}
