import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortError,
  DisposedError,
  Generator,
  InputTooLongError,
  InvalidArgumentError,
  type Session,
} from "../../lib/index.js";
import { integer, random } from "../support/random.js";

let generator: Generator;
beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2, promptCache: 0 });
});
afterAll(() => generator.dispose());

const TEXT = "The sea was calm that morning, and the men stood at the rail to watch the whales";

/** What the model says from scratch. */
function afresh(tokens: Int32Array, maxTokens: number) {
  return generator.generate({ ids: tokens }, { maxTokens, logprobs: true });
}

/** Continues a session and checks it, bits and all, against a generation without one. */
async function checkContinuation(session: Session, maxTokens: number): Promise<void> {
  const expected = await afresh(session.tokens, maxTokens);
  const before = session.tokens;
  const got = await session.generate({ maxTokens, logprobs: true });
  expect(got.tokens).toEqual(expected.tokens);
  expect(got.logprobs).toEqual(expected.logprobs);
  expect(got.text).toBe(expected.text);
  expect(session.tokens).toEqual(Int32Array.from([...before, ...got.tokens]));
}

describe("a session", () => {
  it("continues what was appended and generated, without evaluating it again", async () => {
    using session = generator.createSession();
    await session.append(TEXT);
    expect(session.tokens).toEqual(generator.tokenizer.encode(TEXT).ids);
    const first = await session.generate({ maxTokens: 5 });
    expect(first.timings.cachedTokens).toBe(first.timings.promptTokens - 1);
    await session.append(" and then");
    await checkContinuation(session, 7);
    const last = await session.generate({ maxTokens: 3 });
    expect(last.timings.promptTokens - last.timings.cachedTokens).toBe(1);
    expect(session.text).toContain(" and then");
    expect(session).toHaveLength(session.tokens.length);
  });

  it("stands for the beginning of a text when it is empty", async () => {
    using session = generator.createSession();
    const got = await session.generate({ maxTokens: 6 });
    expect(got.tokens).toEqual((await generator.generate("", { maxTokens: 6 })).tokens);
    expect(session).toHaveLength(7);
  });

  it("streams, and keeps what the consumer of an abandoned stream was given", async () => {
    using session = generator.createSession();
    await session.append(TEXT);
    const before = session.length;
    const stream = session.stream({ maxTokens: 50 });
    const given: number[] = [];
    for await (const { token } of stream) {
      given.push(token);
      if (given.length === 4) break;
    }
    const { tokens, finishReason } = await stream.result;
    expect(finishReason).toBe("cancelled");
    expect([...tokens.subarray(0, 4)]).toEqual(given);
    expect(session.tokens.subarray(before)).toEqual(tokens);
    await checkContinuation(session, 4);
  });

  it("forks, truncates and appends in any order as if it were computed afresh (seed 20261124)", async () => {
    const seed = 20261124;
    const next = random(seed);
    const whole = (low: number, high: number) => low + integer(next, high - low + 1);
    const sessions = [generator.createSession()];
    await sessions[0]!.append(TEXT);
    for (let step = 0; step < 60; step++) {
      const session = sessions[whole(0, sessions.length - 1)]!;
      const choice = whole(0, 9);
      if (choice < 3 && sessions.length < 12) sessions.push(await session.fork());
      else if (choice < 5) await session.truncate(whole(0, session.length));
      else if (choice < 7 && session.length < 150) {
        const ids = Int32Array.from({ length: whole(1, 40) }, () => whole(0, 500));
        await session.append({ ids });
      } else if (choice === 9 && sessions.length > 3) {
        sessions.splice(sessions.indexOf(session), 1);
        session.dispose();
      } else if (session.length > 0) await checkContinuation(session, whole(1, 12));
    }
    for (const session of sessions) {
      if (session.length > 0) await checkContinuation(session, 3);
      session.dispose();
    }
    expect(generator.memory().kvCache).toBe(0);
  }, 120_000);

  it("shares what is common instead of storing it again", async () => {
    using session = generator.createSession();
    await session.append({ ids: new Int32Array(192).fill(40) });
    const alone = generator.memory().kvCache;
    const forks = await Promise.all(Array.from({ length: 10 }, () => session.fork()));
    expect(generator.memory().kvCache).toBe(alone);
    await Promise.all(forks.map((fork) => fork.append(" and a different end")));
    expect(generator.memory().kvCache).toBeLessThan(alone * 11);
    for (const fork of forks) fork.dispose();
    expect(generator.memory().kvCache).toBe(alone);
  });

  it("forks forks of forks", async () => {
    const sessions = [generator.createSession()];
    for (let depth = 0; depth < 24; depth++) {
      const session = sessions.at(-1)!;
      await session.append({ ids: Int32Array.from({ length: 7 }, (_, i) => 50 * depth + i) });
      sessions.push(await session.fork());
    }
    for (const session of sessions) if (session.length > 0) await checkContinuation(session, 2);
    for (const session of sessions) session.dispose();
    expect(generator.memory().kvCache).toBe(0);
  });

  it("runs beside other sessions and requests with the same result as alone", async () => {
    const sessions = Array.from({ length: 6 }, () => generator.createSession());
    await Promise.all(sessions.map((session, i) => session.append(TEXT.slice(0, 20 + 9 * i))));
    await Promise.all([
      ...sessions.map((session) => checkContinuation(session, 9)),
      generator.generate("Meanwhile", { maxTokens: 20 }),
    ]);
    for (const session of sessions) session.dispose();
  });

  it("takes calls in the order in which they were made", async () => {
    using session = generator.createSession();
    const calls = [
      session.append("One"),
      session.append(" two"),
      session.generate({ maxTokens: 2 }),
      session.append(" three"),
      session.truncate(3),
    ];
    await Promise.all(calls);
    const { ids } = generator.tokenizer.encode("One");
    expect(session).toHaveLength(3);
    expect(session.tokens.subarray(0, ids.length)).toEqual(ids);
  });
});

