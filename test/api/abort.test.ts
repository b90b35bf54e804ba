import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AbortError, Encoder, Generator } from "../../lib/index.js";
import { randomTexts } from "../support/texts.js";

const REASON = new Error("enough");
const aborted = { name: "AbortError", code: "ABORTED", cause: REASON };
const TEXTS = randomTexts(31, 600);

/** Each call that takes a signal, with enough to do that it can be caught in the middle. */
type Call = (signal: AbortSignal) => Promise<unknown>;

describe("abort", () => {
  let encoder: Encoder;
  let generator: Generator;
  beforeAll(async () => {
    encoder = await Encoder.load("mini-bert", { threads: 1 });
    generator = await Generator.load("mini-gpt2", { threads: 1 });
  });
  afterAll(async () => {
    await encoder.dispose();
    await generator.dispose();
  });

  const masked = TEXTS.slice(0, 100).map((text) => `${text} [MASK]`);
  const pairs = TEXTS.slice(0, 300).map((text) => [text, text] as const);
  const calls: [string, Call][] = [
    ["load an encoder", (signal) => Encoder.load("mini-bert", { signal })],
    ["load a generator", (signal) => Generator.load("mini-gpt2", { signal })],
    ["embed", (signal) => encoder.embed(TEXTS, { signal })],
    ["encode", (signal) => encoder.encode(TEXTS.slice(0, 60), { hiddenStates: true, signal })],
    ["fillMask", (signal) => encoder.fillMask(masked, { signal })],
    ["nextSentence", (signal) => encoder.nextSentence(pairs, { signal })],
    ["generate", (signal) => generator.generate("The sea", { maxTokens: 250, ignoreEos: true, signal })],
    ["logits", (signal) => generator.logits("sea ".repeat(400), { signal })],
  ];

  describe.each(calls)("%s", (_, call) => {
    it("rejects at once when the signal has fired already", async () => {
      await expect(call(AbortSignal.abort(REASON))).rejects.toMatchObject(aborted);
    });

    it("rejects when the signal fires before the first turn of the event loop", async () => {
      const controller = new AbortController();
      const result = call(controller.signal);
      controller.abort(REASON);
      await expect(result).rejects.toMatchObject(aborted);
      await expect(result).rejects.toBeInstanceOf(AbortError);
    });

    it("rejects or resolves, whenever it fires, and the model goes on working", async () => {
      // Turns of the event loop after which to abort: while reading, tokenizing, queued, computing, at the end.
      for (const turns of [1, 2, 3, 5, 8, 13, 40, 150]) {
        const controller = new AbortController();
        const result = call(controller.signal).then(
          async (value) => {
            if (value instanceof Encoder || value instanceof Generator) await value.dispose();
            return "resolved";
          },
          (error: unknown) => error,
        );
        let isDone = false;
        void result.then(() => (isDone = true));
        for (let turn = 0; turn < turns && !isDone; turn++) await nextTurn();
        controller.abort(REASON);
        const outcome = await result;
        if (outcome !== "resolved") expect(outcome, `after ${turns} turns`).toMatchObject(aborted);
      }
      expect(await encoder.embed("a whale")).toHaveLength(256);
      expect((await generator.generate("a", { maxTokens: 1 })).tokens).toHaveLength(1);
    });

    it("is not disturbed by a signal that fires after the end", async () => {
      const controller = new AbortController();
      const value = await call(controller.signal);
      controller.abort(REASON);
      await nextTurn();
      if (value instanceof Encoder || value instanceof Generator) await value.dispose();
    });
  });

  it("aborts a queued call while the one before it runs on", async () => {
    const controller = new AbortController();
    const running = encoder.embed(TEXTS.slice(0, 200));
    const queued = encoder.embed(TEXTS, { signal: controller.signal });
    controller.abort(REASON);
    await expect(queued).rejects.toMatchObject(aborted);
    expect(await running).toHaveLength(200);
  });

  it("aborts in the middle of one long tokenization", async () => {
    const controller = new AbortController();
    const text = "the whale ".repeat(300_000);
    const result = encoder.embed(text, { maxLength: 16, signal: controller.signal });
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    controller.abort(REASON);
    await expect(result).rejects.toMatchObject(aborted);
  });

  it("lets many calls share a signal without a warning", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    const { signal } = new AbortController();
    await Promise.all(TEXTS.slice(0, 50).map((text) => encoder.embed(text, { signal })));
    await Promise.all(Array.from({ length: 20 }, () => generator.generate("a", { maxTokens: 2, signal })));
    await nextTurn();
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});
