/** Made-up vocabularies of any size, in every file form a checkpoint may have. */
import { random, integer } from "./random.js";

const piece = (token: string, type: number) => ({ SpecialToken: { id: token, type_id: type } });

/** The files of a lower-casing WordPiece tokenizer with `size` tokens, at least 110. */
export function wordPieceVocabulary(size: number): Record<string, string> {
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  const tokens = new Set(special);
  for (const character of "abcdefghijklmnopqrstuvwxyz0123456789") tokens.add(character).add(`##${character}`);
  for (const character of ".,;:!?'\"()-") tokens.add(character);
  for (const word of [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "it",
    "##ing",
    "##ed",
    "##s",
    "cat",
    "dog",
    "man",
  ]) {
    tokens.add(word);
  }
  const next = random(7);
  while (tokens.size < size) {
    const length = 2 + integer(next, 6);
    const word = Array.from({ length }, () => "etaoinshrdlu"[integer(next, 12)]!).join("");
    tokens.add(next() < 0.3 ? `##${word}` : word);
  }
  const list = [...tokens].slice(0, size);
  const vocab = Object.fromEntries(list.map((token, id) => [token, id]));
  const id = (token: string) => vocab[token]!;
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: id(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [piece("[CLS]", 0), { Sequence: { id: "A", type_id: 0 } }, piece("[SEP]", 0)],
      pair: [
        piece("[CLS]", 0),
        { Sequence: { id: "A", type_id: 0 } },
        piece("[SEP]", 0),
        { Sequence: { id: "B", type_id: 1 } },
        piece("[SEP]", 1),
      ],
      special_tokens: Object.fromEntries(
        ["[CLS]", "[SEP]"].map((token) => [token, { id: token, ids: [id(token)], tokens: [token] }]),
      ),
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  };
  const config = {
    tokenizer_class: "BertTokenizer",
    do_lower_case: true,
    cls_token: "[CLS]",
    sep_token: "[SEP]",
    pad_token: "[PAD]",
    mask_token: "[MASK]",
    unk_token: "[UNK]",
  };
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": JSON.stringify(config),
    "vocab.txt": list.join("\n") + "\n",
  };
}

const printable = (byte: number) =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);

/** GPT-2's printable stand-ins for the 256 bytes. */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** The files of a byte-level BPE tokenizer with `size` tokens, at least 257; the last is the end of text. */
export function byteLevelVocabulary(size: number): Record<string, string> {
  const end = "<|endoftext|>";
  const tokens = new Set(byteCharacters());
  const merges: [string, string][] = [];
  const parts = [..."etaoinshrdlucmfwyp", "Ġ"];
  const next = random(11);
  while (tokens.size < size - 1) {
    const [left, right] = [parts[integer(next, parts.length)]!, parts[integer(next, parts.length)]!];
    const merged = left + right;
    if (right.includes("Ġ") || tokens.has(merged) || merged.length > 8) continue;
    tokens.add(merged);
    merges.push([left, right]);
    parts.push(merged);
  }
  const list = [...[...tokens].slice(0, size - 1), end];
  const vocab = Object.fromEntries(list.map((token, id) => [token, id]));
  const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [{ id: size - 1, content: end, ...added }],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      vocab,
      merges: merges.map((pair) => pair.join(" ")),
    },
  };
  const config = {
    tokenizer_class: "GPT2Tokenizer",
    bos_token: end,
    eos_token: end,
    unk_token: end,
    add_prefix_space: false,
  };
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": JSON.stringify(config),
    "vocab.json": JSON.stringify(vocab),
    "merges.txt": `#version: 0.2\n${merges.map((pair) => pair.join(" ")).join("\n")}\n`,
  };
}