describe("the context limit", () => {
  const contextLength = 40;
  const ids = new Int32Array(36).map((_, i) => 30 + i);

  it("stops a generation", async () => {
    using session = generator.createSession({ contextLength });
    await session.append({ ids });
    const { finishReason, tokens } = await session.generate({ maxTokens: 100 });
    expect(finishReason).toBe("context");
    expect(tokens).toHaveLength(4);
    expect((await session.generate({ maxTokens: 1 })).tokens).toHaveLength(0);
    await expect(session.append({ ids: [1] })).rejects.toThrow(InputTooLongError);
    expect(session).toHaveLength(contextLength);
  });

  it("is an error when asked for, and the session as before", async () => {
    using session = generator.createSession({ contextLength, overflow: "error" });
    await session.append({ ids });
    await expect(session.generate({ maxTokens: 5 })).rejects.toThrow(InputTooLongError);
    expect(session.tokens).toEqual(ids);
    expect((await session.generate({ maxTokens: 4 })).finishReason).toBe("length");
  });

  it("drops the older half when asked to", async () => {
    using session = generator.createSession({ contextLength, overflow: "reevaluate" });
    await session.append({ ids });
    const { tokens, finishReason } = await session.generate({ maxTokens: 60, logprobs: true });
    expect(finishReason).toBe("length");
    // The same by hand.
    let sequence = [...ids];
    const expected: number[] = [];
    while (expected.length < 60) {
      if (sequence.length === contextLength) sequence = sequence.slice(-contextLength / 2);
      const maxTokens = Math.min(60 - expected.length, contextLength - sequence.length);
      const some = await generator.generate({ ids: sequence }, { maxTokens });
      expected.push(...some.tokens);
      sequence.push(...some.tokens);
    }
    expect([...tokens]).toEqual(expected);
    expect([...session.tokens]).toEqual(sequence);
    await session.append({ ids });
    expect([...session.tokens]).toEqual([...sequence, ...ids].slice(-20));
  });

  it("ends a generation whose last token there spells a stop string", async () => {
    using session = generator.createSession({ contextLength, overflow: "reevaluate" });
    await session.append({ ids });
    using twin = await session.fork();
    const { tokens } = await twin.generate({ maxTokens: 4 });
    const { tokenizer } = generator;
    const stop = tokenizer.decode(tokens.subarray(3));
    expect(tokenizer.decode(tokens.subarray(0, 3))).not.toContain(stop);
    // Nobody would ever see the end of the next round.
    const { stopString, finishReason } = await session.generate({ maxTokens: 2 ** 31 - 1, stop });
    expect({ stopString, finishReason }).toEqual({ stopString: stop, finishReason: "stop" });
    expect([...session.tokens]).toEqual([...ids, ...tokens]);
  });

  it("is at most the model's", () => {
    const { contextLength: most } = generator.info;
    expect(generator.createSession({ contextLength: most }).contextLength).toBe(most);
    expect(() => generator.createSession({ contextLength: most + 1 })).toThrow(InvalidArgumentError);
    expect(() => generator.createSession({ contextLength: 1, overflow: "reevaluate" })).toThrow(
      InvalidArgumentError,
    );
  });
});

