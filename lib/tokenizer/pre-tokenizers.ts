/**
 * The pre-tokenizers tokenizer.json can name: each splits pieces of a normalized text into smaller ones. A piece is a
 * pair (start, end) of units in a flat array.
 */
import type { AlignedText } from "./aligned-text.js";
import { findMatches, type Pattern } from "./patterns.js";
import type { Steps } from "./time-slices.js";
import { NUMERIC, propertiesOf, PUNCTUATION, WHITESPACE, WORD } from "./unicode.js";
import { Gpt2WordScanner } from "./word-scanners.js";

/** Pairs (start, end) of units, in order. */
export type Pieces = Int32Array;

export interface PreTokenizer {
  /** Splits one piece of the text. */
  split(text: AlignedText, from: number, to: number): Steps<Pieces>;
}

/** What becomes of a delimiter: see `applyBehavior`. */
export type DelimiterBehavior =
  | "Removed"
  | "Isolated"
  | "MergedWithPrevious"
  | "MergedWithNext"
  | "Contiguous";

/** Pairs (start, end) that cover the piece, each with whether it is a delimiter. */
interface Cover {
  bounds: number[];
  isMatch: boolean[];
}

function coverOf(matches: ArrayLike<number>, from: number, to: number): Cover {
  const cover: Cover = { bounds: [], isMatch: [] };
  const add = (start: number, end: number, isMatch: boolean): void => {
    if (start >= end) return;
    cover.bounds.push(start, end);
    cover.isMatch.push(isMatch);
  };
  let at = from;
  for (let m = 0; m < matches.length; m += 2) {
    add(at, matches[m]!, false);
    add(matches[m]!, matches[m + 1]!, true);
    at = matches[m + 1]!;
  }
  add(at, to, false);
  return cover;
}

/** Pieces from delimiters and what lies between them. `invert`: what lies between them are the delimiters. */
function applyBehavior(cover: Cover, behavior: DelimiterBehavior, invert: boolean): Pieces {
  const { bounds } = cover;
  const isMatch = invert ? cover.isMatch.map((m) => !m) : cover.isMatch;
  if (behavior === "Isolated") return Int32Array.from(bounds);
  const pieces: number[] = [];
  const count = isMatch.length;
  if (behavior === "MergedWithNext") {
    for (let i = count - 1, previous = false; i >= 0; i--) {
      const joins = isMatch[i]! && !previous && pieces.length > 0;
      if (joins) pieces[pieces.length - 1] = bounds[2 * i]!;
      else pieces.push(bounds[2 * i + 1]!, bounds[2 * i]!);
      previous = isMatch[i]!;
    }
    return Int32Array.from(pieces.reverse());
  }
  let previous = false;
  for (let i = 0; i < count; i++) {
    if (behavior === "Removed") {
      if (!isMatch[i]) pieces.push(bounds[2 * i]!, bounds[2 * i + 1]!);
      continue;
    }
    const joins = behavior === "Contiguous" ? isMatch[i] === previous : isMatch[i]! && !previous;
    if (joins && pieces.length > 0) pieces[pieces.length - 1] = bounds[2 * i + 1]!;
    else pieces.push(bounds[2 * i]!, bounds[2 * i + 1]!);
    previous = isMatch[i]!;
  }
  return Int32Array.from(pieces);
}

/** Splits at single code points with a property. */
class CharacterSplit implements PreTokenizer {
  constructor(
    private readonly isDelimiter: (codePoint: number) => boolean,
    private readonly behavior: DelimiterBehavior,
  ) {}

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const matches: number[] = [];
    for (let i = from; i < to;) {
      const codePoint = text.codePointAt(i);
      const next = i + (codePoint > 0xffff ? 2 : 1);
      if (this.isDelimiter(codePoint)) matches.push(i, next);
      if (i % 2048 === 0) yield;
      i = next;
    }
    return applyBehavior(coverOf(matches, from, to), this.behavior, false);
  }
}

const has = (bit: number) => (codePoint: number) => (propertiesOf(codePoint) & bit) !== 0;

export class WhitespaceSplit extends CharacterSplit {
  constructor() {
    super(has(WHITESPACE), "Removed");
  }
}

export class Punctuation extends CharacterSplit {
  constructor(behavior: DelimiterBehavior) {
    super(has(PUNCTUATION), behavior);
  }
}

export class Digits extends CharacterSplit {
  constructor(individual: boolean) {
    super(has(NUMERIC), individual ? "Isolated" : "Contiguous");
  }
}

export class CharDelimiterSplit extends CharacterSplit {
  constructor(delimiter: number) {
    super((codePoint) => codePoint === delimiter, "Removed");
  }
}

/** White space goes, punctuation is isolated. */
export class BertPreTokenizer implements PreTokenizer {
  private readonly punctuation = new Punctuation("Isolated");
  private readonly whitespace = new WhitespaceSplit();

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const words = yield* this.whitespace.split(text, from, to);
    return yield* splitEach(text, words, this.punctuation);
  }
}

/** Runs of word characters and runs of anything else but white space: `\w+|[^\w\s]+`. */
export class Whitespace implements PreTokenizer {
  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const pieces: number[] = [];
    let previous = WHITESPACE;
    for (let i = from; i < to;) {
      const codePoint = text.codePointAt(i);
      const next = i + (codePoint > 0xffff ? 2 : 1);
      const properties = propertiesOf(codePoint);
      const kind = (properties & WORD) !== 0 ? WORD : properties & WHITESPACE;
      if (kind !== WHITESPACE) {
        if (kind === previous) pieces[pieces.length - 1] = next;
        else pieces.push(i, next);
      }
      previous = kind;
      if (i % 2048 === 0) yield;
      i = next;
    }
    return Int32Array.from(pieces);
  }
}

/** Splits at the matches of a pattern. */
export class Split implements PreTokenizer {
  constructor(
    private readonly pattern: Pattern,
    private readonly behavior: DelimiterBehavior,
    private readonly invert: boolean,
  ) {}

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const matches = yield* findMatches(this.pattern, text.slice(from, to));
    for (let i = 0; i < matches.length; i++) matches[i]! += from;
    return applyBehavior(coverOf(matches, from, to), this.behavior, this.invert);
  }
}

/** GPT-2's pattern, without the change to the byte alphabet: the model does that. */
export class Gpt2Split implements PreTokenizer {
  private readonly scanner = new Gpt2WordScanner();

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const piece = text.view(from, to);
    const pieces: number[] = [];
    for (let start = 0; start < piece.length;) {
      const end = this.scanner.wordEnd(piece, start, true);
      pieces.push(from + start, from + end);
      if (pieces.length % 1024 === 0) yield;
      start = end;
    }
    return Int32Array.from(pieces);
  }
}

/** Splits every piece. */
export function* splitEach(text: AlignedText, pieces: Pieces, preTokenizer: PreTokenizer): Steps<Pieces> {
  const parts: Pieces[] = [];
  let length = 0;
  for (let i = 0; i < pieces.length; i += 2) {
    const part = yield* preTokenizer.split(text, pieces[i]!, pieces[i + 1]!);
    parts.push(part);
    length += part.length;
    if (i % 256 === 0) yield;
  }
  const all = new Int32Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export class PreTokenizerSequence implements PreTokenizer {
  constructor(private readonly preTokenizers: readonly PreTokenizer[]) {}

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    let pieces: Pieces = Int32Array.of(from, to);
    for (const preTokenizer of this.preTokenizers) pieces = yield* splitEach(text, pieces, preTokenizer);
    return pieces;
  }
}
