/** Byte-level BPE as Pythia, StarCoder and OPT lay it out, on code and other texts: ids and offsets of the reference. */
import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../lib/index.js";
import { englishText, fixture, SENTENCES, TextMaker } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const SEED = Number(process.env["TOKENIZER_SEED"] ?? 20240608);
const COUNT = 3_000;

interface Definition {
  [key: string]: unknown;
  added_tokens: object[];
  pre_tokenizer: object;
  model: { vocab: Record<string, number> };
}

const gpt2 = JSON.parse(fixture("gpt2.json")) as Definition;
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const added = (id: number, content: string, special: boolean, normalized: boolean) => {
  return { id, content, special, normalized, single_word: false, lstrip: false, rstrip: false };
};

/** NFC, and tokens for runs of 24 to 2 spaces, which are looked for in the normalized text. */
const pythia: Definition = {
  ...gpt2,
  added_tokens: [
    ...gpt2.added_tokens,
    added(8192, "<|padding|>", true, false),
    ...Array.from({ length: 23 }, (_, i) => added(8193 + i, " ".repeat(24 - i), false, true)),
  ],
  normalizer: { type: "NFC" },
  pre_tokenizer: byteLevel,
  post_processor: byteLevel,
  decoder: byteLevel,
};

/** Digits stand alone, and there are special tokens for filling in the middle. */
const starcoder: Definition = {
  ...gpt2,
  added_tokens: [
    ...gpt2.added_tokens,
    ...["<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<jupyter_text>"].map(
      (content, i) => added(8192 + i, content, true, false),
    ),
  ],
  normalizer: null,
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel],
  },
  post_processor: byteLevel,
  decoder: byteLevel,
};

/** Every text begins with </s>. */
const opt: Definition = {
  ...gpt2,
  added_tokens: [...gpt2.added_tokens, added(8192, "<pad>", true, true), added(8193, "</s>", true, true)],
  pre_tokenizer: byteLevel,
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "</s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [
      { SpecialToken: { id: "</s>", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "</s>", type_id: 1 } },
      { Sequence: { id: "B", type_id: 1 } },
    ],
    special_tokens: { "</s>": { id: "</s>", ids: [8193], tokens: ["</s>"] } },
  },
  decoder: byteLevel,
};

const WORDS = [
  "for",
  "return",
  "self.x",
  "value",
  "0x1F",
  "1234567890",
  "3.14",
  "٣٤٥",
  "²³",
  "½",
  "Ⅷ",
  "e\u0301",
  "ﬁ",
  "\u1112\u1161\u11ab",
  "naïve",
  "==",
  "->",
  "{",
  "}",
  "# TODO:",
  "'''",
  "<fim_middle>",
  "<|endoftext|>",
  "<|padding|>",
  "\u00a0",
  "\u3000",
  "👩‍👩‍👧",
];

/** Lines of what looks like code, indented by any number of blanks and tabs. */
function code(maker: TextMaker): string {
  let text = "";
  for (let line = 1 + maker.below(4); line > 0; line--) {
    text += maker.pick(["", "\t", "\t\t"]) + " ".repeat(maker.below(30));
    for (let n = maker.below(7); n > 0; n--) text += maker.pick(WORDS) + " ".repeat(maker.below(4));
    text += maker.pick(["\n", "\r\n", "", "  \n"]);
  }
  return text;
}

describe(`byte-level BPE of decoders (seed ${SEED})`, () => {
  it.each([
    ["Pythia", pythia],
    ["StarCoder", starcoder],
    ["OPT", opt],
  ])("%s: ids and offsets are the reference's", async (name, definition) => {
    const [tokenizer, reference] = await bothFrom(definition);
    const maker = new TextMaker(
      SEED + name.length,
      englishText(400_000),
      Object.keys(definition.model.vocab),
    );
    const texts = Array.from({ length: COUNT }, (_, i) => (i % 2 === 0 ? code(maker) : maker.next()));
    expect(await compareTexts(tokenizer, reference, [...SENTENCES, "", "  ", ...texts])).toBeGreaterThan(
      COUNT,
    );
  });

  it("gives the text back, runs of blanks and all", async () => {
    const tokenizer = await Tokenizer.fromJson(JSON.stringify(pythia));
    const text = `def f(x):\n${" ".repeat(8)}if x:\n${" ".repeat(31)}return 10\n`;
    const { ids } = tokenizer.encode(text);
    expect(ids).toContain(8193 + 24 - 8);
    expect(tokenizer.decode(ids)).toBe(text);
  });

  it("splits numbers into digits", async () => {
    const tokenizer = await Tokenizer.fromJson(JSON.stringify(starcoder));
    const { ids } = tokenizer.encode("x1234");
    expect(ids).toHaveLength(5);
    expect(tokenizer.decode(ids)).toBe("x1234");
  });
});
