/** Streams whose consumer is slow, gone, or forgotten. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  DisposedError,
  Generator,
  InvalidArgumentError,
  type GenerationStream,
  type Session,
  type StreamOptions,
} from "../../lib/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const LONG = { maxTokens: 200, ignoreEos: true };
const PROMPT = "The whale is large. The ship is";

let generator: Generator;
beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2, promptCache: 0 });
});
afterAll(() => generator.dispose());

/** Enough steps for every stream that is not paused to come to its end. */
const others = (model = generator) => model.generate("The sea", { maxTokens: 300, ignoreEos: true });

async function readAll(stream: GenerationStream): Promise<number[]> {
  const tokens: number[] = [];
  for await (const { token } of stream) tokens.push(token);
  return tokens;
}

/** A stream of which one chunk has been read, and which has paused; and how many tokens there were. */
async function paused(
  options: StreamOptions = {},
  start = (all: StreamOptions) => generator.stream(PROMPT, all),
) {
  const told = { tokens: 0 };
  const stream = start({ ...LONG, highWaterMark: 4, ...options, onToken: () => void told.tokens++ });
  const { value } = await stream.next();
  await others();
  return { stream, told, first: value!.token };
}

const WAYS: [string, StreamOptions][] = [
  ["greedy", {}],
  ["sampled", { temperature: 1, topK: 40, seed: 7 }],
  ["guessed ahead by lookup", { speculation: { method: "promptLookup", draftTokens: 16 } }],
  ["with a processor", { logitsProcessor: (logits) => void (logits[100] = Number.NEGATIVE_INFINITY) }],
  ["with a slow processor", { logitsProcessor: () => nextTurn() }],
  ["guided", { guidanceScale: 1.5, negativePrompt: "A tax" }],
  ["constrained", { regex: "[a-z ]+", ignoreEos: false }],
  ["with a stop string", { stop: "the zzz" }],
];

describe("a consumer that reads slowly", () => {
  it.each([1, 2, 4, 5])("is waited for when %i chunks are unread", async (highWaterMark) => {
    const { stream, told, first } = await paused({ highWaterMark });
    // One read, those in the queue, and one that the text may hold back.
    expect(told.tokens).toBeLessThanOrEqual(1 + highWaterMark + 1);
    const expected = await generator.generate(PROMPT, LONG);
    expect([first, ...(await readAll(stream))]).toEqual([...expected.tokens]);
    expect(await stream.result).toMatchObject({ finishReason: "length", text: expected.text });
  });

  it.each(WAYS)("gets what generate returns, and the engine is never far ahead: %s", async (_, options) => {
    const settings = { maxTokens: 60, logprobs: true, ...options };
    const expected = await generator.generate(PROMPT, settings);
    for (const highWaterMark of [1, 3, 16]) {
      let told = 0;
      const stream = generator.stream(PROMPT, { ...settings, highWaterMark, onToken: () => void told++ });
      const tokens: number[] = [];
      for await (const { token } of stream) {
        tokens.push(token);
        expect(told).toBeLessThanOrEqual(tokens.length + highWaterMark + 1);
        await nextTurn();
      }
      expect(tokens).toEqual([...expected.tokens]);
      expect(told).toBe(tokens.length);
      const result = await stream.result;
      expect(result.text).toBe(expected.text);
      expect(result.logprobs).toEqual(expected.logprobs);
    }
  });

  it("is waited for by a draft model too", async () => {
    await using draft = await Generator.load("mini-gpt2", { threads: 1 });
    const speculation = { method: "draftModel", model: draft, draftTokens: 8 } as const;
    const { stream, told, first } = await paused({ speculation });
    expect(told.tokens).toBeLessThanOrEqual(6);
    const rest = await readAll(stream);
    expect([first, ...rest]).toEqual([...(await generator.generate(PROMPT, LONG)).tokens]);
    const { speculation: report } = await stream.result;
    expect(report!.acceptedTokens).toBeGreaterThan(0);
  });

  it("is waited for in a session, also across its context's end", async () => {
    const start = async (session: Session) => session.append(PROMPT);
    const options = { contextLength: 40, overflow: "reevaluate" } as const;
    using whole = generator.createSession(options);
    using slow = generator.createSession(options);
    await Promise.all([start(whole), start(slow)]);
    const { tokens } = await whole.generate({ ...LONG, maxTokens: 120 });
    const { stream, told, first } = await paused({ maxTokens: 120 }, (all) => slow.stream(all));
    expect(told.tokens).toBeLessThanOrEqual(6);
    const seen = [first];
    for await (const { token } of stream) {
      seen.push(token);
      expect(told.tokens).toBeLessThanOrEqual(seen.length + 5);
      if (seen.length % 10 === 0) await nextTurn();
    }
    expect(seen).toEqual([...tokens]);
    expect(slow.tokens).toEqual(whole.tokens);
  });

  it("does not take the places of others, however many there are", async () => {
    // More than the engine has under way at once.
    const streams = Array.from({ length: 100 }, () =>
      generator.stream(PROMPT, { maxTokens: 30, highWaterMark: 1 }),
    );
    const firsts = await Promise.all(streams.map((stream) => stream.next()));
    const { tokens } = await generator.generate(PROMPT, { maxTokens: 30 });
    for (const [i, stream] of streams.entries()) {
      expect([firsts[i]!.value!.token, ...(await readAll(stream))]).toEqual([...tokens]);
    }
    expect(generator.memory().kvCache).toBe(0);
  });

  it("is not slowed itself by the others", async () => {
    const streams = Array.from({ length: 80 }, () =>
      generator.stream(PROMPT, { maxTokens: 40, highWaterMark: 2 }),
    );
    const { tokens } = await generator.generate(PROMPT, { maxTokens: 40 });
    const read = streams.map(async (stream, i) => {
      const seen: number[] = [];
      for await (const { token } of stream) {
        seen.push(token);
        for (let turn = 0; turn < i % 4; turn++) await nextTurn();
      }
      expect(seen).toEqual([...tokens]);
    });
    await Promise.all(read);
  });

  it("has no effect on generate", async () => {
    const held = await paused();
    const { tokens } = await generator.generate(PROMPT, LONG);
    expect(tokens).toHaveLength(200);
    await held.stream.return();
  });
});

