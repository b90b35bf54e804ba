/**
 * The pre-tokenizers of BERT and GPT-2 as scanners: they find one word after the other in text that is still growing
 * and hand each to the model at once, its hash computed on the way. Splitting first and tokenizing then, as the
 * general pre-tokenizers do, gives the same words.
 */
import type { AlignedText } from "./aligned-text.js";
import { isCjk } from "./bert-normalizer.js";
import type { Model } from "./model.js";
import type { TokenSink } from "./token-sink.js";
import { LETTER, NUMBER, propertyTable, PUNCTUATION, WHITESPACE } from "./unicode.js";
import { HASH_FACTOR } from "./vocabulary.js";

/** Units scanned per call, so that a caller can let others work between calls. */
const SCAN_UNITS = 8192;

/** Where a scan stands. */
export class ScanState {
  /** The next unit without a token: everything before has its tokens. */
  cursor = 0;
  /** End of the word at `cursor` when it is too long for one call of the model, else -1. */
  longEnd = -1;
  /** Units from `cursor` up to here are known to be of one word, which more text may continue. */
  open = 0;

  /** The text up to `cursor` was discarded. */
  discarded(): void {
    this.open = Math.max(0, this.open - this.cursor);
    this.cursor = 0;
  }
}

export interface WordScanner {
  /**
   * Hands words from `state.cursor` on to the model. Stops after some thousand units, before a word that more text
   * could continue (unless `final`), and before a word that is too long.
   */
  scan(text: AlignedText, state: ScanState, final: boolean, model: Model, sink: TokenSink): void;
}

const IN_WORD = 0;
const SPACE = 1;
const ALONE = 2;
const PAIRED = 3;

/** White space separates words, punctuation and (when asked) CJK ideographs are words of their own. */
export class BertWordScanner implements WordScanner {
  private readonly kinds = new Uint8Array(0x10000);

  constructor(private readonly isolateCjk: boolean) {
    for (let unit = 0; unit < 0x10000; unit++) {
      this.kinds[unit] = unit >= 0xd800 && unit <= 0xdbff ? PAIRED : this.kindOf(unit);
    }
  }

  private kindOf(codePoint: number): number {
    const properties = propertyTable()[codePoint]!;
    if ((properties & WHITESPACE) !== 0) return SPACE;
    if ((properties & PUNCTUATION) !== 0 || (this.isolateCjk && isCjk(codePoint))) return ALONE;
    return IN_WORD;
  }

  scan(text: AlignedText, state: ScanState, final: boolean, model: Model, sink: TokenSink): void {
    const { units, length } = text;
    const { kinds } = this;
    const stop = Math.min(length, state.cursor + SCAN_UNITS);
    let i = state.cursor;
    while (i < stop) {
      const start = i;
      let hash = 0;
      let kind = IN_WORD;
      // A word this long takes the slow way, without a hash: what was seen of it is not gone through again.
      if (state.open - start > model.longWord) i = state.open;
      while (i < length) {
        const unit = units[i]!;
        kind = kinds[unit]!;
        if (kind === PAIRED) {
          kind = this.kindOf(text.codePointAt(i));
          if (kind !== IN_WORD) break;
          hash = (Math.imul(hash, HASH_FACTOR) + unit) | 0;
          hash = (Math.imul(hash, HASH_FACTOR) + units[++i]!) | 0;
        } else if (kind === IN_WORD) {
          hash = (Math.imul(hash, HASH_FACTOR) + unit) | 0;
        } else {
          break;
        }
        i++;
      }
      if (i > start) {
        const open = i === length && !final;
        if (open || i - start > model.longWord) {
          state.cursor = start;
          state.open = i;
          state.longEnd = open ? -1 : i;
          return;
        }
        model.tokenize(text, start, i, hash, sink, sink.wordCount++);
      }
      if (i === length) break;
      if (kind === ALONE) i = tokenizeAlone(text, i, model, sink);
      else if (kind === SPACE) i++;
    }
    state.cursor = i;
    state.longEnd = -1;
  }
}

/** The code point at unit `i` as a word; returns where the next begins. */
function tokenizeAlone(text: AlignedText, i: number, model: Model, sink: TokenSink): number {
  const unit = text.units[i]!;
  if ((unit & 0xfc00) !== 0xd800) {
    model.tokenize(text, i, i + 1, unit, sink, sink.wordCount++);
    return i + 1;
  }
  const hash = (Math.imul(unit, HASH_FACTOR) + text.units[i + 1]!) | 0;
  model.tokenize(text, i, i + 2, hash, sink, sink.wordCount++);
  return i + 2;
}

