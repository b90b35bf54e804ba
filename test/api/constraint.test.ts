/** Generations that must match a regular expression, or be JSON of a schema. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildAutomaton } from "../../lib/constraint/automaton.js";
import { regexExpression } from "../../lib/constraint/regex.js";
import {
  AbortError,
  Generator,
  InvalidArgumentError,
  UnsatisfiableConstraintError,
  UnsupportedError,
  type GenerateOptions,
} from "../../lib/index.js";
import { read } from "../support/automaton.js";
import { integer, random } from "../support/random.js";

let generator: Generator;
beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2 });
});
afterAll(() => generator.dispose());

const PROMPT = "The sea was calm, and the men";

/** The greedy continuation by brute force: of all tokens that leave a beginning of a text, the likeliest. */
async function reference(prompt: readonly number[], source: string, maxTokens: number) {
  const automaton = buildAutomaton({ start: regexExpression(source), rules: new Map() });
  const { tokenizer, info } = generator;
  const tokens: number[] = [];
  while (tokens.length < maxTokens) {
    const { data, shape } = await generator.logits({ ids: [...prompt, ...tokens] });
    const logits = data.subarray((prompt.length + tokens.length - 1) * shape[1]!);
    const best = [...logits.keys()]
      .sort((a, b) => logits[b]! - logits[a]!)
      .find((id) => {
        if (id === info.eosToken) return read(automaton, tokenizer.decode(tokens)) === "text";
        const text = tokenizer.decode([...tokens, id]);
        return read(automaton, text) !== "neither" && text !== tokenizer.decode(tokens);
      })!;
    if (best === info.eosToken) return { tokens, ended: true };
    tokens.push(best);
    const text = tokenizer.decode(tokens);
    // Only ASCII may follow, so one character tells whether anything may.
    const canGoOn = Array.from({ length: 128 }, (_, i) => String.fromCharCode(i)).some(
      (each) => read(automaton, text + each) !== "neither",
    );
    if (read(automaton, text) === "text" && !canGoOn) return { tokens, ended: true };
  }
  return { tokens, ended: false };
}

