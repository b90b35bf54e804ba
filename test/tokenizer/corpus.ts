/** Texts for comparisons with the reference: real ones, and ones nobody would write. Everything from one seed. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const fixtures = fileURLToPath(new URL("../fixtures/tokenizers/", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));

export function fixture(name: string): string {
  return readFileSync(join(fixtures, name), "utf8");
}

/** Sentences in many scripts, one a line. */
export const SENTENCES: readonly string[] = fixture("sentences.txt").trimEnd().split("\n");

/** Mulberry32: uniform in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Documentation in English, of this package and those it is developed with, up to `limit` characters. */
export function englishText(limit: number): string {
  let text = "";
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (text.length >= limit) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (/\.md$|^(?:LICENSE|NOTICE|COPYING)/i.test(entry.name)) text += readFileSync(path, "utf8");
    }
  };
  for (const folder of ["docs", "node_modules"]) {
    try {
      visit(join(root, folder));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return text.slice(0, limit);
}

// prettier-ignore
const INSERTIONS = [
  "\0", "\x07", "\x0b", "\x0c", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u0300", "\u0301", "\u0323", "\u0327",
  "\u0345", "\u05bf", "\u0653", "\u093c", "\u094d", "\u0e38", "\u1160", "\u11a8", "\u180e", "\u1b44", "\u200b",
  "\u200c", "\u200d", "\u200e", "\u2028", "\u202e", "\u2060", "\u20dd", "\u302e", "\u3000", "\u3099", "\ufe0f",
  "\ufeff", "\ufffc", "\ufffd", "\ufffe", "\ud800", "\udfff", "\ue000", "\u{1d165}", "\u{1d15e}", "\u{1f3fd}",
  "\u{e0061}", "\u{10ffff}", " ", "  ", "\t", "\n", "\r\n", " \n ", "'", "'s", "'ll", "##", "[MASK]", "[SEP]",
  "<mask>", "<|endoftext|>", "\u01c5", "\u0130", "\u03a3", "\u1e9e", "\ufb01", "\u2126", "\uac01", "\uf900",
];

/** Ranges that matter more than their size. */
// prettier-ignore
const BLOCKS: readonly (readonly [number, number])[] = [
  [0, 0x7f], [0x80, 0x17f], [0x180, 0x24f], [0x300, 0x36f], [0x370, 0x52f], [0x590, 0x6ff], [0x700, 0x8ff],
  [0x900, 0xdff], [0xe00, 0xfff], [0x1000, 0x11ff], [0x1200, 0x18af], [0x1900, 0x1cff], [0x1d00, 0x1fff],
  [0x2000, 0x206f], [0x2070, 0x27ff], [0x2800, 0x2fff], [0x3000, 0x33ff], [0x4e00, 0x9fff], [0xa000, 0xabff],
  [0xac00, 0xd7ff], [0xd800, 0xdfff], [0xe000, 0xf8ff], [0xf900, 0xffff], [0x10000, 0x10fff], [0x11000, 0x12fff],
  [0x16000, 0x18fff], [0x1b000, 0x1d7ff], [0x1e000, 0x1ffff], [0x20000, 0x3ffff], [0xe0000, 0xe01ff], [0, 0x10ffff],
];

/** Letters, marks that are stripped and marks that are kept, of several classes, decomposed or not, and what is cleaned. */
// prettier-ignore
const MARKS = [
  "a", "\u00e9", "\u1e69", "\u0301", "\u0323", "\u0327", "\u0345", "\u0344", "\u1b44", "\u093c", "\u094d",
  "\u0353", "\u08e1", "\u302e", "\u0f73", "\u{1d165}", "\u{1d15e}", "\u{1d16d}", "\u{1e8d0}", "\u{11133}",
  "\u0b94", "\u0bd7", "\u0dca", "\u1112", "\u1161", "\ud55c", "\u200d", "\ufffd", "\ud800", "\udc00", "\0", " ",
];

/** Makes texts of all kinds; the same seed makes the same texts. */
export class TextMaker {
  private readonly random: () => number;

  constructor(
    seed: number,
    private readonly english: string,
    private readonly words: readonly string[],
  ) {
    this.random = randomNumbers(seed);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Next text: half of them real English, the others of every other kind. */
  next(): string {
    const kind = this.below(21);
    if (kind < 10) return this.realText();
    if (kind < 12) return this.pick(SENTENCES);
    if (kind < 15) return this.mutated(this.pick(SENTENCES));
    if (kind < 16) return this.mutated(this.realText());
    if (kind < 18) return this.randomUnicode();
    if (kind < 19) return this.vocabularyWords();
    return kind < 20 ? this.longWord() : this.marks();
  }

  private realText(): string {
    const length = 8 + this.below(90);
    const at = this.below(Math.max(1, this.english.length - length));
    return this.english.slice(at, at + length);
  }

  mutated(text: string): string {
    for (let n = 1 + this.below(4); n > 0; n--) {
      const at = this.below(text.length + 1);
      const [before, after] = [text.slice(0, at), text.slice(at)];
      const kind = this.below(6);
      if (kind < 3) text = before + this.pick(INSERTIONS) + after;
      else if (kind === 3) text = before + after.slice(1 + this.below(3));
      else if (kind === 4) text = before.toUpperCase() + after;
      else text = before + this.pick(SENTENCES).slice(this.below(20)).slice(0, 30) + after.slice(0, 30);
    }
    return text;
  }

  private randomUnicode(): string {
    let text = "";
    const home = this.pick(BLOCKS);
    for (let n = 1 + this.below(24); n > 0; n--) {
      const [first, last] = this.below(4) === 0 ? this.pick(BLOCKS) : home;
      text += this.below(8) === 0 ? " " : String.fromCodePoint(first + this.below(last - first + 1));
    }
    return text;
  }

  private vocabularyWords(): string {
    let text = "";
    for (let n = 1 + this.below(12); n > 0; n--)
      text += this.pick(this.words) + this.pick([" ", "", " ", "-", "  "]);
    return text;
  }

  /** Marks of many kinds on few letters, with what goes without a trace between them. */
  private marks(): string {
    let text = "";
    for (let n = 2 + this.below(10); n > 0; n--) text += this.pick(MARKS);
    return text;
  }

  /** Words about as long as WordPiece takes, and longer. */
  private longWord(): string {
    const unit = this.pick([
      "a",
      "ab",
      "é",
      "e\u0301",
      "\u{10400}",
      "\ud55c",
      "x\u200d",
      "word",
      "\u0915\u093c",
    ]);
    const word = unit.repeat(
      Math.ceil((96 + this.below(10)) / (this.below(2) + 1) / Array.from(unit).length),
    );
    return `${this.pick(["", "see ", "\u00bb"])}${word}${this.pick(["", " end", "."])}`;
  }
}
