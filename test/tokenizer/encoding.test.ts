/** Pairs, special tokens, truncation with overflow and padding, against the Hugging Face tokenizers. */
import { beforeAll, describe, expect, it } from "vitest";
import { InputTooLongError, InvalidArgumentError } from "../../lib/errors.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { shareRoom } from "../../lib/tokenizer/truncation.js";
import { englishText, fixture, randomNumbers, TextMaker } from "./corpus.js";
import { bothFrom, expectSame, TruncationStrategy } from "./reference.js";

const SEED = 4711;
const bert = JSON.parse(fixture("bert.json"));
const gpt2 = JSON.parse(fixture("gpt2.json"));
const roberta = {
  ...gpt2,
  pre_tokenizer: { ...gpt2.pre_tokenizer, add_prefix_space: true },
  post_processor: {
    type: "RobertaProcessing",
    cls: ["the", gpt2.model.vocab["the"]],
    sep: ["of", gpt2.model.vocab["of"]],
    trim_offsets: true,
    add_prefix_space: true,
  },
};
const bertProcessing = {
  ...bert,
  post_processor: { type: "BertProcessing", cls: ["[CLS]", 101], sep: ["[SEP]", 102] },
};
const piece = (id: string, type_id: number): object => ({ SpecialToken: { id, type_id } });
const sequence = (id: string, type_id: number): object => ({ Sequence: { id, type_id } });
/** The second text first, two separators at once, types of its own. */
const oddTemplate = {
  ...bert,
  post_processor: {
    type: "TemplateProcessing",
    single: [sequence("A", 0), piece("[SEP]", 2)],
    pair: [piece("[CLS]", 3), sequence("B", 1), piece("both", 1), sequence("A", 0)],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [101], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [102], tokens: ["[SEP]"] },
      both: { id: "both", ids: [102, 103], tokens: ["[SEP]", "[MASK]"] },
    },
  },
};
const byteLevelAndTemplate = {
  ...gpt2,
  post_processor: {
    type: "Sequence",
    processors: [
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      {
        type: "TemplateProcessing",
        single: [piece("<|endoftext|>", 0), sequence("A", 0)],
        pair: [piece("<|endoftext|>", 0), sequence("A", 0), piece("<|endoftext|>", 1), sequence("B", 1)],
        special_tokens: { "<|endoftext|>": { id: "<|endoftext|>", ids: [8191], tokens: ["<|endoftext|>"] } },
      },
    ],
  },
};

const plain = { ...bert, post_processor: null };

const forms: [string, object][] = [
  ["BERT", bert],
  ["BertProcessing", bertProcessing],
  ["GPT-2", gpt2],
  ["RoBERTa", roberta],
  ["a template of its own", oddTemplate],
  ["ByteLevel and a template", byteLevelAndTemplate],
  ["no post-processor", plain],
];

let maker: TextMaker;
let random: () => number;

beforeAll(() => {
  maker = new TextMaker(SEED, englishText(200_000), Object.keys(bert.model.vocab));
  random = randomNumbers(SEED);
  console.log(`seed ${SEED}`);
});

