import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DisposedError, Encoder, Generator } from "../../lib/index.js";
import { randomTexts } from "../support/texts.js";

/** So that the many models of these tests do not wait for each other's threads. */
const ONE_THREAD = { threads: 1 };
const TEXTS = randomTexts(47, 600);

describe("dispose", () => {
  it("rejects calls in flight, whatever they are doing, and later ones", async () => {
    for (const turns of [0, 1, 3, 10, 50]) {
      const encoder = await Encoder.load("mini-embed", ONE_THREAD);
      const inFlight = [
        encoder.embed(TEXTS),
        encoder.embed("sea ".repeat(200_000), { maxLength: 16 }),
        encoder.encode(TEXTS.slice(0, 100), { attentions: true }),
      ];
      const outcomes = Promise.allSettled(inFlight);
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      await encoder.dispose();
      for (const outcome of await outcomes) {
        // On a busy machine the engine may have come to their end before.
        if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(DisposedError);
        else expect(turns).toBeGreaterThan(0);
      }
      await expect(encoder.embed("a")).rejects.toBeInstanceOf(DisposedError);
      await expect(encoder.embed([])).rejects.toBeInstanceOf(DisposedError);
      await expect(encoder.encode("a")).rejects.toThrow("was disposed and can no longer be used");
    }
  });

  it("ends generations and streams in flight", async () => {
    for (const turns of [0, 1, 5, 50]) {
      const generator = await Generator.load("mini-gpt2", ONE_THREAD);
      const long = { maxTokens: 500, ignoreEos: true };
      const stream = generator.stream("The sea", long);
      // Neither ends before the model does: the one waits to be read on, the other for its processor.
      let goOn = () => {};
      const gate = new Promise<void>((resolve) => (goOn = resolve));
      const consume = async () => {
        for await (const chunk of stream) {
          expect(chunk.token).toBeGreaterThanOrEqual(0);
          await gate;
        }
      };
      const inFlight = [
        consume(),
        generator.generate("War", {
          ...long,
          logitsProcessor: (_, { tokens }) => (tokens.length < 9 ? undefined : gate),
        }),
        generator.generate("War", long),
        generator.logits("sea ".repeat(500)),
      ];
      const outcomes = Promise.allSettled(inFlight);
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      await generator.dispose();
      goOn();
      const disposed = { status: "rejected", reason: { code: "DISPOSED" } };
      for (const outcome of (await outcomes).slice(0, 2)) expect(outcome).toMatchObject(disposed);
      for (const outcome of (await outcomes).slice(2)) {
        if (outcome.status === "rejected") expect(outcome).toMatchObject(disposed);
        else expect(turns).toBeGreaterThan(0);
      }
      await expect(stream.result).rejects.toBeInstanceOf(DisposedError);
      await expect(generator.generate("a")).rejects.toBeInstanceOf(DisposedError);
      expect(() => generator.stream("a")).toThrow(DisposedError);
      await expect(generator.logits("a")).rejects.toBeInstanceOf(DisposedError);
    }
  });

  it("can be called again and again, and at once", async () => {
    const encoder = await Encoder.load("mini-bert", ONE_THREAD);
    await Promise.all([encoder.dispose(), encoder.dispose(), encoder[Symbol.asyncDispose]()]);
    await encoder.dispose();
    encoder[Symbol.dispose]();
    expect(encoder.info.name).toBe("mini-bert");
    expect(encoder.tokenizer.encode("a").ids).toHaveLength(3);
  });

  it("leaves other models alone", async () => {
    const [first, second] = await Promise.all([
      Encoder.load("mini-embed", ONE_THREAD),
      Encoder.load("mini-embed", ONE_THREAD),
    ]);
    const running = second.embed(TEXTS.slice(0, 150));
    await first.dispose();
    expect(await running).toHaveLength(150);
    await second.dispose();
  });
});

describe("several models", () => {
  it("load and work at once", async () => {
    const loads = Array.from({ length: 12 }, (_, i) =>
      i % 3 === 2
        ? Generator.load("mini-gpt2", ONE_THREAD)
        : Encoder.load(i % 3 ? "mini-bert" : "mini-embed", ONE_THREAD),
    );
    const models = await Promise.all(loads);
    const encoders = models.filter((model) => model instanceof Encoder);
    const generators = models.filter((model) => model instanceof Generator);
    const [embeddings, generations] = await Promise.all([
      Promise.all(encoders.map((encoder) => encoder.embed(TEXTS.slice(0, 20)))),
      Promise.all(generators.map((generator) => generator.generate("The sea", { maxTokens: 12 }))),
    ]);
    for (const [i, encoder] of encoders.entries()) {
      const twin = encoders.findIndex(({ info }) => info.name === encoder.info.name);
      expect(embeddings[i]).toEqual(embeddings[twin]);
    }
    for (const { tokens } of generations) expect(tokens).toEqual(generations[0]!.tokens);
    await Promise.all(models.map((model) => model.dispose()));
  });

  it("serve many calls at once, each with its own result", async () => {
    const encoder = await Encoder.load("mini-bert", ONE_THREAD);
    const texts = TEXTS.slice(0, 24);
    const alone = await encoder.embed(texts);
    const calls = texts.map((text, i) =>
      Promise.all([
        encoder.embed(text),
        encoder.encode(text, { hiddenStates: i % 2 === 0 }),
        encoder.fillMask(`${text} [MASK]`, { topK: 1 }),
        encoder.nextSentence(text, texts[0]!),
      ]),
    );
    for (const [i, [embedding, output]] of (await Promise.all(calls)).entries()) {
      expect(embedding).toEqual(alone[i]);
      expect(output.hiddenStates === undefined).toBe(i % 2 === 1);
    }
    await encoder.dispose();
  });
});
