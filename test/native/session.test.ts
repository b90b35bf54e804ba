import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NativeModel, NativeSession, NativeTask } from "../../lib/native.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, loadNative, randomGpt2, THREADS } from "./models.js";
import { generate, generateRequest, randomIds } from "./requests.js";

const SEED = 77_007;
const V = 67;
const H = 64;
const L = 2;
const CONTEXT = 128;
const folder = temporaryFolder();

function code(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

describe.each(LOWERINGS)("a session's keys and values, %s", (lowering) => {
  let models: NativeModel[];
  beforeAll(async () => {
    const { spec } = await randomGpt2(folder, { type: "Q8_0", H, A: 4, F: 128, L, V, context: CONTEXT });
    models = await Promise.all(THREADS[lowering].map((threads) => loadNative(spec, { lowering, threads })));
  });
  afterAll(() => Promise.all(models.map((model) => model.dispose())));

  it(`are worth the same as new ones, whatever was shared or taken back (seed ${SEED})`, async () => {
    const next = random(SEED);
    for (const model of models) {
      const sessions: { native: NativeSession; ids: Int32Array }[] = [
        { native: model.createSession(), ids: randomIds(next, 1, V) },
      ];
      for (let step = 0; step < 80; step++) {
        const at = sessions[integer(next, sessions.length)]!;
        if (integer(next, 3) === 0) sessions.push({ native: at.native.fork(), ids: at.ids });
        // Keeps a part and goes on differently.
        const kept = integer(next, at.ids.length + 1);
        const most = Math.min(CONTEXT - 9, kept + 40);
        const ids = Int32Array.from([
          ...at.ids.subarray(0, Math.min(kept, most - 1)),
          ...randomIds(next, 1 + integer(next, most - Math.min(kept, most - 1)), V),
        ]);
        const [got, expected] = await Promise.all([
          generate(model, ids, 8, { session: at.native }),
          generate(model, ids, 8),
        ]);
        expect(got.tokens).toEqual(expected.tokens);
        expect(got.logprobs).toEqual(expected.logprobs);
        expect(got.evaluatedTokens).toBeLessThanOrEqual(ids.length);
        at.ids = Int32Array.from([...ids, ...got.tokens]);
        expect(at.native.tokens()).toEqual(at.ids.subarray(0, -1));
      }
      for (const { native } of sessions) native.dispose();
      expect(model.memory().kvCache).toBe(0);
    }
  });

  it("can be taken out and put into another session", async () => {
    const model = models[0]!;
    const session = model.createSession();
    const ids = randomIds(random(SEED), 70, V);
    await generate(model, ids, 0, { session });
    const rows = [session.read(0, 16), session.read(16, 48)];
    expect(rows.map(({ length }) => length)).toEqual([16 * 2 * L * H, 48 * 2 * L * H]);
    const copy = model.createSession();
    copy.write(0, 16, rows[0]!);
    copy.write(16, 48, rows[1]!);
    copy.commit(ids.subarray(0, 64));
    const got = await generate(model, ids, 10, { session: copy });
    expect(got.evaluatedTokens).toBe(6);
    expect(got.tokens).toEqual((await generate(model, ids, 10)).tokens);
  });

  it("are one request's at a time", async () => {
    const model = models[0]!;
    const session = model.createSession();
    let second: NativeTask<unknown> | undefined;
    const attempts = [
      () => session.tokens(),
      () => session.fork(),
      () => (second = model.generate({ ...generateRequest(Int32Array.of(1), 1), session })),
    ];
    for (const attempt of attempts) {
      let refusal: unknown;
      // The engine may be done before the attempt when this thread has to wait for a processor.
      for (let i = 0; i < 100 && refusal === undefined; i++) {
        const task = model.generate({ ...generateRequest(randomIds(random(SEED), 5, V), 100), session });
        refusal = code(attempt);
        task.cancel();
        await Promise.allSettled([task.promise, second?.promise]);
      }
      expect(refusal).toBe("INVALID_ARGUMENT");
    }
    expect(session.tokens().length).toBeLessThanOrEqual(104);
    expect(code(() => session.fork().dispose())).toBeUndefined();
  });

  it("are refused when they are not of this model, or not a session at all", () => {
    const [model] = models;
    const foreign = models[1]!.createSession();
    const request = generateRequest(Int32Array.of(1), 1);
    expect(code(() => model!.generate({ ...request, session: foreign }))).toBe("INVALID_ARGUMENT");
    const imitation = Object.create(Object.getPrototypeOf(foreign) as object) as NativeSession;
    for (const wrong of [{}, null, 5, imitation, model]) {
      expect(code(() => model!.generate({ ...request, session: wrong as never }))).toBe("INVALID_ARGUMENT");
    }
    foreign.dispose();
    expect(code(() => models[1]!.generate({ ...request, session: foreign }))).toBe("DISPOSED");
    expect(code(() => foreign.tokens())).toBe("DISPOSED");
    const NativeSession = foreign.constructor as new (...args: unknown[]) => NativeSession;
    for (const args of [[], [5], [{}]]) expect(() => new NativeSession(...args)).toThrow(TypeError);
  });

  it("are neither read nor written where there are none", async () => {
    const model = models[0]!;
    const session = model.createSession();
    await generate(model, randomIds(random(SEED), 40, V), 0, { session });
    for (const [first, count] of [
      [0, 48],
      [32, 16],
      [1, 16],
      [0, 5],
      [-16, 16],
      [0, 1e9],
      [0, Number.NaN],
    ]) {
      expect(
        code(() => session.read(first!, count!)),
        `${first}, ${count}`,
      ).toBe("INVALID_ARGUMENT");
    }
    const row = 2 * L * H;
    expect(code(() => session.write(0, 16, new Float32Array(16 * row)))).toBe("INVALID_ARGUMENT");
    const empty = model.createSession();
    const write = (first: number, count: number, values: number) =>
      code(() => empty.write(first, count, new Float32Array(values)));
    expect(write(16, 16, 16 * row)).toBe("INVALID_ARGUMENT");
    expect(write(0, 16, 16 * row - 1)).toBe("INVALID_ARGUMENT");
    expect(write(0, 15, 15 * row)).toBe("INVALID_ARGUMENT");
    expect(write(0, 2 ** 40, 16 * row)).toBe("INVALID_ARGUMENT");
    expect(code(() => empty.write(0, 16, [] as never))).toBe("INVALID_ARGUMENT");
    expect(write(0, 16, 16 * row)).toBeUndefined();
    expect(code(() => empty.commit(new Int32Array(15)))).toBe("INVALID_ARGUMENT");
    expect(code(() => empty.commit([] as never))).toBe("INVALID_ARGUMENT");
    // Not committed: worth nothing.
    const ids = randomIds(random(SEED), 20, V);
    const got = await generate(model, ids, 3, { session: empty });
    expect(got.evaluatedTokens).toBe(20);
    expect(got.tokens).toEqual((await generate(model, ids, 3)).tokens);
  });
});
