/**
 * The pre-tokenizers tokenizer.json can name: each splits pieces of a normalized text into smaller ones. A piece is a
 * pair (start, end) of units in a flat array.
 */
import type { AlignedText } from "./aligned-text.js";
import { IntList } from "./int-list.js";
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

/** A pre-tokenizer that also changes the text. */
export interface PieceRewriter {
  /** The changed text and its pieces. */
  rewrite(text: AlignedText, pieces: Pieces): Steps<[AlignedText, Pieces]>;
}

/** What becomes of a delimiter. */
export type DelimiterBehavior =
  | "Removed"
  | "Isolated"
  | "MergedWithPrevious"
  | "MergedWithNext"
  | "Contiguous";

/** Puts pieces together from delimiters and what lies between them, as a behavior has it. */
export class PieceWriter {
  /** Whether the last stretch was a delimiter; undefined before the first. */
  private previous: boolean | undefined;

  constructor(
    private readonly behavior: DelimiterBehavior,
    /** Where the pieces go. */
    private readonly pieces = new IntList(),
  ) {}

  /** The next stretch, which begins where the last one ended. */
  add(start: number, end: number, isDelimiter: boolean): void {
    if (start >= end) return;
    if (this.behavior === "Removed" && isDelimiter) return;
    if (this.joins(isDelimiter)) {
      this.pieces.setLast(end);
    } else {
      this.pieces.push(start);
      this.pieces.push(end);
    }
    this.previous = isDelimiter;
  }

  private joins(isDelimiter: boolean): boolean {
    if (this.previous === undefined) return false;
    switch (this.behavior) {
      case "MergedWithPrevious":
        return isDelimiter && !this.previous;
      case "MergedWithNext":
        return !isDelimiter && this.previous;
      case "Contiguous":
        return isDelimiter === this.previous;
      default:
        return false;
    }
  }

  finish(): Pieces {
    return this.pieces.view();
  }
}

/** Splits at single code points with a property. */
class CharacterSplit implements PreTokenizer {
  constructor(
    private readonly isDelimiter: (codePoint: number) => boolean,
    private readonly behavior: DelimiterBehavior,
  ) {}

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const writer = new PieceWriter(this.behavior);
    let begin = from;
    for (let i = from; i < to;) {
      const codePoint = text.codePointAt(i);
      const next = i + (codePoint > 0xffff ? 2 : 1);
      if (this.isDelimiter(codePoint)) {
        writer.add(begin, i, false);
        writer.add(i, next, true);
        begin = next;
      }
      if (i % 2048 === 0) yield;
      i = next;
    }
    writer.add(begin, to, false);
    return writer.finish();
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
    const pieces = new IntList();
    let previous = WHITESPACE;
    for (let i = from; i < to;) {
      const codePoint = text.codePointAt(i);
      const next = i + (codePoint > 0xffff ? 2 : 1);
      const properties = propertiesOf(codePoint);
      const kind = (properties & WORD) !== 0 ? WORD : properties & WHITESPACE;
      if (kind !== WHITESPACE) {
        if (kind === previous) {
          pieces.setLast(next);
        } else {
          pieces.push(i);
          pieces.push(next);
        }
      }
      previous = kind;
      if (i % 2048 === 0) yield;
      i = next;
    }
    return pieces.view();
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
    const writer = new PieceWriter(this.behavior);
    let begin = from;
    for (let i = 0; i < matches.length; i += 2) {
      const end = from + matches[i + 1]!;
      writer.add(begin, from + matches[i]!, this.invert);
      writer.add(from + matches[i]!, end, !this.invert);
      begin = end;
      if (i % 8192 === 0) yield;
    }
    writer.add(begin, to, this.invert);
    return writer.finish();
  }
}

/** GPT-2's pattern, without the change to the byte alphabet: the model does that. */
export class Gpt2Split implements PreTokenizer {
  private readonly scanner = new Gpt2WordScanner();

  *split(text: AlignedText, from: number, to: number): Steps<Pieces> {
    const piece = text.view(from, to);
    const pieces = new IntList();
    for (let start = 0; start < piece.length;) {
      const end = this.scanner.wordEnd(piece, start, true);
      pieces.push(from + start);
      pieces.push(from + end);
      if (pieces.length % 1024 === 0) yield;
      start = end;
    }
    return pieces.view();
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
