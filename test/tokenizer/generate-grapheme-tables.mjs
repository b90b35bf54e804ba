// Writes lib/tokenizer/grapheme-tables.ts: how the reference tokenizers library (@anush008/tokenizers, the Rust code of
// Hugging Face) breaks text into grapheme clusters, asked code point by code point. Run it again when the reference
// moves to another Unicode version: node test/tokenizer/generate-grapheme-tables.mjs
//
// The library tells its clusters only through the Precompiled normalizer: with a map in which every first byte becomes
// "y", a cluster of fewer than six bytes becomes one "y", a longer one becomes one "y" per code point.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const reference = createRequire(import.meta.url)("@anush008/tokenizers");
const LAST = 0x10ffff;
const text = String.fromCodePoint;

/** The double array of one-byte keys: the root's children lie from unit 256 on, the value they share at 512. */
function everyByteMap() {
  const units = new Uint32Array(768);
  units[0] = 256 << 10;
  for (let byte = 1; byte < 256; byte++) {
    units[256 + byte] = ((((256 + byte) ^ 512) << 10) | (1 << 8) | byte) >>> 0;
  }
  units[512] = 2 ** 31;
  const map = Buffer.alloc(4 + units.length * 4 + 2);
  map.writeUInt32LE(units.length * 4, 0);
  units.forEach((unit, i) => map.writeUInt32LE(unit, 4 + i * 4));
  map.write("y\0", 4 + units.length * 4);
  return [...map];
}

const normalizer = reference.precompiled(everyByteMap());
const count = (s) => normalizer.normalizeString(s).length;

const MARK = "\u0301";
const ZWJ = "\u200d";
const KA = "\u0915";
const VIRAMA = "\u094d";
const L = "\u1100";
const V = "\u1160";
const T = "\u11a8";

/** Joins what is before it: a mark of any kind. */
const joins = (c) => count(`x${c}`) === 1;
/** Joins what is after it. */
const isPrepended = (c) => !joins(c) && count(`${c}x`) === 1;
/** Nothing joins it. A cluster of three would have five bytes and one "y", or more bytes and three. */
const isControl = (c) => !joins(c) && !isPrepended(c) && count(`${c}${MARK}${MARK}`) === 2;
const isPictographic = (c) => !joins(c) && count(`${c}${ZWJ}\u00a9${MARK}`) === 4;
const isZwj = (c) => c === ZWJ;
const isExtend = (c) => joins(c) && !isZwj(c) && count(`\u00a9${c}${ZWJ}\u00a9${MARK}`) === 5;
const isSpacing = (c) => joins(c) && !isZwj(c) && !isExtend(c);
/** One of four bytes could not be told apart, and would not matter: with anything joined to it there are six. */
const isConsonant = (c) =>
  c.length === 1 && !joins(c) && !isControl(c) && count(`${KA}${VIRAMA}${c}${MARK}`) === 4;
const isLinker = (c) => joins(c) && count(`${KA}${c}${KA}${MARK}`) === 4;
const isConjunctExtend = (c) => joins(c) && !isLinker(c) && count(`${KA}${c}${VIRAMA}${KA}${MARK}`) === 5;

// Hangul: which of L, V and T each code point joins, before it and after it.
const beforeL = (c) => count(`${c}${L}${MARK}`) === 3;
const beforeV = (c) => count(`${c}${V}${MARK}`) === 3;
const beforeT = (c) => count(`${c}${T}${MARK}`) === 3;
const afterV = (c) => count(`${V}${c}${MARK}`) === 3;
const plain = (c) => !joins(c) && !isPrepended(c) && !isControl(c) && !isConsonant(c);
const isL = (c) => plain(c) && beforeL(c);
const isV = (c) => plain(c) && !beforeL(c) && beforeV(c) && beforeT(c) && afterV(c);
const isLv = (c) => plain(c) && !beforeL(c) && beforeV(c) && beforeT(c) && !afterV(c);
const isLvOrLvt = (c) => plain(c) && !beforeL(c) && beforeT(c) && !afterV(c);
const isT = (c) => plain(c) && !beforeV(c) && beforeT(c) && afterV(c);

/** Code points for which `test` holds, as pairs (code points skipped since the last range, length - 1) in base 36. */
function ranges(test) {
  const numbers = [];
  let start = -1;
  let end = 0;
  for (let c = 0; c <= LAST + 1; c++) {
    const holds = c <= LAST && !(c >= 0xd800 && c <= 0xdfff) && c > 0 && test(text(c));
    if (holds && start < 0) start = c;
    if (!holds && start >= 0) {
      numbers.push(start - end, c - 1 - start);
      end = c;
      start = -1;
    }
  }
  return numbers.map((n) => n.toString(36)).join(" ");
}

const tables = {
  CONTROL: ["Breaks on both sides, like U+0000, which the reference cannot be asked about.", isControl],
  EXTEND: ["Extend: joins the cluster before it.", isExtend],
  SPACING_MARK: ["SpacingMark: the same, but not within an emoji sequence.", isSpacing],
  PREPEND: ["Prepend: joins what is after it.", isPrepended],
  HANGUL_L: ["Leading consonants of Hangul.", isL],
  HANGUL_V: ["Vowels of Hangul, and others that join like them.", isV],
  HANGUL_T: ["Trailing consonants of Hangul.", isT],
  PICTOGRAPHIC: ["Joins another one across Extend* U+200D.", isPictographic],
  CONSONANT: ["Joins another one across a linker, and marks that extend a conjunct.", isConsonant],
  LINKER: ["Links consonants.", isLinker],
  CONJUNCT_EXTEND: ["May stand between a consonant and a linker.", isConjunctExtend],
};

const lines = [
  "/**",
  " * How the reference breaks text into grapheme clusters, found by asking it for all code points. Regional indicators",
  " * are not told apart: any cluster with two of them is longer than those that matter (charsmap-normalizer.ts).",
  " * Written by test/tokenizer/generate-grapheme-tables.mjs; read by graphemes.ts.",
  " *",
  " * A set is a list of ranges in base 36: code points skipped since the end of the last range, length - 1.",
  " */",
  "",
];
for (const [name, [meaning, test]] of Object.entries(tables)) {
  const data = ranges(test);
  lines.push(`/** ${meaning} */`, `export const ${name} =`);
  const rows = data.match(/.{1,100}(?: |$)/g);
  rows.forEach((row, i) => lines.push(`  ${JSON.stringify(row)}${i === rows.length - 1 ? ";" : " +"}`));
  lines.push("");
}

// Syllables are computed from their numbers; the reference must agree.
for (let c = 0xabff; c <= 0xd7b0; c++) {
  const isSyllable = c >= 0xac00 && c <= 0xd7a3;
  const isOpen = isSyllable && (c - 0xac00) % 28 === 0;
  if (isLvOrLvt(text(c)) !== isSyllable || isLv(text(c)) !== isOpen) {
    if (c < 0xd7b0) throw new Error(`Hangul syllables have changed: U+${c.toString(16)}`);
  }
}

const out = fileURLToPath(new URL("../../lib/tokenizer/grapheme-tables.ts", import.meta.url));
writeFileSync(out, lines.join("\n").trimEnd() + "\n");
console.log(`${out}: ${lines.length} lines`);
