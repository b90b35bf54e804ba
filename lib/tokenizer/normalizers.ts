/**
 * The normalizers tokenizer.json can name. Each takes a whole text with its alignment and returns another; the BERT
 * normalizer can also work on the text as it comes (bert-normalizer.ts).
 */
import { AlignedText } from "./aligned-text.js";
import { normalizeTo, Transform, type NormalizationForm } from "./normalization-forms.js";
import { findMatches, type Pattern } from "./patterns.js";
import type { Steps } from "./time-slices.js";
import { COMBINING_MARK, propertiesOf, toLowerCase, WHITESPACE } from "./unicode.js";

export interface Normalizer {
  normalize(text: AlignedText): Steps<AlignedText>;
}

/** Calls `visit` for each code point; yields often. */
export function* eachCodePoint(text: AlignedText, visit: (codePoint: number) => void): Steps<void> {
  for (let i = 0; i < text.length;) {
    const codePoint = text.codePointAt(i);
    visit(codePoint);
    i += codePoint > 0xffff ? 2 : 1;
    if (i % 4096 === 0) yield;
  }
}

/** Replaces each code point by another, or removes it where `map` returns -1. */
export function* mapCodePoints(text: AlignedText, map: (codePoint: number) => number): Steps<AlignedText> {
  const output = new AlignedText(text.length, text.origin);
  const transform = new Transform(text, output);
  yield* eachCodePoint(text, (codePoint) => {
    const mapped = map(codePoint);
    if (mapped < 0) transform.skip();
    else transform.emit(mapped, 0);
  });
  return output;
}

export class UnicodeNormalizer implements Normalizer {
  constructor(private readonly form: NormalizationForm) {}

  *normalize(text: AlignedText): Steps<AlignedText> {
    const output = new AlignedText(text.length, text.origin);
    yield* normalizeTo(text, output, this.form);
    return output;
  }
}

export class Lowercase implements Normalizer {
  *normalize(text: AlignedText): Steps<AlignedText> {
    const output = new AlignedText(text.length, text.origin);
    const transform = new Transform(text, output);
    yield* eachCodePoint(text, (codePoint) => {
      transform.emit(toLowerCase(codePoint), 0);
      if (codePoint === 0x130) transform.emit(0x307, 1);
    });
    return output;
  }
}

/** Removed by SentencePiece's NMT rules, or made a space. */
const NMT_REMOVED = [0x01, 0x08, 0x0b, 0x0b, 0x0e, 0x1f, 0x7f, 0x7f, 0x8f, 0x8f, 0x9f, 0x9f];
// prettier-ignore
const NMT_SPACES = [
  0x09, 0x0a, 0x0c, 0x0d, 0x1680, 0x1680, 0x200b, 0x200f, 0x2028, 0x2029, 0x2581, 0x2581, 0xfeff, 0xfeff,
  0xfffd, 0xfffd,
];

function isWithin(ranges: readonly number[], codePoint: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (codePoint >= ranges[i]! && codePoint <= ranges[i + 1]!) return true;
  }
  return false;
}

/** Control characters go, white space and what counts as such becomes a space. */
export class Nmt implements Normalizer {
  normalize(text: AlignedText): Steps<AlignedText> {
    return mapCodePoints(text, (c) => {
      if (c >= 0x20 && c < 0x7f) return c;
      if (isWithin(NMT_REMOVED, c)) return -1;
      return isWithin(NMT_SPACES, c) ? 0x20 : c;
    });
  }
}

/** Removes combining marks; does not decompose. */
export class StripAccents implements Normalizer {
  normalize(text: AlignedText): Steps<AlignedText> {
    return mapCodePoints(text, (c) => ((propertiesOf(c) & COMBINING_MARK) !== 0 ? -1 : c));
  }
}

/** Removes white space at the ends. */
export class Strip implements Normalizer {
  constructor(
    private readonly left: boolean,
    private readonly right: boolean,
  ) {}

  *normalize(text: AlignedText): Steps<AlignedText> {
    const isSpace = (i: number): boolean => (propertiesOf(text.units[i]!) & WHITESPACE) !== 0;
    let from = 0;
    let to = text.length;
    if (this.left) while (from < to && isSpace(from)) from++;
    if (this.right) while (to > from && isSpace(to - 1)) to--;
    const output = new AlignedText(to - from, text.origin);
    output.appendFrom(text, from, to);
    yield;
    return output;
  }
}

/** Puts a string before a text that is not empty. */
export class Prepend implements Normalizer {
  constructor(private readonly prefix: string) {}

  *normalize(text: AlignedText): Steps<AlignedText> {
    yield;
    return text.length === 0 ? text : prepend(text, this.prefix);
  }
}

/** `text` with `prefix` before it, aligned to the place of the first character. */
export function prepend(text: AlignedText, prefix: string): AlignedText {
  const output = new AlignedText(text.length + prefix.length, text.origin);
  output.reserve(prefix.length);
  for (let i = 0; i < prefix.length; i++) output.push(prefix.charCodeAt(i), text.startOf(0), text.endOf(0));
  output.appendFrom(text, 0, text.length);
  return output;
}

/** Replaces every match of a pattern. */
export class Replace implements Normalizer {
  constructor(
    private readonly pattern: Pattern,
    private readonly content: string,
  ) {}

  *normalize(text: AlignedText): Steps<AlignedText> {
    const output = new AlignedText(text.length, text.origin);
    const { content } = this;
    const matches = yield* findMatches(this.pattern, text.slice());
    let from = 0;
    for (let m = 0; m < matches.length; m += 2) {
      const start = matches[m]!;
      output.appendFrom(text, from, start);
      output.reserve(content.length);
      from = matches[m + 1]!;
      // Inserted text shares the place of the last character it replaces.
      const last = Math.max(start, from) - 1;
      const place = last < 0 ? [text.base, text.base] : [text.startOf(last), text.endOf(last)];
      for (let i = 0; i < content.length; i++) output.push(content.charCodeAt(i), place[0]!, place[1]!);
      if (m % 512 === 0) yield;
    }
    output.appendFrom(text, from, text.length);
    return output;
  }
}

export class NormalizerSequence implements Normalizer {
  constructor(private readonly normalizers: readonly Normalizer[]) {}

  *normalize(text: AlignedText): Steps<AlignedText> {
    for (const normalizer of this.normalizers) text = yield* normalizer.normalize(text);
    return text;
  }
}
