import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder, Generator, inspect, InvalidArgumentError, quantize } from "../../lib/index.js";

/** Calls that a type checker would refuse, with a part of the message each must give. */
type WrongCall = [call: string, make: () => unknown, message: string];

describe("wrong arguments are named", () => {
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

  /** Any value for any parameter. */
  const wrong = (value: unknown) => value as never;
  const LENGTH = "Expected an integer from 3 to 512 for maxLength";
  const calls: WrongCall[] = [
    [
      "load()",
      () => Encoder.load(wrong(undefined)),
      "for pathOrName but received undefined of type undefined",
    ],
    [
      "load('')",
      () => Encoder.load(""),
      'Expected a string that is not empty for pathOrName but received ""',
    ],
    ["load threads", () => Encoder.load("mini-bert", { threads: 0 }), "for threads but received 0"],
    [
      "load device",
      () => Encoder.load("mini-bert", { device: wrong(1) }),
      "for device but received 1 of type number",
    ],
    ["load maxMemory", () => Generator.load("mini-gpt2", { maxMemory: -1 }), "for maxMemory but received -1"],
    [
      "load signal",
      () => Generator.load("mini-gpt2", { signal: wrong({}) }),
      "Expected an AbortSignal for signal",
    ],
    [
      "load onProgress",
      () => Encoder.load("mini-bert", { onProgress: wrong(5) }),
      "Expected a function for onProgress",
    ],
    [
      "load thread",
      () => Encoder.load("mini-bert", wrong({ thread: 2 })),
      "Unknown option thread of Encoder.load. Did you mean threads?",
    ],
    [
      "load 2nd",
      () => Generator.load("mini-gpt2", wrong("cpu")),
      'Expected an object for the options of Generator.load but received "cpu"',
    ],

    [
      "embed()",
      () => encoder.embed(wrong(undefined)),
      "Expected a string or an array of strings for text but received undefined",
    ],
    ["embed(5)", () => encoder.embed(wrong(5)), "for text but received 5 of type number"],
    ["embed([5])", () => encoder.embed(wrong(["a", 5])), "Expected a string for texts[1] but received 5"],
    ["embed set", () => encoder.embed(wrong(new Set(["a"]))), "for text but received an object of type Set"],
    ["embed pooling", () => encoder.embed("a", { pooling: wrong("avg") }), 'for pooling but received "avg"'],
    [
      "embed normalize",
      () => encoder.embed("a", { normalize: wrong("yes") }),
      "Expected true or false for normalize",
    ],
    [
      "embed dimensions",
      () => encoder.embed("a", { dimensions: 257 }),
      "Expected an integer from 1 to 256 for dimensions",
    ],
    ["embed prompt", () => encoder.embed("a", { prompt: wrong(1) }), "Expected a string for prompt"],
    ["embed prompt name", () => encoder.embed("a", { prompt: "query" }), "(it has none)"],
    ["embed maxLength", () => encoder.embed("a", { maxLength: 2.5 }), "for maxLength but received 2.5"],
    [
      "embed truncate",
      () => encoder.embed("a", { truncate: wrong(1) }),
      "Expected true or false for truncate",
    ],
    [
      "embed onTruncate",
      () => encoder.embed("a", { onTruncate: wrong(1) }),
      "Expected a function for onTruncate",
    ],
    [
      "embed poling",
      () => encoder.embed("a", wrong({ poling: "cls" })),
      "Unknown option poling of embed. Did you mean pooling?",
    ],
    [
      "embed precision",
      () => encoder.embed("a", wrong({ precision: "int4" })),
      'for precision but received "int4"',
    ],

    [
      "encode()",
      () => encoder.encode(wrong(null)),
      "Expected a string, { text, pair } or { ids, segmentIds }",
    ],
    [
      "encode {}",
      () => encoder.encode(wrong({})),
      "Expected a string, { text, pair } or { ids, segmentIds } for input",
    ],
    ["encode pair", () => encoder.encode({ text: "a", pair: wrong(1) }), "Expected a string for input.pair"],
    ["encode extra", () => encoder.encode(wrong({ text: "a", pairs: "b" })), "for input"],
    [
      "encode ids",
      () => encoder.encode({ ids: [101, 30522] }),
      "Expected an integer from 0 to 30521 for input.ids[1] but received 30522",
    ],
    [
      "encode no ids",
      () => encoder.encode([{ ids: [] }]),
      "Expected at least one token id for inputs[0].ids",
    ],
    [
      "encode segments",
      () => encoder.encode({ ids: [101], segmentIds: [2] }),
      "Expected an integer from 0 to 1 for input.segmentIds[0]",
    ],
    [
      "encode segment count",
      () => encoder.encode({ ids: [101, 102], segmentIds: [0] }),
      "Expected 2 segment ids",
    ],
    ["encode nested", () => encoder.encode(wrong([["a"]])), "for inputs[0]"],
    [
      "encode option",
      () => encoder.encode("a", { attentions: wrong("all") }),
      "Expected true or false for attentions",
    ],
    ["encode hidden", () => encoder.encode("a", wrong({ hiddenState: true })), "Did you mean hiddenStates?"],

    ["fillMask topK", () => encoder.fillMask("[MASK]", { topK: 0 }), "for topK but received 0"],
    [
      "fillMask targets",
      () => encoder.fillMask("[MASK]", { targets: wrong("sea") }),
      "Expected an array of strings for targets",
    ],
    [
      "fillMask target",
      () => encoder.fillMask("[MASK]", { targets: wrong([1]) }),
      "Expected a string for targets[0]",
    ],
    [
      "fillMask temperature",
      () => encoder.fillMask("[MASK]", { temperature: 0 }),
      "Expected a number above 0 for temperature",
    ],
    [
      "fillMask filling",
      () => encoder.fillMask("[MASK]", { filling: wrong("joint") }),
      '"independent" or "sequential" for filling',
    ],
    ["fillMask text", () => encoder.fillMask(wrong(1)), "for text but received 1"],
    ["fillMask top_k", () => encoder.fillMask("[MASK]", wrong({ top_k: 1 })), "Did you mean topK?"],

    [
      "nextSentence a",
      () => encoder.nextSentence(wrong(1), "b"),
      "Expected a string or an array of pairs for a but received 1",
    ],
    [
      "nextSentence b",
      () => encoder.nextSentence("a", wrong(undefined)),
      "Expected a string for b but received undefined",
    ],
    [
      "nextSentence pair",
      () => encoder.nextSentence(wrong([["a"]])),
      "Expected a pair of strings for pairs[0]",
    ],
    [
      "nextSentence pair 1",
      () => encoder.nextSentence(wrong([["a", 1]])),
      "Expected a string for pairs[0][1]",
    ],
    ["nextSentence option", () => encoder.nextSentence("a", "b", { maxLength: 2 }), LENGTH],
    [
      "nextSentence pairs option",
      () => encoder.nextSentence([["a", "b"]], wrong({ topK: 1 })),
      "Unknown option topK of nextSentence",
    ],

    ["generate maxTokens", () => generator.generate("a", { maxTokens: 0 }), "for maxTokens but received 0"],
    [
      "generate temperature",
      () => generator.generate("a", { temperature: -1 }),
      "Expected a number of at least 0 for temperature",
    ],
    [
      "generate temperature NaN",
      () => generator.generate("a", { temperature: Number.NaN }),
      "for temperature but received NaN",
    ],
    ["generate topK", () => generator.generate("a", { topK: 1.5 }), "for topK but received 1.5"],
    [
      "generate topP",
      () => generator.generate("a", { topP: 0 }),
      "Expected a number above 0 and at most 1 for topP",
    ],
    ["generate topP", () => generator.generate("a", { topP: 1.01 }), "for topP but received 1.01"],
    [
      "generate seed",
      () => generator.generate("a", { seed: 2 ** 32 }),
      "Expected an integer from 0 to 4294967295 for seed",
    ],
    [
      "generate stop",
      () => generator.generate("a", { stop: wrong(1) }),
      "Expected a string or an array of strings for stop",
    ],
    [
      "generate stop ''",
      () => generator.generate("a", { stop: ["b", ""] }),
      "Expected a string that is not empty for stop[1]",
    ],
    [
      "generate ignoreEos",
      () => generator.generate("a", { ignoreEos: wrong(1) }),
      "Expected true or false for ignoreEos",
    ],
    [
      "generate logprobs",
      () => generator.generate("a", { logprobs: wrong(5) }),
      "Expected true or false for logprobs",
    ],
    [
      "generate onToken",
      () => generator.generate("a", { onToken: wrong("f") }),
      "Expected a function for onToken",
    ],
    [
      "generate max_tokens",
      () => generator.generate("a", wrong({ max_tokens: 5 })),
      "Unknown option max_tokens of generate. Did you mean maxTokens?",
    ],
    [
      "stream max_tokens",
      async () => generator.stream("a", wrong({ max_tokens: 5 })),
      "Unknown option max_tokens of stream",
    ],
    ["logits input", () => generator.logits(wrong(["a"])), "Expected a string or { ids } for input"],
    [
      "logits option",
      () => generator.logits("a", wrong({ signals: 1 })),
      "Unknown option signals of logits. Did you mean signal?",
    ],

    ["convert", () => convert(wrong(1), "out"), "for dir but received 1"],
    ["convert type", () => convert("in", "out", { type: wrong("Q9") }), "for type but received"],
    ["quantize", () => quantize("in", wrong(1), { type: "Q8_0" }), "for out but received 1"],
    ["inspect", () => inspect(wrong({})), "for pathOrName but received an object of type Object"],
  ];

  it.each(calls)("%s", async (_, make, message) => {
    const result = (async () => make())();
    await expect(result).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(result).rejects.toThrow(message);
    await expect(result).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("loads nothing with wrong arguments, and reports what cannot be loaded", async () => {
    await expect(Encoder.load("mini-gpt2")).rejects.toThrow(/cannot load .*mini-gpt2\.gguf.*Generator\.load/);
    await expect(Generator.load("mini-bert")).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await expect(Encoder.load("no-such-model")).rejects.toMatchObject({ code: "MODEL_FILE_NOT_FOUND" });
    await expect(Encoder.load("mini-bert", { device: "abacus" })).rejects.toMatchObject({
      code: "DEVICE_UNAVAILABLE",
      details: { device: "abacus" },
    });
    await expect(Encoder.load("mini-bert", { maxMemory: 1000 })).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      details: { available: 1000 },
    });
  });
});
