/** Every component tokenizer.json can name, against the Hugging Face tokenizers. */
import { beforeAll, describe, expect, it } from "vitest";
import { englishText, fixture, SENTENCES, TextMaker } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const SEED = 77;
const bert = JSON.parse(fixture("bert.json"));
const gpt2 = JSON.parse(fixture("gpt2.json"));

let texts: string[];
/** Without characters newer than the reference's regular expressions. */
let known: string[];

beforeAll(() => {
  const maker = new TextMaker(SEED, englishText(300_000), Object.keys(bert.model.vocab));
  texts = [
    ...SENTENCES,
    ...SENTENCES.map((s) => maker.mutated(s)),
    ...Array.from({ length: 250 }, () => maker.next()),
  ];
  known = texts.slice(0, 2 * SENTENCES.length);
  console.log(`seed ${SEED}`);
});

/** Characters as tokens, so that what a normalizer does is seen in full. */
function characterModel(pre: object | null = null): object {
  const characters = new Set(
    SENTENCES.join("") + SENTENCES.join("").normalize("NFKD") + "abcdefghijklmnopqrstuvwxyz_",
  );
  const vocab: Record<string, number> = { "<unk>": 0 };
  for (const character of characters) vocab[character] ??= Object.keys(vocab).length;
  vocab["th"] = Object.keys(vocab).length;
  vocab["the"] = Object.keys(vocab).length;
  return {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: pre,
    post_processor: null,
    decoder: null,
    model: {
      type: "BPE",
      unk_token: "<unk>",
      vocab,
      merges: [
        ["t", "h"],
        ["th", "e"],
      ],
    },
  };
}

describe("normalizers", () => {
  it.each([
    [{ type: "NFC" }],
    [{ type: "NFD" }],
    [{ type: "NFKC" }],
    [{ type: "NFKD" }],
    [{ type: "Lowercase" }],
    [{ type: "StripAccents" }],
    [{ type: "Strip", strip_left: true, strip_right: true }],
    [{ type: "Strip", strip_left: false, strip_right: true }],
    [{ type: "Prepend", prepend: "_" }],
    [{ type: "Replace", pattern: { String: " " }, content: "_" }],
    [{ type: "Replace", pattern: { String: "e" }, content: "" }],
    [{ type: "Replace", pattern: { Regex: "\\s+" }, content: "__" }],
    [{ type: "Replace", pattern: { Regex: "[a-e]+(?=n)|\\d" }, content: "x" }],
    [
      {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: true,
        lowercase: true,
      },
    ],
    [{ type: "Sequence", normalizers: [{ type: "NFD" }, { type: "Lowercase" }, { type: "StripAccents" }] }],
    [
      {
        type: "Sequence",
        normalizers: [{ type: "NFKC" }, { type: "Strip", strip_left: true, strip_right: true }],
      },
    ],
    [{ type: "Sequence", normalizers: [] }],
  ])("%o", async (normalizer) => {
    const [tokenizer, reference] = await bothFrom({ ...characterModel(), normalizer });
    expect(await compareTexts(tokenizer, reference, texts)).toBeGreaterThan(300);
  });
});