describe("a stream that is paused", () => {
  it("ends when its consumer leaves, and frees its memory", async () => {
    for (const leave of [
      (stream: GenerationStream) => stream.return(),
      (stream: GenerationStream) => stream[Symbol.asyncDispose](),
      (stream: GenerationStream) => stream.throw(new RangeError("mine")).catch(() => {}),
    ]) {
      const { stream, told } = await paused();
      expect(generator.memory().kvCache).toBeGreaterThan(0);
      await leave(stream);
      const { finishReason, tokens } = await stream.result;
      expect(finishReason).toBe("cancelled");
      expect(tokens).toHaveLength(told.tokens);
      expect(generator.memory().kvCache).toBe(0);
    }
  });

  it("is aborted by its signal", async () => {
    const stop = new AbortController();
    const { stream } = await paused({ signal: stop.signal });
    stop.abort();
    await expect(readAll(stream)).rejects.toBeInstanceOf(AbortError);
    await expect(stream.result).rejects.toBeInstanceOf(AbortError);
    expect(generator.memory().kvCache).toBe(0);
  });

  it("ends with its model, and with its session", async () => {
    const other = await Generator.load("mini-gpt2", { threads: 1 });
    const stream = other.stream(PROMPT, { ...LONG, highWaterMark: 2 });
    await stream.next();
    await others(other);
    await other.dispose();
    await expect(readAll(stream)).rejects.toBeInstanceOf(DisposedError);
    const session = generator.createSession();
    await session.append(PROMPT);
    const held = await paused({}, (all) => session.stream(all));
    session.dispose();
    await expect(readAll(held.stream)).rejects.toBeInstanceOf(DisposedError);
    expect(generator.memory().kvCache).toBe(0);
  });

  it("leaves its session what there was", async () => {
    using session = generator.createSession();
    await session.append(PROMPT);
    const before = session.length;
    const { stream } = await paused({}, (all) => session.stream(all));
    const next = session.append(" and");
    await stream.return();
    await next;
    const { tokens } = await stream.result;
    expect(session.tokens.subarray(before, before + tokens.length)).toEqual(tokens);
  });
});

describe("a stream that is dropped", () => {
  /** Collects garbage until the memory of all generations is free. */
  async function collected(): Promise<void> {
    while (generator.memory().kvCache > 0) {
      collect();
      await nextTurn();
    }
  }

  it("frees its place once it is garbage, paused or at work", async () => {
    const begin = async (highWaterMark: number) => {
      const stream = generator.stream(PROMPT, { maxTokens: 480, ignoreEos: true, highWaterMark });
      await stream.next();
      return { result: stream.result };
    };
    const begun = await Promise.all([1, 1, 1, 16, 16, 400].map(begin));
    await collected();
    const ends = await Promise.all(begun.map(({ result }) => result));
    for (const { finishReason, tokens } of ends.slice(0, 5)) {
      expect(finishReason).toBe("cancelled");
      expect(tokens.length).toBeLessThanOrEqual(18);
    }
  });

  it("is not garbage while somebody waits for its next chunk", async () => {
    const waitFor = () => generator.stream("sea ".repeat(200), LONG).next();
    const waiting = Array.from({ length: 10 }, waitFor);
    let isRunning = true;
    const done = Promise.all(waiting).finally(() => (isRunning = false));
    while (isRunning) {
      collect();
      await nextTurn();
    }
    for (const { value, done: ended } of await done)
      expect([typeof value!.token, ended]).toEqual(["number", false]);
    await collected();
  });
});

describe("a stream that has ended", () => {
  const read = { ...LONG, maxTokens: 8 };
  const ENDS: [string, () => Promise<GenerationStream>][] = [
    [
      "was read to its end",
      async () => {
        const stream = generator.stream(PROMPT, read);
        await readAll(stream);
        return stream;
      },
    ],
    [
      "was left",
      async () => {
        const stream = generator.stream(PROMPT, read);
        for await (const _ of stream) break;
        return stream;
      },
    ],
    [
      "was never begun",
      async () => {
        const stream = generator.stream(PROMPT, read);
        await stream.return();
        return stream;
      },
    ],
  ];

  it.each(ENDS)("is garbage when it %s", async (_, end) => {
    const begin = async () => {
      const stream = await end();
      await stream.result.catch(() => {});
      return new WeakRef(stream);
    };
    const streams = await Promise.all(Array.from({ length: 5 }, begin));
    // What deref() returns stays for the rest of its turn, so that asking in between would keep them.
    for (let turn = 0; turn < 10; turn++) {
      await nextTurn();
      collect();
    }
    expect(streams.filter((each) => each.deref())).toEqual([]);
  });
});

describe("highWaterMark", () => {
  it.each([0, 1.5, -1, "4", Number.NaN])("is not %s", (highWaterMark) => {
    expect(() => generator.stream("a", { highWaterMark: highWaterMark as number })).toThrow(
      InvalidArgumentError,
    );
  });

  it("is no option of generate, which nobody reads", async () => {
    await expect(generator.generate("a", { highWaterMark: 4 } as object)).rejects.toThrow(/Unknown option/);
  });
});
