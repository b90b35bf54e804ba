// Writes test/fixtures/tokenizers/unigram.json: a small tokenizer of XLM-RoBERTa's kind, with rules for normalization
// made from Node's NFKC and a vocabulary learnt by counting. The reference tokenizers read the same file, so it need
// not be a good tokenizer, only one with pieces of all lengths and scripts, and with scores that are often close or
// equal: node test/tokenizer/generate-unigram.mjs [FILE]
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileCharsmap } from "./charsmap.mjs";

const fixtures = new URL("../fixtures/tokenizers/", import.meta.url);
const read = (name) => readFileSync(new URL(name, fixtures), "utf8");

const MARK = "\u2581";
const PIECES = 4000;
const LONGEST_PIECE = 12;

/** Rules in the manner of nmt_nfkc: NFKC of the BMP, white space as a space, control characters and the like as nothing. */
export function nfkcRules() {
  const rules = new Map();
  for (let c = 1; c <= 0xffff; c++) {
    if ((c >= 0xd800 && c <= 0xdfff) || (c >= 0xac00 && c <= 0xd7a3)) continue;
    const character = String.fromCharCode(c);
    const composed = character.normalize("NFKC");
    if (composed !== character) rules.set(character, composed.replace(/\s/gu, " "));
    // Letters with their marks apart: a cluster that is a key as a whole.
    const decomposed = character.normalize("NFD");
    if (decomposed !== character && composed === character) rules.set(decomposed, composed);
  }
  for (let c = 1; c < 0x20; c++)
    rules.set(String.fromCharCode(c), /\s/u.test(String.fromCharCode(c)) ? " " : "");
  for (const c of "\x7f\x8f\x9f\u200b\u200e\u200f\u2060\ufeff") rules.set(c, "");
  for (const c of "\u1680\u2028\u2029\u200c\u200d\u2581\ufffd") rules.set(c, " ");
  return rules;
}

/** Words with how often they count: sentences in many scripts, and a vocabulary of English in order of frequency. */
function countedWords(normalize) {
  const counts = new Map();
  const add = (word, count) => counts.set(word, (counts.get(word) ?? 0) + count);
  for (const line of read("sentences.txt").trimEnd().split("\n")) {
    for (const word of normalize(line).split(" ")) if (word !== "") add(MARK + word, 40);
  }
  const english = Object.keys(JSON.parse(read("bert.json")).model.vocab).filter((word) =>
    /^[a-z]+$/.test(word),
  );
  english.slice(0, 4000).forEach((word, i) => add(MARK + word, Math.ceil(4000 / (i + 5))));
  return counts;
}

/** The most frequent parts of words, and every character, with the logarithm of their share. */
function learn(words) {
  const counts = new Map();
  for (const [word, count] of words) {
    const characters = [...word];
    for (let i = 0; i < characters.length; i++) {
      let part = "";
      for (let k = i; k < Math.min(characters.length, i + LONGEST_PIECE); k++) {
        part += characters[k];
        counts.set(part, (counts.get(part) ?? 0) + count);
      }
    }
  }
  const parts = [...counts].map(([part, count]) => ({ part, count, length: [...part].length }));
  const isBefore = (a, b) => (a.part < b.part ? -1 : 1);
  const characters = parts.filter(({ length }) => length === 1);
  const longer = parts
    .filter(({ length, count }) => length > 1 && count > 1)
    .sort((a, b) => b.count * b.length - a.count * a.length || isBefore(a, b))
    .slice(0, PIECES - characters.length);
  const kept = [...characters, ...longer].sort((a, b) => b.count - a.count || isBefore(a, b));
  const total = kept.reduce((sum, { count }) => sum + count, 0);
  // SentencePiece stores floats.
  return kept.map(({ part, count }) => [part, Math.fround(Math.log(count / total))]);
}

const addedToken = (id, content, flags = {}) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...flags,
});

/** The tokenizer, as XLM-RoBERTa's file has it. */
export function unigramTokenizer() {
  const rules = nfkcRules();
  const normalize = (text) => text.normalize("NFKC").replace(/./gu, (c) => rules.get(c) ?? c);
  const pieces = learn(countedWords(normalize));
  const vocab = [["<s>", 0], ["<pad>", 0], ["</s>", 0], ["<unk>", 0], ...pieces, ["<mask>", 0]];
  const special = (id) => ({ SpecialToken: { id, type_id: 0 } });
  const text = (id) => ({ Sequence: { id, type_id: 0 } });
  const named = (token, id) => ({ id: token, ids: [id], tokens: [token] });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      ...vocab.slice(0, 4).map(([token], id) => addedToken(id, token)),
      addedToken(vocab.length - 1, "<mask>", { lstrip: true }),
    ],
    normalizer: { type: "Precompiled", precompiled_charsmap: compileCharsmap(rules).toString("base64") },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "WhitespaceSplit" },
        { type: "Metaspace", replacement: MARK, prepend_scheme: "always", split: true },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [special("<s>"), text("A"), special("</s>")],
      pair: [special("<s>"), text("A"), special("</s>"), special("</s>"), text("B"), special("</s>")],
      special_tokens: { "<s>": named("<s>", 0), "</s>": named("</s>", 2) },
    },
    decoder: { type: "Metaspace", replacement: MARK, prepend_scheme: "always", split: true },
    model: { type: "Unigram", unk_id: 3, vocab, byte_fallback: false },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const out = process.argv[2] ?? fileURLToPath(new URL("unigram.json", fixtures));
  const tokenizer = unigramTokenizer();
  writeFileSync(out, `${JSON.stringify(tokenizer).replaceAll("],[", "],\n[")}\n`);
  console.log(`${out}: ${tokenizer.model.vocab.length} pieces`);
}
