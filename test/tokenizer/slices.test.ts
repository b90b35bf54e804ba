/** Long texts: the same tokens, in steps short enough that the event loop can turn between them. */
import { beforeAll, describe, expect, it } from "vitest";
import { AbortError, TokenizerError } from "../../lib/errors.js";
import { JsonObject, parseJsonInSteps, type Json } from "../../lib/tokenizer/json-slices.js";
import { loadTokenizerJson } from "../../lib/tokenizer/load-json.js";
import { Pipeline } from "../../lib/tokenizer/pipeline.js";
import { runInSlices, runNow } from "../../lib/tokenizer/time-slices.js";
import { TOKEN_END, TOKEN_ID, TOKEN_START, TOKEN_WORD, TokenSink } from "../../lib/tokenizer/token-sink.js";
import { NO_CONFIG } from "../../lib/tokenizer/tokenizer-parts.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { englishText, fixture, randomNumbers, SENTENCES, TextMaker } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const bert = JSON.parse(fixture("bert.json"));
const gpt2 = JSON.parse(fixture("gpt2.json"));
const roberta = { ...gpt2, pre_tokenizer: { ...gpt2.pre_tokenizer, add_prefix_space: true } };
const general = {
  ...bert,
  normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, bert.normalizer] },
};

const withTokens = {
  ...bert,
  added_tokens: [
    ...bert.added_tokens,
    ...["Lorem", "the sea", "[", "\u0301a"].map((content, i) => ({
      id: content === "[" ? 1031 : 30522 + i - (i > 2 ? 1 : 0),
      content,
      special: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: true,
    })),
  ],
};

const english = englishText(2_000_000);
const random = randomNumbers(5);

/** Texts of a length that only come up in chunks. */
function longTexts(length: number): [string, string][] {
  const repeated = (text: string): string => text.repeat(Math.ceil(length / text.length)).slice(0, length);
  const mixed = Array.from({ length: length / 2 }, () =>
    String.fromCharCode(0x4e00 + Math.floor(random() * 20000)),
  );
  return [
    ["English", english.slice(0, length)],
    ["all scripts", repeated(SENTENCES.join(" "))],
    ["ideographs without a space", mixed.join("")],
    ["Hangul without a space", repeated("\ud55c\uad6d\uc5b4")],
    ["one word", repeated("a")],
    ["one word of many letters", repeated("thequickbrownfoxjumpsoverthelazydog")],
    ["white space", repeated(" \n\t  ")],
    ["marks on one letter", `a${repeated("\u0301\u0323\u0300")}`],
    ["pairs of surrogates", `x${repeated("\u{1f600}\u{1f3fd}")}`],
    ["apostrophes", repeated("'")],
    ["special tokens", repeated("[MASK]a[[SEP]<|endoftext|> ")],
    ["control characters", repeated("a\0b\u200d\u0007")],
    ["digits", repeated("0123456789")],
  ];
}

/** Ids, offsets and words of a text. */
function tokensOf(pipeline: Pipeline, text: string): number[] {
  const sink = new TokenSink();
  runNow(pipeline.encode(text, sink));
  const sequence = sink.finish(text);
  const fields = [TOKEN_ID, TOKEN_START, TOKEN_END, TOKEN_WORD];
  return Array.from({ length: sequence.length }, (_, i) =>
    fields.map((field) => sequence.get(i, field)),
  ).flat();
}

describe.each([
  ["BERT", bert],
  ["GPT-2", gpt2],
  ["RoBERTa", roberta],
  ["a normalizer that needs the whole text", general],
  ["BERT with tokens matched in the normalized text", withTokens],
])("long texts in %s", (_, definition) => {
  it("are tokenized like short ones", async () => {
    const [tokenizer, reference] = await bothFrom(definition);
    await compareTexts(
      tokenizer,
      reference,
      longTexts(40_000).map(([, text]) => text),
    );
  }, 120_000);

  it("are tokenized the same in chunks of any size", async () => {
    const parts = await runInSlices(loadTokenizerJson(Buffer.from(JSON.stringify(definition)), NO_CONFIG));
    const whole = runNow(Pipeline.build(parts.pipeline));
    const maker = new TextMaker(11, english.slice(0, 100_000), Object.keys(bert.model.vocab));
    for (const chunk of [1, 2, 3, 7]) {
      const pipeline = runNow(Pipeline.build(parts.pipeline, chunk));
      for (const text of [...SENTENCES, ...Array.from({ length: 400 }, () => maker.next())]) {
        expect(tokensOf(pipeline, text), JSON.stringify(text)).toEqual(tokensOf(whole, text));
      }
    }
  });

  it("are tokenized in short steps", async () => {
    const parts = await runInSlices(loadTokenizerJson(Buffer.from(JSON.stringify(definition)), NO_CONFIG));
    const pipeline = runNow(Pipeline.build(parts.pipeline));
    for (const [name, text] of longTexts(300_000)) {
      const sink = new TokenSink();
      const steps = pipeline.encode(text, sink);
      let count = 0;
      let most = 0;
      for (let before = 0; !steps.next().done; before = sink.length) {
        count++;
        most = Math.max(most, sink.length - before);
      }
      expect(count, name).toBeGreaterThan(text.length / 20_000);
      expect(most, name).toBeLessThan(40_000);
    }
  }, 120_000);
});