describe("pre-tokenizers", () => {
  const behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
  const split = (pattern: object, behavior: string, invert = false): object => ({
    type: "Split",
    pattern,
    behavior,
    invert,
  });
  const gpt4 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const sequence = (...pretokenizers: object[]): object => ({ type: "Sequence", pretokenizers });
  it.each([
    [{ type: "BertPreTokenizer" }],
    [{ type: "Whitespace" }],
    [{ type: "WhitespaceSplit" }],
    ...behaviors.map((behavior) => [{ type: "Punctuation", behavior }]),
    [{ type: "Digits", individual_digits: true }],
    [{ type: "Digits", individual_digits: false }],
    [{ type: "CharDelimiterSplit", delimiter: "e" }],
    ...behaviors.map((behavior) => [split({ String: "an" }, behavior)]),
    ...behaviors.map((behavior) => [split({ Regex: "[aeiou]+" }, behavior, true)]),
    ...behaviors.map((behavior) => [split({ Regex: "\\s+|\\w" }, behavior)]),
    [
      sequence(
        { type: "WhitespaceSplit" },
        { type: "Punctuation", behavior: "Isolated" },
        { type: "Digits", individual_digits: true },
      ),
    ],
    [sequence({ type: "Whitespace" }, { type: "BertPreTokenizer" })],
  ])("%o", async (pre) => {
    const [tokenizer, reference] = await bothFrom(characterModel(pre));
    await compareTexts(tokenizer, reference, JSON.stringify(pre).includes("Regex") ? known : texts);
  });

  it.each([
    [
      sequence(split({ Regex: gpt4 }, "Isolated"), {
        type: "ByteLevel",
        add_prefix_space: false,
        trim_offsets: true,
        use_regex: false,
      }),
    ],
    [
      sequence(
        { type: "Digits", individual_digits: true },
        { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      ),
    ],
    [{ type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: false }],
  ])("bytes after %o", async (pre) => {
    const [tokenizer, reference] = await bothFrom({ ...gpt2, pre_tokenizer: pre });
    await compareTexts(tokenizer, reference, JSON.stringify(pre).includes("Regex") ? known : texts);
  });

  it("BERT's normalizer before other pre-tokenizers", async () => {
    const [tokenizer, reference] = await bothFrom({ ...bert, pre_tokenizer: { type: "Whitespace" } });
    await compareTexts(tokenizer, reference, texts);
  });

  it("other normalizers before BERT's pre-tokenizer", async () => {
    const [tokenizer, reference] = await bothFrom({ ...bert, normalizer: { type: "Lowercase" } });
    await compareTexts(tokenizer, reference, texts);
  });

  it("normalizers before bytes", async () => {
    const [tokenizer, reference] = await bothFrom({ ...gpt2, normalizer: { type: "NFC" } });
    await compareTexts(tokenizer, reference, texts);
    const pre_tokenizer = { ...gpt2.pre_tokenizer, add_prefix_space: true };
    await compareTexts(...(await bothFrom({ ...gpt2, normalizer: { type: "NFKD" }, pre_tokenizer })), texts);
  });
});

describe("models", () => {
  const spelled = (options: object, vocab: string[], merges: string[][] = []): object => ({
    ...characterModel({ type: "WhitespaceSplit" }),
    model: {
      type: "BPE",
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
      merges,
      ...options,
    },
  });
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];

  it.each([
    ["unknown tokens", spelled({ unk_token: "<unk>", fuse_unk: false }, ["<unk>", ...letters])],
    ["fused unknown tokens", spelled({ unk_token: "<unk>", fuse_unk: true }, ["<unk>", ...letters])],
    ["byte fallback", spelled({ unk_token: "<unk>", byte_fallback: true }, ["<unk>", ...letters, ...bytes])],
    [
      "subword prefixes and word ends",
      spelled(
        { unk_token: "<unk>", continuing_subword_prefix: "@@", end_of_word_suffix: "</w>" },
        [
          "<unk>",
          ...letters,
          ...letters.map((c) => `@@${c}`),
          ...letters.map((c) => `@@${c}</w>`),
          "th",
          "@@er</w>",
        ],
        [
          ["t", "@@h"],
          ["@@e", "@@r</w>"],
        ],
      ),
    ],
    [
      "words that are tokens",
      spelled(
        { unk_token: "<unk>", ignore_merges: true },
        ["<unk>", ...letters, "the", "and", "th"],
        [["t", "h"]],
      ),
    ],
  ])("BPE with %s", async (_, definition) => {
    const [tokenizer, reference] = await bothFrom(definition);
    await compareTexts(tokenizer, reference, texts);
  });

  it("WordPiece with another prefix and limit", async () => {
    const model = { ...bert.model, continuing_subword_prefix: "", max_input_chars_per_word: 6 };
    const [tokenizer, reference] = await bothFrom({ ...bert, model });
    await compareTexts(tokenizer, reference, texts);
  });
});

describe("added tokens", () => {
  const added = (id: number, content: string, flags: object = {}): object => ({
    id,
    content,
    special: false,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: true,
    ...flags,
  });
  const flags = [true, false].flatMap((single_word) =>
    [true, false].flatMap((lstrip) =>
      [true, false].flatMap((rstrip) =>
        [true, false].map((normalized) => ({ single_word, lstrip, rstrip, normalized })),
      ),
    ),
  );
  it.each(flags)("%o", async (options) => {
    const tokens = ["The", "the sea", "\u00c9t\u00e9", "[X]", "an", "and", "  ", "\ud55c", "\u65e5\u672c"];
    const around = (definition: { added_tokens: object[] }, first: number): object => ({
      ...definition,
      added_tokens: [
        ...definition.added_tokens,
        ...tokens.map((token, i) => added(first + i, token, options)),
      ],
    });
    const some = [
      ...texts.slice(0, 400),
      "The the sea  THE SEA [X]The and an\u00e9 an",
      "  The  [X]   [X]\u3000The\u2003x",
      "\u00e9t\u00e9 \u00c9T\u00c9 e\u0301te\u0301 \ud55c\uad6d\ud55c",
      "\u65e5\u672cThe \u65e5The\u672c x\u65e5\u672c \u65e5 \u672c\u65e5\u672c\u65e5\u672c an\u65e5",
      "aThe The_ Thea The\u0301 The\u{10400}",
    ];
    // "the", "an" and "and" are in the vocabulary: an added token must have the id of its word.
    const ids = (definition: object): object => {
      const copy = structuredClone(definition) as {
        added_tokens: { id: number; content: string }[];
        model: { vocab: Record<string, number> };
      };
      for (const token of copy.added_tokens) token.id = copy.model.vocab[token.content] ?? token.id;
      return copy;
    };
    await compareTexts(...(await bothFrom(ids(around(bert, 30522)))), some);
    await compareTexts(...(await bothFrom(ids(around(gpt2, 8192)))), some);
    await compareTexts(
      ...(await bothFrom(ids(around({ ...gpt2, normalizer: { type: "Lowercase" } }, 8192)))),
      some,
    );
  });
});
