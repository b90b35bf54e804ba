import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  fromNativeError,
  native,
  type EncodeRequest,
  type GenerateRequest,
  type LogitsExchange,
  type NativeModel,
  type NativeTask,
} from "../../lib/native.js";
import type { GgmlTransformersError } from "../../lib/errors.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { loadNative, randomBert, randomGpt2 } from "./models.js";
import { encode, generate, generateRequest, logits } from "./requests.js";

const folder = temporaryFolder();

/** The typed error of a call that throws or rejects. */
async function failure(start: () => NativeTask<unknown>): Promise<GgmlTransformersError> {
  try {
    await start().promise;
  } catch (error) {
    return fromNativeError(error);
  }
  throw new Error("Nothing was refused");
}

const NOT_IDS = [
  undefined,
  null,
  7,
  "1,2",
  [1, 2],
  {},
  new Float32Array([1, 2]),
  new Uint32Array([1, 2]),
  new DataView(new ArrayBuffer(8)),
  new Proxy(new Int32Array(2), {}),
];
/** Any value, as a failure shows it. */
const shown = (value: unknown) => inspect(value, { depth: 3, breakLength: 200 });
const NOT_BOOLEANS = [null, 0, 1, "true", {}];
const NOT_OBJECTS = [undefined, null, 3, "request", true];

/** An object whose property throws when it is read. */
function trap(base: object, key: string): object {
  return Object.defineProperty({ ...base }, key, {
    get() {
      throw new Error("the getter's own");
    },
    enumerable: true,
  });
}

describe("an encoder", () => {
  let model: NativeModel;
  const good: EncodeRequest = {
    ids: Int32Array.of(1, 2, 3, 4, 5),
    lengths: Int32Array.of(2, 3),
    segments: Int32Array.of(0, 1, 0, 0, 1),
    mlmPositions: Int32Array.of(4, 0),
    pooling: "mean",
    normalize: true,
    lastHiddenState: true,
    poolerOutput: true,
    nextSentence: true,
  };
  beforeAll(async () => {
    const { spec } = await randomBert(folder, { context: 8, V: 50 });
    model = await loadNative(spec);
  });
  afterAll(() => model.dispose());

  const refuse = async (request: unknown, code = "INVALID_ARGUMENT") => {
    const error = await failure(() => model.encode(request as EncodeRequest));
    expect(error, shown(request)).toMatchObject({ code });
    expect(error.message.length).toBeGreaterThan(10);
  };

  it("refuses what is of the wrong type, field by field, and goes on", async () => {
    const before = await encode(model, good);
    for (const request of NOT_OBJECTS) await refuse(request);
    for (const field of ["ids", "lengths", "segments", "mlmPositions"]) {
      for (const value of NOT_IDS) {
        if (value === undefined && (field === "segments" || field === "mlmPositions")) continue;
        await refuse({ ...good, [field]: value });
      }
    }
    const flags = [
      "normalize",
      "lastHiddenState",
      "hiddenStates",
      "attentions",
      "poolerOutput",
      "nextSentence",
      "sequenceLogits",
      "tokenLogits",
      "answerLogits",
    ];
    for (const field of flags) for (const value of NOT_BOOLEANS) await refuse({ ...good, [field]: value });
    for (const pooling of [null, 1, "", "average", "MEAN", {}]) await refuse({ ...good, pooling });
    expect(await encode(model, good)).toEqual(before);
  });

  it("refuses lengths and values out of range", async () => {
    for (const lengths of [[2], [2, 2], [2, 4], [5, 0], [0, 5], [6, -1], [2 ** 31 - 1, 2 ** 31 - 1]]) {
      const total = lengths.reduce((a, b) => a + b, 0);
      const tooLong = lengths.some((length) => length > 8) && lengths.every((length) => length > 0);
      await refuse({ ...good, lengths: Int32Array.from(lengths) }, tooLong ? "INPUT_TOO_LONG" : undefined);
      expect(total).not.toBe(0);
    }
    for (const id of [-1, 50, 2 ** 31 - 1, -(2 ** 31)]) {
      await refuse({ ...good, ids: good.ids.with(2, id) });
      await refuse({ ...good, segments: good.segments!.with(4, id) });
      await refuse({ ...good, mlmPositions: Int32Array.of(0, id) });
    }
    await refuse({ ...good, segments: good.segments!.with(0, 2) });
    await refuse({ ...good, segments: Int32Array.of(0, 1) });
    await refuse({ ...good, mlmPositions: Int32Array.of(5) });
    const long = { ids: new Int32Array(9), lengths: Int32Array.of(9) };
    const error = await failure(() => model.encode(long));
    expect(error).toMatchObject({ code: "INPUT_TOO_LONG", details: { length: 9, limit: 8 } });
  });

  it("answers an empty request with nothing, and one that wants nothing too", async () => {
    const none = { ids: new Int32Array(0), lengths: new Int32Array(0) };
    expect(await encode(model, none)).toEqual({});
    expect(
      await encode(model, { ...none, pooling: "mean", lastHiddenState: true, attentions: true }),
    ).toEqual({});
    expect(await encode(model, { ids: good.ids, lengths: good.lengths })).toEqual({});
    await refuse({ ...none, ids: good.ids });
  });

  it("reads its arguments before it returns, and memory that is shared or gone does no harm", async () => {
    const expected = await encode(model, good);
    const ids = good.ids.slice();
    const task = model.encode({ ...good, ids });
    ids.fill(49);
    expect(await task.promise).toEqual(expected);
    const shared = new Int32Array(new SharedArrayBuffer(20));
    shared.set(good.ids);
    expect(await encode(model, { ...good, ids: shared })).toEqual(expected);
    const detached = good.ids.slice();
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await refuse({ ...good, ids: detached });
  });

  it("passes on what a getter throws", async () => {
    for (const key of Object.keys(good)) {
      await expect(async () => model.encode(trap(good, key) as EncodeRequest).promise).rejects.toThrow(
        /getter/,
      );
    }
    expect(await encode(model, good)).toHaveProperty("pooled");
  });

  it("refuses a decoder's work", async () => {
    const request = generateRequest([1], 1);
    expect(await failure(() => model.generate(request))).toMatchObject({ code: "UNSUPPORTED" });
    expect(await failure(() => model.logits(Int32Array.of(1)))).toMatchObject({ code: "UNSUPPORTED" });
  });
});

