import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  DisposedError,
  Generator,
  InvalidArgumentError,
  type GenerateOptions,
  type LogitsContext,
} from "../../lib/index.js";

let generator: Generator;
let V: number;
beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 1 });
  V = generator.info.vocabSize;
});
afterAll(() => generator.dispose());

const PROMPT = "The sea was";
const later = (ms = 1) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
/** Resolves when `release` is called; `reached` when somebody waits. */
function gate() {
  let release!: () => void;
  let reach!: () => void;
  const open = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const pass = () => {
    reach();
    return open;
  };
  return { pass, release, reached };
}

describe("logitsProcessor", () => {
  it("sees the model's own logits, and what came before", async () => {
    const rows: Float32Array[] = [];
    const seen: [number[], number[]][] = [];
    const { tokens } = await generator.generate(PROMPT, {
      maxTokens: 5,
      suppressTokens: [5],
      logitsProcessor: (logits, context) => {
        rows.push(logits.slice());
        seen.push([[...context.prompt], [...context.tokens]]);
      },
    });
    const prompt = [...generator.tokenizer.encode(PROMPT).ids];
    const { data } = await generator.logits({ ids: [...prompt, ...tokens] });
    for (let i = 0; i < 5; i++) {
      const at = (prompt.length - 1 + i) * V;
      expect(rows[i]).toEqual(data.slice(at, at + V));
      expect(seen[i]).toEqual([prompt, [...tokens.subarray(0, i)]]);
    }
    expect(rows).toHaveLength(5);
  });

  it("changes nothing when it changes nothing, greedy or sampled, in a stream and in a session", async () => {
    for (const options of [{}, { temperature: 1.1, topP: 0.9, seed: 3, logprobs: true }]) {
      const settings: GenerateOptions = { maxTokens: 20, ...options };
      const plain = await generator.generate(PROMPT, settings);
      for (const logitsProcessor of [() => {}, () => later()]) {
        const hooked = await generator.generate(PROMPT, { ...settings, logitsProcessor });
        expect(hooked.tokens).toEqual(plain.tokens);
        expect(hooked.logprobs).toEqual(plain.logprobs);
        const stream = generator.stream(PROMPT, { ...settings, logitsProcessor });
        const streamed: number[] = [];
        for await (const { token } of stream) streamed.push(token);
        expect(streamed).toEqual([...plain.tokens]);
        const session = await generator.createSession();
        await session.append(PROMPT);
        const inSession = await session.generate({ ...settings, logitsProcessor });
        expect(inSession.tokens).toEqual(plain.tokens);
        await session.dispose();
      }
    }
  });

  it.each([
    ["at once", () => undefined],
    ["after a while", () => later()],
  ])("decides which tokens come, %s; log-probabilities stay the model's", async (_, wait) => {
    const wanted = [300, 301, 302, 303];
    const force = (logits: Float32Array, { tokens }: LogitsContext) => {
      const id = wanted[tokens.length]!;
      logits.fill(-Infinity);
      logits[id] = 0;
    };
    const { tokens, logprobs } = await generator.generate(PROMPT, {
      maxTokens: 4,
      temperature: 1,
      logprobs: true,
      logitsProcessor: async (logits, context) => {
        await wait();
        force(logits, context);
      },
    });
    expect([...tokens]).toEqual(wanted);
    const { data, ids } = await generator.logits({
      ids: [...generator.tokenizer.encode(PROMPT).ids, ...wanted],
    });
    for (const [i, logprob] of logprobs!.entries()) {
      const row = data.subarray((ids.length - 5 + i) * V, (ids.length - 4 + i) * V);
      const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
      expect(logprob).toBeCloseTo(row[wanted[i]!]! - Math.log(sum), 4);
    }
  });

  it("does not keep others waiting", async () => {
    const { pass, release, reached } = gate();
    const held = generator.generate(PROMPT, { maxTokens: 3, logitsProcessor: pass });
    await reached;
    const others = await Promise.all(
      Array.from({ length: 70 }, (_, i) =>
        generator.generate(`The ${i}`, { maxTokens: 10, ignoreEos: true }),
      ),
    );
    for (const { tokens } of others) expect(tokens).toHaveLength(10);
    release();
    expect((await held).tokens).toEqual((await generator.generate(PROMPT, { maxTokens: 3 })).tokens);
  });

  it("does not keep others waiting where as many as share a step are at work, and more", async () => {
    const { pass, release } = gate();
    const options = { maxTokens: 6, ignoreEos: true };
    const held = Array.from({ length: 150 }, () =>
      generator.generate(PROMPT, { ...options, logitsProcessor: pass }),
    );
    const plain = await Promise.all(Array.from({ length: 70 }, () => generator.generate(PROMPT, options)));
    release();
    // All of them at once now.
    const beside = [...held, ...Array.from({ length: 70 }, () => generator.generate(PROMPT, options))];
    for (const { tokens } of await Promise.all(beside)) expect(tokens).toEqual(plain[0]!.tokens);
  });

  it("of more requests than share a step does not stop the rest", async () => {
    const many = Array.from({ length: 100 }, (_, i) =>
      generator.generate(PROMPT, { maxTokens: 3, ignoreEos: true, logitsProcessor: () => later(i % 5) }),
    );
    const texts = new Set((await Promise.all(many)).map(({ tokens }) => tokens.join()));
    expect(texts.size).toBe(1);
  });

  it("rejects its generation with what it throws, and no other", async () => {
    const beside = generator.generate(PROMPT, { maxTokens: 30 });
    for (const logitsProcessor of [
      () => {
        throw new RangeError("mine");
      },
      () => Promise.reject(new RangeError("mine")),
      async (_: Float32Array, { tokens }: LogitsContext) => {
        if (tokens.length === 3) throw new RangeError("mine");
        await later();
      },
    ]) {
      const failing = generator.generate(PROMPT, { maxTokens: 8, logitsProcessor });
      await expect(failing).rejects.toThrow(new RangeError("mine"));
    }
    const detach = (logits: Float32Array) =>
      void structuredClone(logits, { transfer: [logits.buffer as ArrayBuffer] });
    const detached = generator.generate(PROMPT, { maxTokens: 8, logitsProcessor: detach });
    await expect(detached).rejects.toThrow("a Float32Array of a value for each token");
    expect((await beside).tokens).toEqual((await generator.generate(PROMPT, { maxTokens: 30 })).tokens);
  });

  it("leaves no token when it forbids them all", async () => {
    const none = generator.generate(PROMPT, {
      temperature: 1,
      logitsProcessor: (logits) => void logits.fill(Number.NaN),
      suppressTokens: [0],
      maxTokens: 1,
    });
    // As with a model's damaged weights, one of them is taken.
    expect((await none).tokens).toHaveLength(1);
  });

  it("may be aborted while it is at work, and finish later", async () => {
    const { pass, release, reached } = gate();
    const controller = new AbortController();
    let told = false;
    const held = generator.generate(PROMPT, {
      signal: controller.signal,
      logitsProcessor: async (_, { signal }) => {
        signal.addEventListener("abort", () => (told = true));
        await pass();
      },
    });
    await reached;
    controller.abort();
    await expect(held).rejects.toBeInstanceOf(AbortError);
    expect(told).toBe(true);
    release();
    await later(5);
    expect((await generator.generate(PROMPT, { maxTokens: 2 })).tokens).toHaveLength(2);
  });

  it("ends with its stream", async () => {
    let calls = 0;
    const stream = generator.stream(PROMPT, { logitsProcessor: () => (calls++, later()) });
    for await (const { token } of stream) if (token >= 0) break;
    expect((await stream.result).finishReason).toBe("cancelled");
    const after = calls;
    await later(20);
    expect(calls).toBeLessThanOrEqual(after + 1);
  });

  it("sees its model disposed while it is at work", async () => {
    const other = await Generator.load("mini-gpt2", { threads: 1 });
    const { pass, release, reached } = gate();
    const held = other.generate(PROMPT, { logitsProcessor: pass });
    held.catch(() => {});
    await reached;
    await other.dispose();
    await expect(held).rejects.toBeInstanceOf(DisposedError);
    release();
    await later(5);
  });

  it("has to be a function", async () => {
    const wrong = generator.generate(PROMPT, { logitsProcessor: 5 as never });
    await expect(wrong).rejects.toBeInstanceOf(InvalidArgumentError);
  });
});