const OTHER = 0;
const LETTERS = 1;
const NUMBERS = 2;
const BLANK = 3;
const SURROGATES = 4;

/** Kinds of UTF-16 units for GPT-2's pattern. */
let gpt2Kinds: Uint8Array | undefined;

function gpt2KindOf(codePoint: number): number {
  const properties = propertyTable()[codePoint]!;
  if ((properties & LETTER) !== 0) return LETTERS;
  if ((properties & NUMBER) !== 0) return NUMBERS;
  return (properties & WHITESPACE) !== 0 ? BLANK : OTHER;
}

function buildGpt2Kinds(): Uint8Array {
  const kinds = new Uint8Array(0x10000);
  for (let unit = 0; unit < kinds.length; unit++) {
    kinds[unit] = unit >= 0xd800 && unit <= 0xdbff ? SURROGATES : gpt2KindOf(unit);
  }
  return kinds;
}

/** Answers of `wordEnd` that are no end. */
const UNKNOWN = -1;
const OPEN = -2;

const APOSTROPHE = 0x27;
const BLANK_SPACE = 0x20;

/**
 * GPT-2's pattern: contractions; a run of letters, of numbers or of anything else that is not white space, each with
 * one space before it; white space, of which the last unit is left to what follows.
 */
export class Gpt2WordScanner implements WordScanner {
  private readonly kinds = (gpt2Kinds ??= buildGpt2Kinds());

  scan(text: AlignedText, state: ScanState, final: boolean, model: Model, sink: TokenSink): void {
    const { units, length } = text;
    const stop = Math.min(length, state.cursor + SCAN_UNITS);
    let start = state.cursor;
    state.longEnd = -1;
    while (start < stop) {
      const end = this.wordEnd(text, start, final, state.open);
      if (end < 0) {
        if (end === OPEN) state.open = length;
        break;
      }
      if (end - start > model.longWord) {
        state.longEnd = end;
        break;
      }
      let hash = 0;
      for (let i = start; i < end; i++) hash = (Math.imul(hash, HASH_FACTOR) + units[i]!) | 0;
      model.tokenize(text, start, end, hash, sink, sink.wordCount++);
      start = end;
    }
    state.cursor = start;
  }

  /**
   * End of the word at `start`; OPEN when all the text from there is of one word that may go on, UNKNOWN when there is
   * too little text to tell. Units before `open` are known to be of the word.
   */
  wordEnd(text: AlignedText, start: number, final: boolean, open = 0): number {
    const { units, length } = text;
    const first = units[start]!;
    if (first === APOSTROPHE) {
      if (!final && start + 3 > length) return UNKNOWN;
      const end = contractionEnd(units, start, length);
      if (end > 0) return end;
    }
    const kind = this.kindAt(text, start);
    let i = start;
    let run = kind;
    if (first === BLANK_SPACE && start + 1 < length) {
      const next = this.kindAt(text, start + 1);
      if (next !== BLANK) {
        run = next;
        i = start + 1;
      }
    }
    i = this.runEnd(text, Math.max(i, open), run);
    if (i === length && !final) return OPEN;
    // White space before something else: its last unit goes with that, unless it is the only one.
    return run === BLANK && i < length && i - start > 1 ? i - 1 : i;
  }

  private runEnd(text: AlignedText, from: number, run: number): number {
    const { units, length } = text;
    const { kinds } = this;
    let i = from;
    while (i < length) {
      const kind = kinds[units[i]!]!;
      if (kind === run) i++;
      else if (kind === SURROGATES && gpt2KindOf(text.codePointAt(i)) === run) i += 2;
      else break;
    }
    return i;
  }

  private kindAt(text: AlignedText, i: number): number {
    const kind = this.kinds[text.units[i]!]!;
    return kind === SURROGATES ? gpt2KindOf(text.codePointAt(i)) : kind;
  }
}

/** End of 's, 't, 'm, 'd, 're, 've or 'll at `start`, or -1. */
function contractionEnd(units: Uint16Array, start: number, length: number): number {
  if (start + 1 >= length) return -1;
  const a = units[start + 1]!;
  if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return start + 2;
  if (start + 2 >= length) return -1;
  const b = units[start + 2]!;
  const two = (b === 0x65 && (a === 0x72 || a === 0x76)) || (a === 0x6c && b === 0x6c);
  return two ? start + 3 : -1;
}