describe.each(forms)("%s", (_, definition) => {
  it("texts and pairs, with and without special tokens", async () => {
    const [tokenizer, reference] = await bothFrom(definition);
    for (let n = 0; n < 150; n++) {
      const [text, pair] = [maker.next(), n % 7 === 0 ? "" : maker.next()];
      for (const addSpecialTokens of [true, false]) {
        const options = { addSpecialTokens };
        expectSame(tokenizer.encode(text, options), await reference.encode(text, null, options), text);
        const both = await reference.encode(text, pair, options);
        expectSame(tokenizer.encode(text, { ...options, pair }), both, [text, pair]);
      }
    }
  });

  // Without a post-processor the reference forgets which text overflowing tokens came from.
  it.skipIf(definition === plain)(
    "truncation with stride and overflow",
    async () => {
      const [tokenizer, reference] = await bothFrom(definition);
      const strategies = [
        ["longest_first", TruncationStrategy.LongestFirst],
        ["only_first", TruncationStrategy.OnlyFirst],
        ["only_second", TruncationStrategy.OnlySecond],
      ] as const;
      let compared = 0;
      for (let n = 0; n < 300; n++) {
        const [text, pair] = [maker.next(), n % 3 === 0 ? undefined : maker.next()];
        const special = tokenizer.countSpecialTokens(pair !== undefined);
        const room = 1 + Math.floor(random() * 24);
        const stride = Math.floor(random() * Math.min(room, 6));
        const [truncation, strategy] = strategies[Math.floor(random() * 3)]!;

        const lengths = [text, pair].flatMap((t) =>
          t === undefined ? [] : [tokenizer.encode(t, { addSpecialTokens: false }).length],
        );
        let kept: number[];
        const options = { pair, maxLength: room + special, truncation, stride };
        try {
          kept = shareRoom(lengths, room, special, truncation);
        } catch {
          expect(() => tokenizer.encode(text, options)).toThrow(InputTooLongError);
          continue;
        }
        // The reference ends the process where a stride leaves a window nothing new.
        if (kept.some((length, i) => length < lengths[i]! && length <= stride)) continue;

        reference.setTruncation(room + special, { strategy, stride });
        const ours = tokenizer.encode(text, options);
        expectSame(
          ours,
          await reference.encode(text, pair ?? null),
          pair === undefined ? text : [text, pair],
        );
        expect(ours.truncated).toBe(lengths.reduce((a, b) => a + b, 0) - kept.reduce((a, b) => a + b, 0));
        compared++;
      }
      expect(compared).toBeGreaterThan(80);
    },
    120_000,
  );
});

