// Writes lib/tokenizer/unicode-tables.ts: what the reference tokenizers library (@anush008/tokenizers, the
// Rust code of Hugging Face) believes of every code point, asked one by one. Run it again when the reference
// moves to other Unicode versions: node test/tokenizer/generate-unicode-tables.mjs
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const reference = createRequire(import.meta.url)("@anush008/tokenizers");
const LAST = 0x10ffff;
const isSurrogate = (c) => c >= 0xd800 && c <= 0xdfff;
const text = String.fromCodePoint;

/** Code points for which `test` holds, as pairs (code points skipped since the last range, length - 1) in base 36. */
function ranges(test) {
  const numbers = [];
  let start = -1;
  let end = 0;
  for (let c = 0; c <= LAST + 1; c++) {
    const holds = c <= LAST && !isSurrogate(c) && test(c);
    if (holds && start < 0) start = c;
    if (!holds && start >= 0) {
      numbers.push(start - end, c - 1 - start);
      end = c;
      start = -1;
    }
  }
  return numbers.map((n) => n.toString(36)).join(" ");
}

/** Mappings code point -> code point as (gap, count - 1, step, delta) in base 36. */
function mappings(map) {
  const numbers = [];
  let run;
  let end = 0;
  const flush = () => {
    if (run) numbers.push(run.start - end, run.count - 1, run.step, run.delta);
    if (run) end = run.last;
    run = undefined;
  };
  for (const [from, to] of map) {
    const delta = to - from;
    const step = run && from - run.last;
    if (run && delta === run.delta && step <= 2 && (run.count === 1 || step === run.step)) {
      Object.assign(run, { step, count: run.count + 1, last: from });
    } else {
      flush();
      run = { start: from, last: from, count: 1, step: 1, delta };
    }
  }
  flush();
  return numbers.map((n) => n.toString(36)).join(" ");
}

const bert = (options) =>
  reference.bertNormalizer({
    cleanText: false,
    handleChineseChars: false,
    stripAccents: false,
    lowercase: false,
    ...options,
  });
const removes = (normalizer) => (c) => normalizer.normalizeString(`x${text(c)}y`) === "xy";
const changes = (normalizer) => (c) => normalizer.normalizeString(text(c)) !== text(c);
const pieces = (preTokenizer, s) => preTokenizer.preTokenizeString(s).map(([piece]) => piece);
const joins = (preTokenizer, before) => (c) => pieces(preTokenizer, before + text(c)).length === 1;

const nfd = reference.nfdNormalizer();
const decomposes = changes(nfd);
const reorders = (c) =>
  !decomposes(c) &&
  (nfd.normalizeString(`${text(c)}\u0334`) !== `${text(c)}\u0334` ||
    nfd.normalizeString(`\u0345${text(c)}`) !== `\u0345${text(c)}`);
const byteLevel = reference.byteLevelPreTokenizer(false, true);
const punctuation = reference.punctuationPreTokenizer("isolated");
const digits = reference.digitsPreTokenizer(true);
const whitespace = reference.whitespacePreTokenizer();
const lower = reference.lowercase();

const lowerMap = [];
const lowerSpecial = [];
for (let c = 0; c <= LAST; c++) {
  if (isSurrogate(c)) continue;
  const to = [...lower.normalizeString(text(c))].map((s) => s.codePointAt(0));
  if (to.length > 1) lowerSpecial.push([c, to]);
  else if (to[0] !== c) lowerMap.push([c, to[0]]);
}
if (JSON.stringify(lowerSpecial) !== "[[304,[105,775]]]") throw new Error("lower case has new special cases");

const tables = {
  OTHER: [
    "Removed by the BERT normalizer's text cleaning, besides U+FFFD.",
    (c) => c !== 0xfffd && removes(bert({ cleanText: true }))(c),
  ],
  NONSPACING_MARK: [
    "Removed by the BERT normalizer's accent stripping, after NFD.",
    removes(bert({ stripAccents: true })),
  ],
  COMBINING_MARK: ["Removed by the StripAccents normalizer.", removes(reference.stripAccentsNormalizer())],
  PUNCTUATION: [
    "Punctuation of the BERT and Punctuation pre-tokenizers.",
    (c) => pieces(punctuation, `x${text(c)}y`).length === 3,
  ],
  LETTER: ["`\\p{L}` of the byte-level pre-tokenizer's pattern.", joins(byteLevel, "x")],
  NUMBER: ["`\\p{N}` of the byte-level pre-tokenizer's pattern.", joins(byteLevel, "1")],
  NUMERIC: ["Digits pre-tokenizer.", (c) => pieces(digits, `x${text(c)}y`).length === 3],
  WORD: [
    "`\\w` of the Whitespace pre-tokenizer and of single-word added tokens.",
    (c) => pieces(whitespace, `x${text(c)}`)[0].length > 1,
  ],
  CANONICAL: ["Changed by NFD.", decomposes],
  COMPATIBILITY: [
    "Changed by NFKD and not by NFD.",
    (c) => !decomposes(c) && changes(reference.nfkdNormalizer())(c),
  ],
  REORDERED: ["Canonical combining class is not zero, and not changed by NFD.", reorders],
};

const lines = [
  "/**",
  " * What the reference tokenizers believe of each code point, found by asking them for all of them: their parts",
  " * were built against different versions of Unicode, and Node's own tables change with its version.",
  " * Written by test/tokenizer/generate-unicode-tables.mjs; read by unicode.ts.",
  " *",
  " * A set is a list of ranges in base 36: code points skipped since the end of the last range, length - 1.",
  " */",
];
const wrapped = (name, data) => {
  lines.push(`export const ${name} =`);
  const rows = data.match(/.{1,100}(?: |$)/g);
  rows.forEach((row, i) => lines.push(`  ${JSON.stringify(row)}${i === rows.length - 1 ? ";" : " +"}`));
  lines.push("");
};
lines.push("");
for (const [name, [meaning, test]] of Object.entries(tables)) {
  lines.push(`/** ${meaning} */`);
  wrapped(name, ranges(test));
}
lines.push(
  "/** Lower case, besides U+0130: lists of (code points skipped, count - 1, step, difference) in base 36. */",
);
wrapped("LOWER_CASE", mappings(lowerMap));
const out = fileURLToPath(new URL("../../lib/tokenizer/unicode-tables.ts", import.meta.url));
writeFileSync(out, lines.join("\n").trimEnd() + "\n");
console.log(`${out}: ${lines.length} lines`);