describe("ending", () => {
  it("aborts whatever is under way, and leaves the tokens as they were", async () => {
    using session = generator.createSession();
    await session.append(TEXT);
    const before = session.tokens;
    for (const moment of [0, 1, 3, 10]) {
      const stop = new AbortController();
      const calls = [
        session.generate({ maxTokens: 100, signal: stop.signal }),
        session.append(" more", { signal: stop.signal }),
      ];
      const outcomes = Promise.allSettled(calls);
      await new Promise((resolve) => setTimeout(resolve, moment));
      stop.abort(new Error("enough"));
      for (const outcome of await outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(AbortError);
      }
      await session.truncate(before.length);
      expect(session.tokens).toEqual(before);
      await checkContinuation(session, 2);
      await session.truncate(before.length);
    }
  });

  it("rejects everything after and during disposal", async () => {
    const session = generator.createSession();
    await session.append(TEXT);
    const running = [session.generate({ maxTokens: 150 }), session.append(" more")];
    const outcomes = Promise.allSettled(running);
    session.dispose();
    session.dispose();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: expect.any(DisposedError) as unknown });
    }
    await expect(session.append("x")).rejects.toThrow(DisposedError);
    await expect(session.fork()).rejects.toThrow(DisposedError);
    expect(() => session.stream()).toThrow(DisposedError);
    await session[Symbol.asyncDispose]();
    expect(generator.memory().kvCache).toBe(0);
  });

  it("comes with the generator's", async () => {
    const other = await Generator.load("mini-gpt2", { threads: 1 });
    const session = other.createSession();
    await session.append(TEXT);
    const running = session.generate({ maxTokens: 150 });
    const outcomes = Promise.allSettled([running]);
    await other.dispose();
    expect((await outcomes)[0]).toMatchObject({ reason: expect.any(DisposedError) as unknown });
    await expect(session.append("x")).rejects.toThrow(DisposedError);
    expect(() => other.createSession()).toThrow(DisposedError);
  });

  it("refuses what it does not compute or know", async () => {
    expect(() => generator.createSession({ kvType: "f64" as "f32" })).toThrow(InvalidArgumentError);
    expect(() => generator.createSession({ contextLenght: 5 } as object)).toThrow(/contextLength/);
    using session = generator.createSession();
    for (const wrong of [5, null, { ids: [-1] }, { ids: [1.5] }, { text: "x" }]) {
      await expect(session.append(wrong as never)).rejects.toThrow(InvalidArgumentError);
    }
    for (const wrong of [-1, 1.5, Number.NaN, "2"]) {
      await expect(session.truncate(wrong as number)).rejects.toThrow(InvalidArgumentError);
    }
  });
});