describe("regex", () => {
  it.each([" (yes|no|perhaps)", "[a-z]{3}( [a-z]+){2}\\.", " [0-9]{2}:[0-9]{2}", "( [a-z]*e)+\\."])(
    "%s: the greedy text is the likeliest at each token",
    async (regex) => {
      const prompt = [...generator.tokenizer.encode(PROMPT).ids];
      const expected = await reference(prompt, regex, 24);
      const { tokens, text, finishReason } = await generator.generate(
        { ids: prompt },
        { regex, maxTokens: 24 },
      );
      expect([...tokens]).toEqual(expected.tokens);
      expect(finishReason).toBe(expected.ended ? "stop" : "length");
      if (expected.ended) expect(text).toMatch(new RegExp(`^(?:${regex})$`, "u"));
    },
  );

  it("holds whatever is drawn, and however (seeds 1 to 12)", async () => {
    const regex = /(?:\p{Lu}\p{Ll}{0,6}|[😀-😂é"\\]{1,2})(?:[ ,-][a-zß]+){0,4}[.!]/u;
    const whole = new RegExp(`^(?:${regex.source})$`, "u");
    const settings: GenerateOptions[] = [
      { temperature: 1 },
      { temperature: 3, topK: 0 },
      { topP: 0.5 },
      { mirostat: { version: 2 } },
      { xtc: { probability: 1, threshold: 0.01 }, repetitionPenalty: 1.3 },
      { minP: 0.1, order: ["temperature", "minP"] },
    ];
    const runs = Array.from({ length: 12 }, (_, i) =>
      generator.generate(PROMPT, { regex, maxTokens: 80, seed: i + 1, ...settings[i % settings.length] }),
    );
    let complete = 0;
    for (const { text, finishReason } of await Promise.all(runs)) {
      if (finishReason === "stop") {
        expect(text).toMatch(whole);
        complete++;
      } else expect(finishReason).toBe("length");
    }
    expect(complete).toBeGreaterThan(6);
  });

  it("leaves the text as it is where it allows everything", async () => {
    const plain = await generator.generate(PROMPT, { maxTokens: 40 });
    const free = await generator.generate(PROMPT, { maxTokens: 40, regex: /[\s\S]*/ });
    expect([...free.tokens]).toEqual([...plain.tokens]);
    expect(free.finishReason).toBe(plain.finishReason);
  });

  it("lets the text end where it is complete, and not before", async () => {
    const { eosToken } = generator.info;
    const wanting: GenerateOptions = { logitBias: { [eosToken!]: 1000 }, maxTokens: 20 };
    expect(await generator.generate(PROMPT, { ...wanting, regex: "[a-z]{5,9}" })).toMatchObject({
      text: expect.stringMatching(/^[a-z]{5,9}$/) as string,
      finishReason: "stop",
    });
    expect(await generator.generate(PROMPT, { ...wanting, regex: "" })).toMatchObject({
      text: "",
      finishReason: "stop",
    });
    // Without an end-of-text token only a text that nothing can follow ends.
    const endless = await generator.generate(PROMPT, { regex: "[a-z ]+", ignoreEos: true, maxTokens: 30 });
    expect(endless).toMatchObject({ finishReason: "length" });
    const closed = await generator.generate(PROMPT, { regex: "[a-z ]{9}", ignoreEos: true, maxTokens: 30 });
    expect(closed.text).toMatch(/^[a-z ]{9}$/);
    expect(closed.finishReason).toBe("stop");
    const atTheLimit = await generator.generate(PROMPT, { regex: "abc", maxTokens: closed.tokens.length });
    expect(atTheLimit).toMatchObject({ text: "abc", finishReason: "stop" });
  });

  it("writes characters of several tokens", async () => {
    const { text } = await generator.generate(PROMPT, { regex: "漢字😀 né\u0000\u{10ffff}" });
    expect(text).toBe("漢字😀 né\u0000\u{10ffff}");
  });
});

describe("jsonSchema", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string", maxLength: 10 },
      weight: { type: "number", minimum: 0, maximum: 1 },
      tags: { type: "array", items: { enum: ["sea", "land"] }, minItems: 1, maxItems: 2 },
    },
    required: ["name", "tags"],
  };

  it("gives JSON that is valid (seeds 1 to 16)", async () => {
    const isValid = new Ajv2020().compile(schema);
    const runs = Array.from({ length: 16 }, (_, i) =>
      generator.generate(PROMPT, {
        jsonSchema: schema,
        maxTokens: 150,
        seed: i + 1,
        temperature: 1 + (i % 2),
      }),
    );
    let complete = 0;
    for (const { text, finishReason } of await Promise.all(runs)) {
      if (finishReason !== "stop") continue;
      complete++;
      expect(isValid(JSON.parse(text)), text).toBe(true);
    }
    expect(complete).toBeGreaterThan(4);
  });

  it("any JSON", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const options = { jsonSchema: true, maxTokens: 60, seed, temperature: 1.5 };
      const { text, finishReason } = await generator.generate("{", options);
      if (finishReason === "stop") expect(() => JSON.parse(text) as unknown, text).not.toThrow();
    }
  });
});

