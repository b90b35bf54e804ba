import { copyFile, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readGguf } from "../../lib/gguf/reader.js";
import { resolveModel } from "../../lib/model-file.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  convert,
  DisposedError,
  Generator,
  InvalidArgumentError,
  quantize,
  type GenerateOptions,
  type Generation,
  type GenerationStream,
  type Speculation,
} from "../../lib/index.js";
import { writeRandomGpt2 } from "../support/random-models.js";
import { integer, random } from "../support/random.js";

let folder: string;
let generator: Generator;
/** Guesses right nearly always, and nearly never. */
let near: Generator;
let far: Generator;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "speculation-"));
  await quantize("mini-gpt2", join(folder, "near.gguf"), { type: "Q4_0" });
  generator = await Generator.load("mini-gpt2", { threads: 2 });
  near = await Generator.load(join(folder, "near.gguf"), { threads: 1 });
  await writeConfused(join(folder, "far.gguf"));
  far = await Generator.load(join(folder, "far.gguf"), { threads: 1 });
});
afterAll(async () => {
  for (const each of [generator, near, far]) await each?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** mini-gpt2 with each token's embedding at another token. */
async function writeConfused(file: string): Promise<void> {
  await copyFile(await resolveModel("mini-gpt2"), file);
  const { tensors } = await readGguf(file);
  const { offset, bytes } = tensors.find(({ name }) => name === "token_embd.weight")!;
  const data = Buffer.alloc(bytes);
  const handle = await open(file, "r+");
  await handle.read(data, 0, bytes, offset);
  const rotated = (bytes / generator.info.vocabSize) * 1234;
  await handle.write(Buffer.concat([data.subarray(rotated), data.subarray(0, rotated)]), 0, bytes, offset);
  await handle.close();
}

async function randomModel(name: string, vocabSize: number): Promise<string> {
  const file = join(folder, `${name}.gguf`);
  const checkpoint = join(folder, name);
  await writeRandomGpt2(checkpoint, { vocabSize, positions: 64 });
  await convert(checkpoint, file, { type: "F32" });
  return file;
}

const REPETITIVE = "The whale is large. The ship is large. The whale is large. The ship is";
const PROMPTS = [REPETITIVE, "The sea was calm", "Call me", "It was the"];

/** Everything but what speculation is allowed to change. */
function content({ text, tokens, logprobs, finishReason, stopString, seed }: Generation) {
  return { text, tokens, logprobs, finishReason, stopString, seed };
}

async function expectSame(prompt: string, options: GenerateOptions, speculation: Speculation) {
  const plain = await generator.generate(prompt, options);
  const got = await generator.generate(prompt, { ...options, speculation });
  expect(content(got)).toEqual(content(plain));
  expect(plain.speculation).toBeUndefined();
  return got;
}

const SETTINGS: readonly GenerateOptions[] = [
  { maxTokens: 1 },
  { maxTokens: 2, logprobs: true },
  { maxTokens: 60, logprobs: true },
  { maxTokens: 40, temperature: 1, seed: 3 },
  { maxTokens: 40, temperature: 0.7, topK: 30, topP: 0.9, repetitionPenalty: 1.2, seed: 4, logprobs: true },
  { maxTokens: 40, mirostat: { version: 2 }, seed: 5 },
  { maxTokens: 40, noRepeatNgramSize: 2 },
  { maxTokens: 60, stop: [".", "\n"] },
];

function methods(): Speculation[] {
  return [
    { method: "promptLookup" },
    { method: "promptLookup", ngramSize: 1, draftTokens: 17 },
    { method: "draftModel", model: near },
    { method: "draftModel", model: far, draftTokens: 3 },
  ];
}

describe("speculation", () => {
  it("changes nothing about the tokens, greedy or sampled", async () => {
    for (const speculation of methods()) {
      for (const prompt of PROMPTS) {
        for (const options of SETTINGS) await expectSame(prompt, options, speculation);
      }
    }
  });

  it("reports what was guessed and what was right", async () => {
    const repeated = await expectSame(REPETITIVE, { maxTokens: 60 }, { method: "promptLookup" });
    expect(repeated.speculation!.acceptanceRate).toBeGreaterThan(0.2);
    const good = await expectSame(REPETITIVE, { maxTokens: 60 }, { method: "draftModel", model: near });
    const bad = await expectSame(REPETITIVE, { maxTokens: 60 }, { method: "draftModel", model: far });
    expect(good.speculation!.acceptanceRate).toBeGreaterThan(0.5);
    expect(bad.speculation!.acceptanceRate).toBeLessThan(0.1);
    for (const { speculation, tokens } of [repeated, good, bad]) {
      const { draftedTokens, acceptedTokens, acceptanceRate } = speculation!;
      expect(acceptedTokens).toBeLessThan(tokens.length);
      expect(acceptanceRate).toBe(draftedTokens === 0 ? 0 : acceptedTokens / draftedTokens);
    }
  });

  it("guesses all when the draft is the model itself", async () => {
    await using twin = await Generator.load("mini-gpt2", { threads: 1 });
    const { speculation } = await expectSame(
      PROMPTS[1]!,
      { maxTokens: 41, ignoreEos: true },
      { method: "draftModel", model: twin, draftTokens: 4 },
    );
    // Five tokens a step.
    expect(speculation).toEqual({ draftedTokens: 32, acceptedTokens: 32, acceptanceRate: 1 });
  });

  it("holds beside other requests, at the context's end, and in sessions (seed 11)", async () => {
    const next = random(11);
    const jobs = Array.from({ length: 24 }, async (_, i) => {
      const ids = Array.from({ length: 1 + integer(next, 40) }, () => integer(next, 300));
      const speculation = methods()[i % 4]!;
      const options = { maxTokens: 1 + integer(next, 80), temperature: i % 3, seed: i };
      const [plain, got] = await Promise.all([
        generator.generate({ ids }, options),
        generator.generate({ ids }, { ...options, speculation }),
      ]);
      expect(content(got)).toEqual(content(plain));
    });
    await Promise.all(jobs);
    const { contextLength } = generator.info;
    const long = Array.from({ length: contextLength - 20 }, (_, i) => 300 + (i % 7));
    for (const speculation of methods()) {
      const plain = await generator.generate({ ids: long }, { maxTokens: 64 });
      const got = await generator.generate({ ids: long }, { maxTokens: 64, speculation });
      expect(content(got)).toEqual(content(plain));
      expect(got.finishReason).toBe("context");
      using a = generator.createSession({ contextLength: 48, overflow: "reevaluate" });
      using b = generator.createSession({ contextLength: 48, overflow: "reevaluate" });
      for (const maxTokens of [10, 70]) {
        await Promise.all([a.append(" The sea"), b.append(" The sea")]);
        const expected = await a.generate({ maxTokens });
        expect(content(await b.generate({ maxTokens, speculation }))).toEqual(content(expected));
        expect(b.tokens).toEqual(a.tokens);
      }
    }
  });

  it("streams the same chunks, and ends when the consumer leaves", async () => {
    const speculation: Speculation = { method: "promptLookup" };
    const plain: string[] = [];
    for await (const { text } of generator.stream(REPETITIVE, { maxTokens: 50 })) plain.push(text);
    const got: string[] = [];
    for await (const { text } of generator.stream(REPETITIVE, { maxTokens: 50, speculation })) got.push(text);
    expect(got).toEqual(plain);
    const left = generator.stream(REPETITIVE, { maxTokens: 400, speculation });
    for await (const { text } of left) if (text !== "") break;
    expect((await left.result).finishReason).toBe("cancelled");
  });

  it("can be aborted, also while the draft model guesses", async () => {
    for (const speculation of methods()) {
      for (const after of [0, 1, 7]) {
        const stop = new AbortController();
        let seen = 0;
        const onToken = () => {
          if (++seen > after) stop.abort();
        };
        const { signal } = stop;
        const run = generator.generate("The sea", { maxTokens: 400, speculation, signal, onToken });
        if (after === 0) stop.abort();
        await expect(run).rejects.toThrow(AbortError);
      }
    }
    expect((await near.generate("The sea", { maxTokens: 3 })).tokens).toHaveLength(3);
  });

  it("ends with either model", async () => {
    const draft = await Generator.load("mini-gpt2", { threads: 1 });
    const speculation: Speculation = { method: "draftModel", model: draft };
    // Streams, which do not come to their end before they are read.
    const disposeAtFirst = async (stream: GenerationStream, dispose: () => Promise<void>) => {
      let disposal: Promise<void> | undefined;
      for await (const _ of stream) disposal ??= dispose();
      await disposal;
    };
    const run = generator.stream("The sea", { maxTokens: 400, ignoreEos: true, speculation });
    await expect(disposeAtFirst(run, () => draft.dispose())).rejects.toThrow(DisposedError);
    await expect(generator.generate("The sea", { speculation })).rejects.toThrow(DisposedError);
    const target = await Generator.load("mini-gpt2", { threads: 1 });
    const other = target.stream("The sea", {
      maxTokens: 400,
      ignoreEos: true,
      speculation: { method: "draftModel", model: near },
    });
    await expect(disposeAtFirst(other, () => target.dispose())).rejects.toThrow(DisposedError);
    expect((await near.generate("The sea", { maxTokens: 3 })).tokens).toHaveLength(3);
    expect((await generator.generate("The sea", { maxTokens: 3 })).tokens).toHaveLength(3);
  });

  it("refuses what it does not know", async () => {
    await using foreign = await Generator.load(await randomModel("foreign", 300), { threads: 1 });
    const wrong: unknown[] = [
      "promptLookup",
      null,
      {},
      { method: "beam" },
      { method: "promptLookup", ngramSize: 0 },
      { method: "promptLookup", draftTokens: 65 },
      { method: "promptLookup", model: near },
      { method: "draftModel" },
      { method: "draftModel", model: {} },
      { method: "draftModel", model: near, ngramSize: 2 },
      { method: "draftModel", model: generator },
      { method: "draftModel", model: foreign },
    ];
    for (const speculation of wrong as Speculation[]) {
      await expect(generator.generate("a", { speculation })).rejects.toThrow(InvalidArgumentError);
    }
    const both = { speculation: { method: "promptLookup" } as const, logitsProcessor: () => {} };
    await expect(generator.generate("a", both)).rejects.toThrow(/logitsProcessor/);
  });
});
