/** Requests beside each other: those with long prompts, and more of them than memory holds. */
import { describe, expect, it } from "vitest";
import { Generator, InvalidArgumentError, OutOfMemoryError } from "../../lib/index.js";
import { createTokenWindow } from "../../lib/native.js";
import { loadNative, randomGpt2 } from "../native/models.js";
import { generateRequest } from "../native/requests.js";
import { temporaryFolder } from "../support/temporary-folder.js";

describe("a long prompt", () => {
  const folder = temporaryFolder();

  it("is evaluated piece by piece, and the streams beside it go on", async () => {
    const { spec } = await randomGpt2(folder, { H: 64, A: 2, F: 128, L: 2, V: 101, context: 1024 });
    const model = await loadNative(spec, { threads: 1, tokenBudget: 32 });
    // At most 31 of its tokens in a step: the stream has as many turns meanwhile, unless this thread came so late with
    // the prompt that the stream was over. Not every time.
    const prompt = Int32Array.from({ length: 900 }, (_, i) => i % 101);
    const least = Math.floor(prompt.length / 32) - 1;
    for (let between = 0; between < least;) {
      let streamed = 0;
      const window = createTokenWindow(model, 1);
      const stream = model.generate(generateRequest([1], 900, { window }), () => void streamed++);
      while (streamed === 0) await new Promise(setImmediate);
      window.read(2000);
      const long = model.generate(generateRequest(prompt, 1), () => void (between = streamed));
      between = 0;
      await long.promise;
      stream.cancel();
      await stream.promise.catch(() => {});
    }
    await model.dispose();
  });
});

describe("kvCacheBudget", () => {
  const PROMPT = "The sea was calm, and";
  /** What one generation of these takes. */
  async function bytesOfOne(): Promise<number> {
    await using generator = await Generator.load("mini-gpt2", { threads: 1, promptCache: 0 });
    using session = generator.createSession();
    await session.append(PROMPT);
    return generator.memory().kvCache;
  }

  it("lets as many generations begin as it has room for; the others wait, and all finish", async () => {
    const kvCacheBudget = 3 * (await bytesOfOne());
    await using generator = await Generator.load("mini-gpt2", { threads: 2, kvCacheBudget });
    const options = { maxTokens: 30, ignoreEos: true };
    const { tokens } = await generator.generate(PROMPT, options);
    let most = 0;
    const onToken = () => void (most = Math.max(most, generator.memory().kvCache));
    const run = async (i: number) => {
      if (i % 3 > 0) return (await generator.generate(PROMPT, { ...options, onToken })).tokens;
      using session = generator.createSession();
      const seen: number[] = [];
      await session.append(PROMPT);
      for await (const { token } of session.stream({ ...options, highWaterMark: 2 })) seen.push(token);
      return Int32Array.from(seen);
    };
    // No more sessions than there is room for: they keep their memory between calls.
    for (let round = 0; round < 4; round++) {
      const results = await Promise.all(Array.from({ length: 20 }, (_, i) => run(i === 0 ? 0 : 1)));
      for (const result of results) expect(result).toEqual(tokens);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(kvCacheBudget);
  });

  it("gives up what is kept for later prompts first", async () => {
    const kvCacheBudget = await bytesOfOne();
    await using generator = await Generator.load("mini-gpt2", { threads: 1, kvCacheBudget });
    for (const prompt of [PROMPT, "War is", "Call me"]) {
      expect((await generator.generate(prompt, { maxTokens: 20 })).tokens).toHaveLength(20);
      expect(generator.memory().kvCache).toBeLessThanOrEqual(kvCacheBudget);
    }
  });

  it("is an error for what can never begin, and others go on", async () => {
    const kvCacheBudget = await bytesOfOne();
    await using generator = await Generator.load("mini-gpt2", { threads: 1, kvCacheBudget, promptCache: 0 });
    const session = generator.createSession();
    await session.append(PROMPT);
    const error = await generator.generate("War", { maxTokens: 400 }).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect((error as OutOfMemoryError).details).toMatchObject({ available: 0 });
    expect((await session.generate({ maxTokens: 5 })).tokens).toHaveLength(5);
    session.dispose();
    expect((await generator.generate("War", { maxTokens: 5 })).tokens).toHaveLength(5);
  });

  it("is a positive number", async () => {
    for (const kvCacheBudget of [0, -1, 1.5, "1"]) {
      const load = Generator.load("mini-gpt2", { kvCacheBudget: kvCacheBudget as number });
      await expect(load).rejects.toThrow(InvalidArgumentError);
    }
  });
});