describe("a decoder", () => {
  let model: NativeModel;
  const good = generateRequest([1, 2, 3], 4, { sampling: { temperature: 1, topK: 3, topP: 0.9, seed: 1 } });
  beforeAll(async () => {
    const { spec } = await randomGpt2(folder, { context: 8, V: 50 });
    model = await loadNative(spec);
  });
  afterAll(() => model.dispose());

  const refuse = async (request: unknown, code = "INVALID_ARGUMENT") => {
    const error = await failure(() => model.generate(request as GenerateRequest));
    expect(error, shown(request)).toMatchObject({ code });
  };
  const sampled = (field: string, value: unknown) => {
    return { ...good, sampling: { ...good.sampling, [field]: value } };
  };

  it("refuses what is of the wrong type, field by field, and goes on", async () => {
    const before = await generate(model, [1, 2, 3], 4);
    for (const request of NOT_OBJECTS) await refuse(request);
    for (const value of NOT_IDS) {
      await refuse({ ...good, ids: value });
      await refuse({ ...good, stopIds: value });
      expect(await failure(() => model.logits(value as Int32Array))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    for (const value of NOT_BOOLEANS) await refuse({ ...good, logprobs: value });
    for (const value of NOT_OBJECTS) await refuse({ ...good, sampling: value });
    for (const value of [undefined, null, "4", 4n, 1.5, -1, Number.NaN, Infinity, 2 ** 31]) {
      await refuse({ ...good, maxTokens: value });
      await refuse(sampled("topK", value));
    }
    for (const value of [undefined, null, "1", -0.1, Number.NaN, Infinity])
      await refuse(sampled("temperature", value));
    for (const value of [undefined, null, "1", 0, -0.1, 1.0001, Number.NaN])
      await refuse(sampled("topP", value));
    for (const value of [undefined, null, "1", -1, 0.5, 2 ** 32, Number.NaN])
      await refuse(sampled("seed", value));
    const { tokens, logprobs } = await generate(model, [1, 2, 3], 4);
    expect({ tokens, logprobs }).toEqual({ tokens: before.tokens, logprobs: before.logprobs });
  });

  it("refuses prompts that are empty, too long or not of the vocabulary", async () => {
    await refuse({ ...good, ids: new Int32Array(0) });
    await refuse({ ...good, ids: new Int32Array(9) }, "INPUT_TOO_LONG");
    for (const id of [-1, 50, 2 ** 31 - 1]) {
      await refuse({ ...good, ids: Int32Array.of(1, id) });
      expect(await failure(() => model.logits(Int32Array.of(id)))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    expect(await failure(() => model.logits(new Int32Array(0)))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("refuses unknown names among the sampling options", async () => {
    for (const name of ["top_k", "toString", "", "min_p"]) await refuse(sampled(name, 1));
  });

  it("refuses wrong values of the other sampling options", async () => {
    const numbers = [
      "minP",
      "typicalP",
      "topNSigma",
      "xtcProbability",
      "xtcThreshold",
      "mirostatTau",
      "dryBase",
    ];
    for (const name of numbers)
      for (const value of [null, "1", -0.1, Number.NaN]) await refuse(sampled(name, value));
    for (const name of ["penaltyWindow", "dryWindow", "noRepeatNgramSize", "minNewTokens", "mirostat"]) {
      for (const value of [null, "1", -1, 1.5, 2 ** 31]) await refuse(sampled(name, value));
    }
    for (const name of ["repetitionPenalty", "frequencyPenalty", "presencePenalty", "dynamicRange"]) {
      for (const value of [null, "1", Infinity, Number.NaN]) await refuse(sampled(name, value));
    }
    for (const value of NOT_IDS.filter((each) => each !== undefined)) {
      await refuse(sampled("suppressTokens", value));
      await refuse(sampled("dryBreakers", value));
      await refuse(sampled("badWords", [value]));
      await refuse(sampled("logitBias", { ids: value, biases: new Float32Array(1) }));
    }
    for (const value of [1, [new Int32Array(0)], {}]) await refuse(sampled("badWords", value));
    const ids = Int32Array.of(1, 2);
    for (const biases of [undefined, [1, 2], new Float32Array(1), Float32Array.of(1, Infinity)]) {
      await refuse(sampled("logitBias", { ids, biases }));
    }
    for (const value of ["topK", [1], ["topX"], ["topK", "topK"], ["temperature"]])
      await refuse(sampled("order", value));
    // What is no token has no logit to change.
    const ignored = { suppressTokens: Int32Array.of(-1, 50), badWords: [Int32Array.of(2 ** 31 - 1)] };
    expect((await generate(model, [1, 2, 3], 4, { sampling: ignored })).tokens).toHaveLength(4);
  });

  it("exchanges logits when it is the caller's turn alone, and whole", async () => {
    for (const value of NOT_OBJECTS.filter((each) => each !== undefined)) {
      await refuse({ ...good, logitsExchange: value });
    }
    const exchange: LogitsExchange = {};
    const thrown: unknown[] = [];
    const attempt = (run: () => void) => {
      try {
        run();
      } catch (error) {
        thrown.push((error as { code?: string }).code);
      }
    };
    let calls = 0;
    const logits = new Float32Array(50);
    const request = generateRequest([1, 2, 3], 4, { logitsExchange: exchange });
    const task = model.generate(request, (token) => {
      if (token >= 0) return;
      calls++;
      for (const wrong of [undefined, new Float32Array(49), new Float64Array(50), [1]]) {
        attempt(() => exchange.read!(wrong as Float32Array));
        attempt(() => exchange.write!(wrong as Float32Array));
      }
      exchange.read!(logits);
      exchange.write!(logits);
    });
    const { tokens } = await task.promise;
    attempt(() => exchange.read!(logits));
    attempt(() => exchange.write!(logits));
    expect(calls).toBe(4);
    expect(thrown).toEqual(Array(4 * 8 + 2).fill("INVALID_ARGUMENT"));
    expect(tokens).toEqual((await generate(model, [1, 2, 3], 4)).tokens);
  });

  it("takes stop ids that no token can be", async () => {
    const result = await generate(model, [1, 2, 3], 4, { stopIds: Int32Array.of(-1, 50, 2 ** 31 - 1) });
    expect(result.tokens).toHaveLength(4);
  });

  it("refuses a callback that is not a function", async () => {
    for (const callback of [null, 1, {}, "f"]) {
      const start = () => model.generate(good, callback as unknown as () => void);
      expect(await failure(start)).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("refuses the heads of encoders", async () => {
    const request = { ids: Int32Array.of(1), lengths: Int32Array.of(1) };
    for (const wanted of [
      { poolerOutput: true },
      { mlmPositions: Int32Array.of(0) },
      { tokenLogits: true },
    ]) {
      const outcome = await failure(() => model.encode({ ...request, ...wanted }));
      expect(outcome).toMatchObject({ code: "UNSUPPORTED" });
    }
    expect(await logits(model, Int32Array.of(1))).toHaveLength(50);
  });
});

describe("rows", () => {
  it("are refused when their number, size, type or values are wrong", async () => {
    const data = new Float32Array(64);
    const addon = native();
    const refused = async (start: () => NativeTask<unknown>, code: string) => {
      expect(await failure(start)).toMatchObject({ code });
    };
    await refused(() => addon.quantizeRows("Q9_9" as "Q8_0", data, 32), "UNSUPPORTED");
    await refused(() => addon.quantizeRows(8 as unknown as "Q8_0", data, 32), "INVALID_ARGUMENT");
    for (const width of [0, -32, 31, 33, 1.5, Number.NaN, 2 ** 40, "32"]) {
      await refused(() => addon.quantizeRows("Q8_0", data, width as number), "INVALID_ARGUMENT");
      await refused(
        () => addon.dequantizeRows("Q8_0", new Uint8Array(68), width as number),
        "INVALID_ARGUMENT",
      );
    }
    await refused(() => addon.quantizeRows("Q8_0", new Float32Array(48), 32), "INVALID_ARGUMENT");
    await refused(() => addon.quantizeRows("Q4_K", data, 64), "INVALID_ARGUMENT");
    await refused(() => addon.dequantizeRows("Q8_0", new Uint8Array(35), 32), "INVALID_ARGUMENT");
    await refused(() => addon.quantizeRows("Q8_0", new Float64Array(64) as never, 32), "INVALID_ARGUMENT");
    await refused(() => addon.dequantizeRows("Q8_0", data as never, 32), "INVALID_ARGUMENT");
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      await refused(() => addon.quantizeRows("Q8_0", data.with(40, value), 32), "INVALID_ARGUMENT");
    }
    expect(await addon.quantizeRows("Q8_0", new Float32Array(0), 32).promise).toHaveLength(0);
    expect(await addon.dequantizeRows("F32", new Uint8Array(0), 32).promise).toHaveLength(0);
  });
});
