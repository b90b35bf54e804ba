/** Ids and offsets equal those of the Hugging Face tokenizers (Rust), text for text. */
import { beforeAll, describe, expect, it } from "vitest";
import { englishText, fixture, SENTENCES, TextMaker } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const SEED = Number(process.env["TOKENIZER_SEED"] ?? 20240607);

interface Definition {
  [key: string]: unknown;
  added_tokens: object[];
  normalizer: object | null;
  pre_tokenizer: object;
  model: { vocab: Record<string, number> };
}

const bert = JSON.parse(fixture("bert.json")) as Definition;
const gpt2 = JSON.parse(fixture("gpt2.json")) as Definition;

function texts(count: number, definition: Definition, seed: number): string[] {
  const maker = new TextMaker(seed, english, Object.keys(definition.model.vocab));
  return Array.from({ length: count }, () => maker.next());
}

let english: string;

beforeAll(() => {
  english = englishText(4_000_000);
  console.log(`seed ${SEED}, ${english.length} characters of English`);
});

const addedToken = (id: number, content: string, flags: object = {}): object => ({
  id,
  content,
  special: false,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  ...flags,
});

/** RoBERTa's form over GPT-2's vocabulary. */
function roberta(addPrefixSpace: boolean, trimOffsets: boolean): Definition {
  return {
    ...gpt2,
    added_tokens: [
      ...gpt2.added_tokens,
      addedToken(8192, "<s>", { special: true }),
      addedToken(8193, "</s>", { special: true }),
      addedToken(8194, "<mask>", { special: true, lstrip: true }),
    ],
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: addPrefixSpace,
      trim_offsets: trimOffsets,
      use_regex: true,
    },
    post_processor: {
      type: "RobertaProcessing",
      cls: ["<s>", 8192],
      sep: ["</s>", 8193],
      trim_offsets: trimOffsets,
      add_prefix_space: addPrefixSpace,
    },
  };
}

function bertWith(options: object): Definition {
  return { ...bert, normalizer: { ...bert.normalizer, ...options } };
}

describe("parity with the Hugging Face tokenizers", () => {
  it.each([
    ["BERT", bert, 80_000],
    ["GPT-2", gpt2, 60_000],
    ["RoBERTa", roberta(false, true), 20_000],
    ["RoBERTa with a prefix space", roberta(true, true), 20_000],
    ["RoBERTa with untrimmed offsets", roberta(true, false), 5_000],
    ["cased BERT", bertWith({ lowercase: false }), 10_000],
  ])("%s", async (name, definition, count) => {
    const [tokenizer, reference] = await bothFrom(definition);
    const all = [...SENTENCES, "", " ", ...texts(count, definition, SEED + name.length)];
    expect(await compareTexts(tokenizer, reference, all)).toBeGreaterThanOrEqual(count);
  });

  const switches = [true, false].flatMap((lowercase) =>
    [true, false].flatMap((clean_text) =>
      [true, false].flatMap((handle_chinese_chars) =>
        [null, true, false].map((strip_accents) => ({
          lowercase,
          clean_text,
          handle_chinese_chars,
          strip_accents,
        })),
      ),
    ),
  );
  it.each(switches)("BERT normalizer %o", async (options) => {
    const definition = bertWith(options);
    const [tokenizer, reference] = await bothFrom(definition);
    await compareTexts(tokenizer, reference, [...SENTENCES, ...texts(1000, definition, SEED)]);
  });

  it("every code point, alone and within a word", async () => {
    const [tokenizer, reference] = await bothFrom(bert);
    const [byteTokenizer, byteReference] = await bothFrom(gpt2);
    const all: string[] = [];
    // Unassigned planes are all alike: every code point of the first four, the last ones in strides.
    for (let c = 0; c <= 0x10ffff; c += c < 0x40000 ? 8 : 509) {
      let text = "";
      for (let k = 0; k < 8; k++) text += `a${String.fromCodePoint(Math.min(c + k, 0x10ffff))}b `;
      all.push(text);
    }
    await compareTexts(tokenizer, reference, all);
    await compareTexts(byteTokenizer, byteReference, all);
  });
});