describe("padding", () => {
  const texts = ["a b c", "", "the sea was calm and the sky was grey"];

  it("to a length", async () => {
    const [tokenizer, reference] = await bothFrom(bert);
    reference.setPadding({ maxLength: 16, padId: 0, padToken: "[PAD]" });
    const padded = await tokenizer.encodeBatch(texts, { padding: "max_length", maxLength: 16 });
    for (const [i, encoding] of padded.entries())
      expectSame(encoding, await reference.encode(texts[i]!), texts[i]!);
  });

  it("to the longest of a batch", async () => {
    const [tokenizer, reference] = await bothFrom(bert);
    reference.setPadding({ padId: 0, padToken: "[PAD]" });
    const theirs = await reference.encodeBatch(texts);
    const padded = await tokenizer.encodeBatch(texts, { padding: "longest" });
    for (const [i, encoding] of padded.entries()) expectSame(encoding, theirs[i]!, texts[i]!);
    expect(Array.from(padded[1]!.attentionMask)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("truncation", () => {
  let tokenizer: Tokenizer;
  const long = "word ".repeat(100);

  beforeAll(async () => {
    [tokenizer] = await bothFrom(bert);
  });

  it("keeps the closing special tokens", () => {
    for (const maxLength of [2, 3, 17, 101]) {
      const encoding = tokenizer.encode(long, { maxLength });
      expect(encoding.ids[0]).toBe(101);
      expect(encoding.ids.at(-1)).toBe(102);
      expect(encoding.length).toBe(maxLength);
      expect(encoding.truncated).toBe(102 - maxLength);
    }
    const pair = tokenizer.encode(long, { pair: long, maxLength: 20 });
    expect(pair.tokens.filter((token) => token === "[SEP]")).toHaveLength(2);
    expect(pair.tokens.at(-1)).toBe("[SEP]");
  });

  it("does nothing to what fits", () => {
    const encoding = tokenizer.encode("short", { maxLength: 3 });
    expect(encoding.truncated).toBe(0);
    expect(encoding.overflowing).toEqual([]);
  });

  it("refuses with both lengths when there is to be none", () => {
    const error = thrown(() => tokenizer.encode(long, { maxLength: 10, truncation: "none" }));
    expect(error).toBeInstanceOf(InputTooLongError);
    expect((error as InputTooLongError).details).toEqual({ length: 102, limit: 10 });
  });

  it("refuses when the text to shorten is too short for it", () => {
    expect(() => tokenizer.encode("a", { pair: long, maxLength: 10, truncation: "only_first" })).toThrow(
      InputTooLongError,
    );
    expect(() => tokenizer.encode(long, { maxLength: 10, truncation: "only_second" })).toThrow(
      InputTooLongError,
    );
  });

  it("gives overflowing tokens the types of the template", async () => {
    const template = { ...oddTemplate.post_processor, single: [sequence("A", 3), piece("[SEP]", 2)] };
    const [typed] = await bothFrom({ ...bert, post_processor: template });
    const encoding = typed.encode("a b c d", { maxLength: 3 });
    expect(encoding.overflowing.map((part) => Array.from(part.typeIds))).toEqual([[3, 3, 2]]);
  });

  it("has no overflow where only special tokens fit", () => {
    const encoding = tokenizer.encode(long, { maxLength: 2 });
    expect(encoding.overflowing).toEqual([]);
    expect(encoding.truncated).toBe(100);
  });

  it("does not apply what the file has stored", async () => {
    const stored = {
      ...bert,
      truncation: { max_length: 5, strategy: "LongestFirst", stride: 0, direction: "Right" },
      padding: { strategy: { Fixed: 64 }, direction: "Right", pad_id: 0, pad_type_id: 0, pad_token: "[PAD]" },
    };
    const plain = await Tokenizer.fromJson(JSON.stringify(stored));
    expect(plain.encode(long).length).toBe(102);
  });
});

describe("arguments", () => {
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    [tokenizer] = await bothFrom(bert);
  });

  it.each([
    [{ maxLength: 1 }, "maxLength"],
    [{ maxLength: -1 }, "maxLength"],
    [{ maxLength: 2.5 }, "maxLength"],
    [{ maxLength: "8" }, "maxLength"],
    [{ maxLength: 8, stride: 6 }, "stride"],
    [{ truncation: "longest" }, "truncation"],
    [{ pair: 3 }, "pair"],
    [{ padding: "max_length" }, "maxLength"],
    [{ addSpecialToken: true }, "addSpecialToken"],
    [{ addSpecialTokens: 1 }, "addSpecialTokens"],
  ])("%o names %s", (options, name) => {
    const error = thrown(() => tokenizer.encode("text", options as object));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toContain(name);
  });

  it("refuses what is not text", async () => {
    expect(() => tokenizer.encode(undefined as unknown as string)).toThrow(InvalidArgumentError);
    await expect(tokenizer.encodeAsync(3 as unknown as string)).rejects.toThrow(InvalidArgumentError);
    await expect(tokenizer.encodeBatch("text" as unknown as string[])).rejects.toThrow(/texts/);
    await expect(tokenizer.encodeBatch(["a", ["b", 1]] as unknown as string[])).rejects.toThrow(/texts\[1\]/);
  });

  it("refuses padding without a padding token", async () => {
    const [unpadded] = await bothFrom(gpt2);
    await expect(unpadded.encodeBatch(["a"], { padding: "longest" })).rejects.toThrow(/padding/);
  });
});

describe("lone surrogates", () => {
  it.each([
    ["BERT", bert],
    ["GPT-2", gpt2],
  ])("count as U+FFFD in %s, one unit each", async (_, definition) => {
    const [tokenizer] = await bothFrom(definition);
    for (const text of ["a\ud800b c", "\udc00", "x \udfff\ud83d\ude00\ud83d y", "\ud83d", "end\udbff"]) {
      // oxlint-disable-next-line no-control-regex
      const replaced = text.replace(
        /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
        "\ufffd",
      );
      const [ours, wellFormed] = [tokenizer.encode(text), tokenizer.encode(replaced)];
      expect(Array.from(ours.ids)).toEqual(Array.from(wellFormed.ids));
      expect(Array.from(ours.offsets)).toEqual(Array.from(wellFormed.offsets));
    }
  });
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
