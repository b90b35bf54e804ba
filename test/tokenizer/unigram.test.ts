/** Unigram tokenizers, as XLM-RoBERTa and CamemBERT have them: ids and offsets equal the Hugging Face tokenizers'. */
import { beforeAll, describe, expect, it } from "vitest";
import { englishText, fixture, SENTENCES, TextMaker } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const SEED = Number(process.env["TOKENIZER_SEED"] ?? 4711);
const MARK = "\u2581";

interface Definition {
  [key: string]: unknown;
  added_tokens: { id: number; content: string }[];
  normalizer: object | null;
  pre_tokenizer: object | null;
  model: { vocab: [string, number][]; unk_id: number | null; byte_fallback?: boolean };
}

const unigram = JSON.parse(fixture("unigram.json")) as Definition;
const { normalizer: precompiled } = unigram;
const metaspace = (options: object = {}): object => ({ type: "Metaspace", replacement: MARK, ...options });
const sequence = (...normalizers: object[]): object => ({ type: "Sequence", normalizers });
const replace = (pattern: object, content: string): object => ({ type: "Replace", pattern, content });

let english: string;

beforeAll(() => {
  english = englishText(2_000_000);
  console.log(`seed ${SEED}, ${english.length} characters of English`);
});

function texts(count: number, seed: number): string[] {
  const maker = new TextMaker(
    seed,
    english,
    unigram.model.vocab.map(([piece]) => piece.replaceAll(MARK, " ")),
  );
  return [
    ...SENTENCES,
    "",
    " ",
    "  a",
    MARK,
    `${MARK}${MARK}`,
    ...Array.from({ length: count }, () => maker.next()),
  ];
}

const withPre = (pre_tokenizer: object | null): Definition => ({ ...unigram, pre_tokenizer });
const withNormalizer = (normalizer: object | null, pre: object | null = metaspace()): Definition => ({
  ...unigram,
  normalizer,
  pre_tokenizer: pre,
});

const camembert = sequence(
  precompiled!,
  { type: "Strip", strip_left: false, strip_right: true },
  replace({ Regex: " {2,}" }, MARK),
);
const albert = sequence(
  replace({ String: "``" }, '"'),
  replace({ String: "''" }, '"'),
  { type: "NFKD" },
  { type: "StripAccents" },
  { type: "Lowercase" },
  precompiled!,
);

/** With tokens for the bytes, or all but one of them. */
function byteFallback(missing = -1): Definition {
  const bytes = Array.from({ length: 256 }, (_, b): [string, number] => [
    `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`,
    -20,
  ]);
  const { vocab } = unigram.model;
  return {
    ...withPre(metaspace()),
    added_tokens: unigram.added_tokens.slice(0, 4),
    model: {
      ...unigram.model,
      vocab: [...vocab, ...bytes.filter((_, b) => b !== missing)],
      byte_fallback: true,
    },
  };
}

describe("parity with the Hugging Face tokenizers", () => {
  it.each([
    ["XLM-RoBERTa", unigram, 60_000],
    [
      "XLM-RoBERTa as it is written today",
      withPre(metaspace({ prepend_scheme: "always", split: true })),
      20_000,
    ],
    ["CamemBERT", withNormalizer(camembert), 20_000],
    ["ALBERT", withNormalizer(albert), 20_000],
    ["marks before the first word only", withPre(metaspace({ prepend_scheme: "first" })), 5000],
    ["no marks before words", withPre(metaspace({ prepend_scheme: "never" })), 5000],
    ["whole texts as words", withPre(metaspace({ prepend_scheme: "first", split: false })), 10_000],
    ["no pre-tokenizer", withPre(null), 10_000],
    ["no normalizer", withNormalizer(null), 10_000],
    ["bytes of what is unknown", byteFallback(), 10_000],
    ["bytes, one of which is missing", byteFallback(0xbd), 5000],
    ["Nmt before the rules", withNormalizer(sequence({ type: "Nmt" }, precompiled!)), 10_000],
    [
      "stripped text",
      withNormalizer(sequence({ type: "Strip", strip_left: true, strip_right: true }, precompiled!)),
      10_000,
    ],
    ["a prefix", withNormalizer(sequence({ type: "Prepend", prepend: MARK }, precompiled!), null), 5000],
  ])("%s", async (name, definition, count) => {
    const [tokenizer, reference] = await bothFrom(definition);
    const all = texts(count, SEED + name.length);
    expect(await compareTexts(tokenizer, reference, all)).toBeGreaterThanOrEqual(count);
  });
});
