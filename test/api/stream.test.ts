import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generator, type GenerationChunk, type GenerationStream } from "../../lib/index.js";

/** Long enough that a test which waits for its end instead of cancelling it takes seconds. */
const LONG = { maxTokens: 480, ignoreEos: true };

async function collect(stream: GenerationStream): Promise<GenerationChunk[]> {
  const chunks: GenerationChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

describe("stream", () => {
  let generator: Generator;
  beforeAll(async () => {
    generator = await Generator.load("mini-gpt2", { threads: 1 });
  });
  afterAll(() => generator.dispose());

  it("gives the chunks of what generate returns", async () => {
    const options = { maxTokens: 40, logprobs: true, temperature: 1.2, seed: 8 };
    const stream = generator.stream("The sea", options);
    const chunks = await collect(stream);
    const whole = await generator.generate("The sea", options);
    expect(chunks.map(({ token }) => token)).toEqual([...whole.tokens]);
    expect(chunks.map(({ text }) => text).join("")).toBe(whole.text);
    expect(Float32Array.from(chunks, ({ logprob }) => logprob!)).toEqual(whole.logprobs);
    const result = await stream.result;
    expect({ ...result, timings: null }).toEqual({ ...whole, timings: null });
  });

  it("never splits a character, and loses no byte, on tokens that are parts of characters", async () => {
    // A temperature that makes all tokens as likely, parts of characters among them.
    for (let seed = 0; seed < 3; seed++) {
      const chunks = await collect(
        generator.stream("東京🙂", { maxTokens: 40, temperature: 30, seed, ignoreEos: true }),
      );
      const text = chunks.map((chunk) => chunk.text).join("");
      expect(text, `seed ${seed}`).toBe(generator.tokenizer.decode(Int32Array.from(chunks, (c) => c.token)));
      for (const chunk of chunks) expect(Buffer.from(chunk.text).toString()).toBe(chunk.text);
    }
  });

  it("never shows a part of a stop string", async () => {
    const whole = await generator.generate("The President of the", { maxTokens: 60 });
    const middle = Math.floor(whole.text.length / 2);
    const stop = whole.text.slice(middle, middle + 12);
    const at = whole.text.indexOf(stop);
    let shown = "";
    const stream = generator.stream("The President of the", { maxTokens: 60, stop });
    for await (const { text } of stream) {
      shown += text;
      expect(whole.text.slice(0, at).startsWith(shown)).toBe(true);
    }
    expect(shown).toBe(whole.text.slice(0, at));
    expect(await stream.result).toMatchObject({ finishReason: "stop", stopString: stop, text: shown });
  });

  it("gives back at the end what only began like a stop string", async () => {
    const whole = await generator.generate("The President of the", { maxTokens: 20 });
    const stop = `${whole.text.slice(-4)}\u0000`;
    const chunks = await collect(generator.stream("The President of the", { maxTokens: 20, stop }));
    expect(chunks).toHaveLength(20);
    expect(chunks.map(({ text }) => text).join("")).toBe(whole.text);
  });

  it("cancels the engine's work when the consumer leaves", async () => {
    const stream = generator.stream("The sea", LONG);
    const seen: number[] = [];
    for await (const { token } of stream) {
      seen.push(token);
      if (seen.length === 3) break;
    }
    const result = await stream.result;
    expect(result.finishReason).toBe("cancelled");
    expect(Array.from(result.tokens.slice(0, 3))).toEqual(seen);
    expect(result.tokens.length).toBeLessThan(480);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it("cancels when the consumer throws", async () => {
    const stream = generator.stream("The sea", LONG);
    const consume = async () => {
      for await (const { token } of stream) throw new RangeError(`saw ${token}`);
    };
    await expect(consume()).rejects.toThrow(RangeError);
    expect((await stream.result).finishReason).toBe("cancelled");
  });

  it("ends a next() that waits when return() is called", async () => {
    const stream = generator.stream("sea ".repeat(300), LONG);
    const waiting = stream.next();
    await stream.return();
    await waiting;
    expect((await stream.result).finishReason).toBe("cancelled");
  });

  it("can be left before it began", async () => {
    const stream = generator.stream("The sea", LONG);
    await stream.return();
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    await expect(stream.result).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("rejects next() and result when the signal fires", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const stream = generator.stream("The sea", { ...LONG, signal: controller.signal });
    const consume = async () => {
      let count = 0;
      for await (const _ of stream) if (++count === 2) controller.abort(reason);
    };
    await expect(consume()).rejects.toMatchObject({ name: "AbortError", code: "ABORTED", cause: reason });
    await expect(stream.result).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("is not slowed or lost by a consumer that waits", async () => {
    const chunks: GenerationChunk[] = [];
    const stream = generator.stream("The sea", { maxTokens: 6 });
    for await (const chunk of stream) {
      chunks.push(chunk);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(chunks).toHaveLength(6);
  });

  it("serves several consumers of several streams at once", async () => {
    const prompts = ["The sea", "War", "Call me", "It was"];
    const together = await Promise.all(
      prompts.map((prompt) => collect(generator.stream(prompt, { maxTokens: 20 }))),
    );
    for (const [i, prompt] of prompts.entries()) {
      const { tokens } = await generator.generate(prompt, { maxTokens: 20 });
      expect(together[i]!.map(({ token }) => token)).toEqual([...tokens]);
    }
  });

  it("is disposed by leaving the scope", async () => {
    const stream = generator.stream("The sea", LONG);
    await stream.next();
    await stream[Symbol.asyncDispose]();
    expect((await stream.result).finishReason).toBe("cancelled");
  });

  it("throws for wrong options at once", () => {
    expect(() => generator.stream("a", { maxTokens: 0 })).toThrow(
      "Expected an integer from 1 to 2147483647 for maxTokens but received 0 of type number",
    );
  });
});
