/** Sessions that keep keys and values in fewer bits. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Generator, SessionFileError, UnsupportedError } from "../../lib/index.js";
import type { KvType } from "../../lib/native-requests.js";
import { maxDifference } from "../support/golden.js";
import { integer, random } from "../support/random.js";
import { writeRandomGpt2 } from "../support/random-models.js";

let folder: string;
let generator: Generator;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "session-f16-"));
  generator = await Generator.load("mini-gpt2", { threads: 2, promptCache: 0 });
});
afterAll(async () => {
  await generator?.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe.each([
  { kvType: "f16", share: 1 / 2, near: 0.01 },
  { kvType: "q8_0", share: 34 / 128, near: 0.1 },
] as const)("a session in $kvType", ({ kvType, share, near }) => {
  const narrowSession = (model = generator) => model.createSession({ kvType });

  it("comes near one in full precision, with less memory", async () => {
    const ids = [
      ...generator.tokenizer.encode("The whale swam to the sea, and the men stood at the rail. ".repeat(12))
        .ids,
    ];
    using narrow = narrowSession();
    using wide = generator.createSession();
    const before = generator.memory().kvCache;
    await wide.append({ ids });
    const wideBytes = generator.memory().kvCache - before;
    await narrow.append({ ids });
    const narrowBytes = generator.memory().kvCache - before - wideBytes;
    expect(narrowBytes).toBe(wideBytes * share);
    const [a, b] = await Promise.all([
      wide.generate({ maxTokens: 1, logprobs: true }),
      narrow.generate({ maxTokens: 1, logprobs: true }),
    ]);
    expect(b.tokens).toEqual(a.tokens);
    const difference = maxDifference(b.logprobs!, Float64Array.from(a.logprobs!));
    expect(difference).toBeLessThan(near);
    // They are rounded all the same.
    expect(difference).toBeGreaterThan(0);
  });

  it("gives the same bits at once, in pieces, token by token, forked, and beside others (seed 71)", async () => {
    const next = random(71);
    const ids = Array.from({ length: 90 }, () => integer(next, 400));
    const settings = { maxTokens: 25, logprobs: true, ignoreEos: true };
    using whole = narrowSession();
    await whole.append({ ids });
    const expected = await whole.generate(settings);
    using pieces = narrowSession();
    for (let at = 0; at < ids.length;) {
      const count = 1 + integer(next, 30);
      await pieces.append({ ids: ids.slice(at, at + count) });
      at += count;
    }
    using single = narrowSession();
    for (const id of ids.slice(0, 40)) await single.append({ ids: [id] });
    using fork = await single.fork();
    await Promise.all([single, fork].map((each) => each.append({ ids: ids.slice(40) })));
    const [others] = await Promise.all([
      Promise.all([pieces, single, fork].map((each) => each.generate(settings))),
      generator.generate("The sea", { maxTokens: 60 }),
      generator.beamSearch("The sea", { maxTokens: 20 }),
    ]);
    for (const { tokens, logprobs } of others) {
      expect(tokens).toEqual(expected.tokens);
      expect(logprobs).toEqual(expected.logprobs);
    }
    await using alone = await Generator.load("mini-gpt2", { threads: 1 });
    using again = narrowSession(alone);
    await again.append({ ids });
    expect((await again.generate(settings)).logprobs).toEqual(expected.logprobs);
    await whole.truncate(50);
    using shorter = narrowSession();
    await shorter.append({ ids: ids.slice(0, 50) });
    expect((await whole.generate(settings)).logprobs).toEqual((await shorter.generate(settings)).logprobs);
  });

  it("is saved and restored to the last bit, and not into another kind", async () => {
    const path = join(folder, `${kvType}.session`);
    const settings = { maxTokens: 20, logprobs: true };
    using original = narrowSession();
    await original.append("The sea was calm that morning, and the men stood at the rail to watch the whales");
    await original.save(path);
    using restored = narrowSession();
    await restored.restore(path);
    const [a, b] = [await original.generate(settings), await restored.generate(settings)];
    expect([b.tokens, b.logprobs]).toEqual([a.tokens, a.logprobs]);
    using wide = generator.createSession();
    await expect(wide.restore(path)).rejects.toThrow(SessionFileError);
    await wide.append("The sea");
    await wide.save(path);
    await expect(restored.restore(path)).rejects.toMatchObject({ details: { field: "kvType" } });
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    await expect(restored.restore(path)).rejects.toThrow(SessionFileError);
  });

  it("takes speculation, guidance and the context's end", async () => {
    const run = async (options: object) => {
      using session = generator.createSession({ kvType, contextLength: 64, overflow: "reevaluate" });
      await session.append("The whale is large. The ship is large. The whale is");
      return (await session.generate({ maxTokens: 80, ignoreEos: true, ...options })).tokens;
    };
    const plain = await run({});
    expect(plain).toHaveLength(80);
    expect(await run({ speculation: { method: "promptLookup" } })).toEqual(plain);
    expect(await run({ guidanceScale: 2, negativePrompt: "A tax" })).toHaveLength(80);
  });

  it("of bytes is refused where heads have other sizes", async () => {
    const dir = join(folder, `odd-${kvType}`);
    await writeRandomGpt2(dir, { hidden: 36, heads: 3, vocabSize: 300 });
    await convert(dir, `${dir}.gguf`);
    await using odd = await Generator.load(`${dir}.gguf`);
    if (kvType === "q8_0") return expect(() => narrowSession(odd)).toThrow(UnsupportedError);
    using session = narrowSession(odd);
    await session.append("The sea");
    const { tokens } = await session.generate({ maxTokens: 5 });
    expect(tokens.length).toBeGreaterThan(0);
  });
});

describe("other types", () => {
  it("are not restored as one another", async () => {
    const path = join(folder, "types.session");
    const types: KvType[] = ["f32", "f16", "q8_0"];
    for (const from of types) {
      using session = generator.createSession({ kvType: from });
      await session.append("The sea was calm that morning");
      await session.save(path);
      for (const to of types) {
        using other = generator.createSession({ kvType: to });
        if (from === to) await other.restore(path);
        else await expect(other.restore(path)).rejects.toMatchObject({ details: { field: "kvType" } });
      }
    }
  });

  it("run side by side in the same steps (seed 72)", async () => {
    const next = random(72);
    const ids = Array.from({ length: 60 }, () => integer(next, 400));
    const continued = async (kvType: KvType) => {
      using session = generator.createSession({ kvType });
      await session.append({ ids });
      return (await session.generate({ maxTokens: 30, ignoreEos: true })).tokens;
    };
    const types: KvType[] = ["f32", "f16", "q8_0", "f32"];
    const together = await Promise.all(types.map(continued));
    for (const [i, kvType] of types.entries()) expect(await continued(kvType)).toEqual(together[i]);
  });

  it("need heads of a multiple of 32 values for bytes", async () => {
    const dir = join(folder, "heads-of-16");
    await writeRandomGpt2(dir, { hidden: 64, heads: 4, vocabSize: 300 });
    await convert(dir, `${dir}.gguf`);
    await using small = await Generator.load(`${dir}.gguf`);
    expect(() => small.createSession({ kvType: "q8_0" })).toThrow(UnsupportedError);
    using session = small.createSession({ kvType: "f16" });
    await session.append("a b");
    expect((await session.generate({ maxTokens: 3, ignoreEos: true })).tokens).toHaveLength(3);
  });
});