describe("with everything else", () => {
  const regex = "( [a-z]+){6,12}\\.";
  const whole = new RegExp(`^(?:${regex})$`);

  it("the same text alone, beside others, streamed, at another thread count, and guessed ahead", async () => {
    const options = { regex, maxTokens: 60, seed: 11, temperature: 0.9 };
    const expected = await generator.generate(PROMPT, options);
    expect(expected.text).toMatch(whole);
    const others = [1, 2, 3].map((seed) => generator.generate("Other", { seed, maxTokens: 50 }));
    const beside = await Promise.all([
      generator.generate(PROMPT, options),
      generator.generate(PROMPT, { ...options, speculation: { method: "promptLookup" } }),
      ...others,
    ]);
    for (const each of beside.slice(0, 2)) expect([...each.tokens]).toEqual([...expected.tokens]);
    let streamed = "";
    for await (const { text } of generator.stream(PROMPT, options)) streamed += text;
    expect(streamed).toBe(expected.text);
    await using single = await Generator.load("mini-gpt2", { threads: 1 });
    expect((await single.generate(PROMPT, options)).text).toBe(expected.text);
  });

  it("beams", async () => {
    const { sequences } = await generator.beamSearch(PROMPT, {
      regex,
      numBeams: 4,
      numReturnSequences: 3,
      maxTokens: 40,
      diversityPenalty: 0.5,
      numBeamGroups: 2,
    });
    expect(sequences).toHaveLength(3);
    for (const { text, finishReason } of sequences) {
      if (finishReason === "stop") expect(text).toMatch(whole);
    }
    const one = await generator.beamSearch(PROMPT, { regex, numBeams: 1, maxTokens: 40 });
    const greedy = await generator.generate(PROMPT, { regex, maxTokens: 40 });
    expect([...one.sequences[0]!.tokens]).toEqual([...greedy.tokens]);
    await expect(generator.beamSearch(PROMPT, { regex, ignoreEos: true })).rejects.toThrow(
      InvalidArgumentError,
    );
  });

  it("guidance, and a function that changes logits", async () => {
    const guided = await generator.generate(PROMPT, { regex, guidanceScale: 1.5, maxTokens: 60 });
    const changed = await generator.generate(PROMPT, {
      regex,
      maxTokens: 60,
      logitsProcessor: (logits) => void logits.reverse(),
    });
    for (const { text, finishReason } of [guided, changed]) {
      if (finishReason === "stop") expect(text).toMatch(whole);
      expect(text).toMatch(/^[ a-z]*\.?$/);
    }
  });

  it("sessions, also where the context is evaluated again", async () => {
    using session = generator.createSession({ contextLength: 24, overflow: "reevaluate" });
    await session.append(PROMPT);
    const { text, finishReason } = await session.generate({
      regex: "(?:[a-z]{4}-){20}end",
      maxTokens: 200,
      seed: 4,
      ignoreEos: true,
    });
    expect(finishReason).toBe("stop");
    expect(text).toMatch(/^(?:[a-z]{4}-){20}end$/);
    // Each call has a text of its own.
    expect((await session.generate({ regex: "yes" })).text).toBe("yes");
  });

  it("many at once, some of them aborted (seed 97)", async () => {
    const next = random(97);
    const runs = Array.from({ length: 24 }, async (_, i) => {
      const controller = new AbortController();
      if (i % 3 === 0) setTimeout(() => controller.abort(), integer(next, 60));
      try {
        const result = await generator.generate(PROMPT, {
          regex: `( [a-z]{1,${1 + (i % 5)}}){8,20}!`,
          maxTokens: 90,
          seed: i,
          signal: controller.signal,
        });
        if (result.finishReason === "stop") expect(result.text).toMatch(/^(?: [a-z]{1,5}){8,20}!$/);
      } catch (error) {
        expect(error).toBeInstanceOf(AbortError);
        expect(i % 3).toBe(0);
      }
    });
    await Promise.all(runs);
  });
});

describe("what cannot be", () => {
  it("is an error before anything is generated", async () => {
    const rejects = (options: object, kind: new (...args: never[]) => Error) =>
      expect(generator.generate(PROMPT, options)).rejects.toThrow(kind);
    await rejects({ regex: "[^\\s\\S]" }, UnsatisfiableConstraintError);
    await rejects({ jsonSchema: false }, UnsatisfiableConstraintError);
    await rejects({ jsonSchema: { type: "integer", minimum: 2, maximum: 1 } }, UnsatisfiableConstraintError);
    await rejects({ regex: "(?=a)" }, UnsupportedError);
    await rejects({ jsonSchema: { multipleOf: 3 } }, UnsupportedError);
    await rejects({ regex: "(" }, InvalidArgumentError);
    await rejects({ regex: 7 }, InvalidArgumentError);
    await rejects({ jsonSchema: "{}" }, InvalidArgumentError);
    await rejects({ jsonSchema: [] }, InvalidArgumentError);
    await rejects({ regex: "a", jsonSchema: true }, InvalidArgumentError);
    const circular: Record<string, unknown> = {};
    circular.properties = circular;
    await rejects({ jsonSchema: circular }, InvalidArgumentError);
  });

  it("is an error where other options forbid what the text needs, and the others go on", async () => {
    const { tokenizer } = generator;
    const suppressTokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) =>
      tokenizer.decode([id]).includes("q"),
    );
    const [stuck, other] = await Promise.allSettled([
      generator.generate(PROMPT, { regex: "aq", suppressTokens }),
      generator.generate(PROMPT, { regex: "aq" }),
    ]);
    expect(stuck).toMatchObject({ status: "rejected", reason: { code: "INVALID_ARGUMENT" } });
    expect(other).toMatchObject({ status: "fulfilled", value: { text: "aq" } });
  });

  it("is an error where a text can be read in too many ways", async () => {
    const regex = `(${"(a|b)*".repeat(40)}){100}x[0-9]{4000}|${"a?".repeat(5000)}a{5000}`;
    await expect(generator.generate(PROMPT, { regex, maxTokens: 5 })).rejects.toThrow(UnsupportedError);
    expect((await generator.generate(PROMPT, { regex: "ok" })).text).toBe("ok");
  });
});