describe("encodeAsync and encodeBatch", () => {
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = await Tokenizer.fromJson(JSON.stringify(bert));
  });

  it("give what encode gives, also at the same time", async () => {
    const texts = [
      english.slice(0, 150_000),
      "short",
      SENTENCES.join(" "),
      "",
      english.slice(150_000, 200_000),
    ];
    const encodings = await Promise.all(texts.map((text) => tokenizer.encodeAsync(text)));
    const batch = await tokenizer.encodeBatch(texts, { maxLength: 64, stride: 3 });
    for (const [i, text] of texts.entries()) {
      expect(Array.from(encodings[i]!.ids)).toEqual(Array.from(tokenizer.encode(text).ids));
      expect(Array.from(encodings[i]!.offsets)).toEqual(Array.from(tokenizer.encode(text).offsets));
      expect(Array.from(batch[i]!.ids)).toEqual(Array.from(tokenizer.encode(text, { maxLength: 64 }).ids));
    }
    expect(await tokenizer.encodeBatch([])).toEqual([]);
    const [pair] = await tokenizer.encodeBatch([["a", "b"]]);
    expect(pair!.tokens).toEqual(["[CLS]", "a", "[SEP]", "b", "[SEP]"]);
  });

  it("let the event loop turn", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await tokenizer.encodeAsync(english.repeat(3));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it("stop when asked to", async () => {
    const controller = new AbortController();
    const work = tokenizer.encodeAsync(english.repeat(3), { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(work).rejects.toThrow(AbortError);
    await expect(tokenizer.encodeBatch(["a"], { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
    expect(tokenizer.encode("still works").length).toBe(4);
  });
});

describe("JSON in slices", () => {
  const parse = (text: string | Buffer): Json => runNow(parseJsonInSteps(Buffer.from(text), "x.json"));
  const plain = (value: Json): unknown => {
    if (value instanceof JsonObject) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
    return Array.isArray(value) ? value.map(plain) : value;
  };

  it("reads what JSON.parse reads", () => {
    const values = [
      null,
      true,
      0,
      -1.5e-7,
      1e300,
      "",
      'a"\\\n\u0000\ud83d\ude00/é',
      [],
      [[]],
      {},
      { a: { b: [1, "x"] } },
      bert.added_tokens,
    ];
    for (const value of values) {
      expect(plain(parse(JSON.stringify(value)))).toEqual(value);
      expect(plain(parse(`\ufeff ${JSON.stringify(value, null, 2)}\r\n\t`))).toEqual(value);
    }
    expect(plain(parse(`"\\u00e9\\ud83d\\ude00\\/"`))).toBe("\u00e9\u{1f600}/");
    expect(plain(parse(fixture("bert.json")))).toEqual(bert);
    expect(plain(parse(`{"a": 1, "a": 2}`))).toEqual({ a: 2 });
  });

  it.each([
    "",
    " ",
    "{",
    "[1,]",
    '{"a":}',
    '{"a" 1}',
    "{a:1}",
    "[1 2]",
    "tru",
    "nul",
    "01",
    "1.",
    "+1",
    ".5",
    "1e",
    "NaN",
    '"a',
    '"\\x"',
    '"\\u12"',
    '"\n"',
    "[1]]",
    '{"a":1,}',
    "'a'",
    '"\\ud800"',
    '"\\udc00x"',
    "// c\n1",
  ])("refuses %j", (text) => {
    expect(() => parse(text)).toThrow(TokenizerError);
  });

  it("refuses bytes that are not UTF-8, and depth beyond reason", () => {
    expect(() => parse(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
    expect(() => parse("[".repeat(100_000))).toThrow(/levels/);
    expect(parse(`"\ufffd"`)).toBe("\ufffd");
  });

  it("yields often", () => {
    const steps = parseJsonInSteps(Buffer.from(fixture("bert.json")), "x.json");
    let count = 0;
    while (!steps.next().done) count++;
    expect(count).toBeGreaterThan(50);
  });
});
