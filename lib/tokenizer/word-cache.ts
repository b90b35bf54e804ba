import type { TokenSink } from "./token-sink.js";
import type { AlignedText } from "./aligned-text.js";
import type { Symbols } from "./symbols.js";
import { mixHash } from "./vocabulary.js";

const MAX_WORDS = 1 << 15;
const MAX_UNITS = MAX_WORDS * 8;
const MAX_TOKENS = MAX_WORDS * 4;

/** Longer words are not kept. */
const LONGEST_WORD = 64;

/**
 * Words already split and their tokens. Bounded (about 3 MB): when it is full it starts again, which costs little,
 * since the words of a text are soon all there again.
 */
export class WordCache {
  private readonly slots = new Int32Array(MAX_WORDS * 2);
  private readonly mask = MAX_WORDS * 2 - 1;
  /** Per word: hash, first unit, number of units, first token, number of tokens. */
  private readonly words = new Int32Array(MAX_WORDS * 5);
  private wordCount = 0;
  private readonly units = new Uint16Array(MAX_UNITS);
  private unitCount = 0;
  /** Per token: id, first unit within the word, end within the word. */
  private readonly tokens = new Int32Array(MAX_TOKENS * 3);
  private tokenCount = 0;

  /** Appends the tokens of units `from` to `to` when the word is known. */
  replay(text: AlignedText, from: number, to: number, hash: number, sink: TokenSink, word: number): boolean {
    let slot = mixHash(hash) & this.mask;
    for (;;) {
      const entry = (this.slots[slot]! - 1) * 5;
      if (entry < 0) return false;
      if (this.words[entry] === hash && this.equals(entry, text.units, from, to)) {
        this.push(entry, text, from, sink, word);
        return true;
      }
      slot = (slot + 1) & this.mask;
    }
  }

  private equals(entry: number, units: Uint16Array, from: number, to: number): boolean {
    if (this.words[entry + 2] !== to - from) return false;
    let at = this.words[entry + 1]!;
    for (let i = from; i < to; i++, at++) if (this.units[at] !== units[i]) return false;
    return true;
  }

  private push(entry: number, text: AlignedText, from: number, sink: TokenSink, word: number): void {
    const tokens = this.tokens;
    const first = this.words[entry + 3]! * 3;
    const last = first + this.words[entry + 4]! * 3;
    if (text.aligned) {
      for (let t = first; t < last; t += 3) {
        const start = text.starts[from + tokens[t + 1]!]!;
        const end = text.ends[from + tokens[t + 2]! - 1]!;
        sink.push(tokens[t]!, start, end, word);
      }
      return;
    }
    // Tokens begin and end with whole code points, so no pair needs a look here.
    const base = text.base + from;
    for (let t = first; t < last; t += 3) {
      sink.push(tokens[t]!, base + tokens[t + 1]!, base + tokens[t + 2]!, word);
    }
  }

  /** Keeps a word and the first `count` of its pieces. */
  add(units: Uint16Array, from: number, to: number, hash: number, pieces: Symbols, count: number): void {
    if (to - from > LONGEST_WORD) return;
    const full =
      this.wordCount === MAX_WORDS ||
      this.unitCount + (to - from) > MAX_UNITS ||
      this.tokenCount + count > MAX_TOKENS;
    if (full) this.clear();
    this.words.set([hash, this.unitCount, to - from, this.tokenCount, count], this.wordCount * 5);
    let slot = mixHash(hash) & this.mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = ++this.wordCount;
    this.units.set(units.subarray(from, to), this.unitCount);
    this.unitCount += to - from;
    for (let i = 0; i < count; i++) {
      const at = this.tokenCount++ * 3;
      this.tokens[at] = pieces.ids[i]!;
      this.tokens[at + 1] = pieces.starts[i]!;
      this.tokens[at + 2] = pieces.ends[i]!;
    }
  }

  private clear(): void {
    this.slots.fill(0);
    this.wordCount = 0;
    this.unitCount = 0;
    this.tokenCount = 0;
  }
}
