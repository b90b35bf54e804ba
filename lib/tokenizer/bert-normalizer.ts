/**
 * The BERT normalizer, each part switchable: text cleaning, spaces around CJK characters, accent stripping (NFD, then
 * nonspacing marks go), lower case. In this order, code point by code point.
 */
import { AlignedText, isPair } from "./aligned-text.js";
import { Transform } from "./normalization-forms.js";
import {
  eachCodePoint,
  Lowercase,
  mapCodePoints,
  UnicodeNormalizer,
  type Normalizer,
} from "./normalizers.js";
import { runNow, type Steps } from "./time-slices.js";
import {
  decompose,
  NONSPACING_MARK,
  OTHER,
  propertiesOf,
  REORDERED,
  toLowerCase,
  WHITESPACE,
} from "./unicode.js";

export interface BertNormalizerSettings {
  /** Remove control characters and U+FFFD, make all white space a space. */
  cleanText: boolean;
  /** Put spaces around CJK ideographs. */
  spaceCjk: boolean;
  stripAccents: boolean;
  lowercase: boolean;
}

/** CJK ideographs as BERT's first code listed them; Extension E begins where that list had it, not at U+2B820. */
export function isCjk(c: number): boolean {
  if (c < 0x3400) return false;
  return (
    (c >= 0x4e00 && c <= 0x9fff) ||
    (c >= 0x3400 && c <= 0x4dbf) ||
    (c >= 0xf900 && c <= 0xfaff) ||
    (c >= 0x20000 && c <= 0x2a6df) ||
    (c >= 0x2a700 && c <= 0x2b81f) ||
    (c >= 0x2b920 && c <= 0x2ceaf) ||
    (c >= 0x2f800 && c <= 0x2fa1f)
  );
}

/** What becomes of a UTF-16 unit. */
const UNSEEN = 0;
const REPLACED = 1;
const REMOVED = 2;
const EXPANDED = 3;
const SURROGATE = 4;
/** A mark that is kept although canonical order may move it: its surroundings are needed. */
const INTRICATE = 5;

const UNITS = 0x10000;

export class BertNormalizer implements Normalizer {
  /** What becomes of each unit, found when it is first met. */
  private readonly fates = new Uint8Array(UNITS);
  /** The unit that replaces it when REPLACED. */
  private readonly replacements = new Uint16Array(UNITS);
  private readonly expansions = new Map<number, readonly number[]>();

  /**
   * `isolateCjk`: no spaces around CJK ideographs, the caller splits there itself, so that the text keeps its length.
   * `append` is for this case only.
   */
  constructor(
    private readonly settings: BertNormalizerSettings,
    private readonly isolateCjk: boolean,
  ) {}

  /** Whether the text may be cut before unit `at`: nothing before it can change what it becomes. */
  isBoundary(source: string, at: number): boolean {
    const isWithinPair = at > 0 && isPair(source.charCodeAt(at - 1), source.charCodeAt(at));
    return !isWithinPair && !this.joins(codePointAfter(source, at));
  }

  /** Whether a code point belongs to the marks before it: is one, or goes without a trace between two. */
  private joins(codePoint: number): boolean {
    const head = decompose(codePoint, "NFD")?.[0] ?? codePoint;
    return (propertiesOf(head) & REORDERED) !== 0 || this.isCleaned(codePoint);
  }

  /** Appends units `from` to `to` of the source, normalized. Both are boundaries or ends. */
  append(source: string, from: number, to: number, into: AlignedText): void {
    for (let at = from; at < to;) {
      at = this.appendReplaced(source, at, to, into);
      if (at < to) at = this.appendOther(source, from, at, to, into);
    }
  }

  /** The common case: units that stay, or become one other. Stops at the first that does not. */
  private appendReplaced(source: string, from: number, to: number, into: AlignedText): number {
    if (into.length === 0) into.reset(from);
    into.reserve(to - from);
    const { fates, replacements } = this;
    const { units, aligned, starts, ends } = into;
    let length = into.length;
    let at = from;
    for (; at < to; at++) {
      const unit = source.charCodeAt(at);
      if (fates[unit] !== REPLACED) break;
      if (aligned) {
        starts[length] = at;
        ends[length] = at + 1;
      }
      units[length++] = replacements[unit]!;
    }
    into.length = length;
    return at;
  }

  /** One code point that is not simply replaced; returns where the next begins. */
  private appendOther(source: string, first: number, at: number, to: number, into: AlignedText): number {
    const unit = source.charCodeAt(at);
    if (this.fates[unit] === UNSEEN) this.decide(unit);
    switch (this.fates[unit]) {
      case REPLACED:
        return at;
      case REMOVED:
        if (into.length > 0) into.align();
        return at + 1;
      case INTRICATE:
        return this.appendIntricate(source, first, at, to, into);
      case EXPANDED:
        this.push(this.expansions.get(unit)!, at, at + 1, into);
        return at + 1;
      default:
        return this.appendSurrogate(source, first, at, to, into);
    }
  }

  private appendSurrogate(source: string, first: number, at: number, to: number, into: AlignedText): number {
    const codePoint = source.codePointAt(at)!;
    if (codePoint <= 0xffff) {
      // A lone surrogate counts as U+FFFD, which the cleaning removes.
      if (this.settings.cleanText) into.align();
      else this.push([0xfffd], at, at + 1, into);
      return at + 1;
    }
    if (this.isIntricate(codePoint)) return this.appendIntricate(source, first, at, to, into);
    const result = this.normalizeOne(codePoint);
    if (result.length === 0) into.align();
    else this.push(result, at, at + 2, into);
    return at + 2;
  }

  private push(codePoints: readonly number[], start: number, end: number, into: AlignedText): void {
    // A supplementary code point that stays one keeps the text's length.
    const keepsLength = codePoints.length === 1 && codePoints[0]! > 0xffff === end - start > 1;
    if (keepsLength && !into.aligned) {
      into.reserve(2);
      if (into.length === 0) into.reset(start);
      into.pushInPlace(codePoints[0]!);
      return;
    }
    into.align();
    into.reserve(codePoints.length * 2);
    for (const codePoint of codePoints) into.push(codePoint, start, end);
  }

  private decide(unit: number): void {
    if ((unit & 0xf800) === 0xd800) {
      this.fates[unit] = SURROGATE;
      return;
    }
    if (this.isIntricate(unit)) {
      this.fates[unit] = INTRICATE;
      return;
    }
    const result = this.normalizeOne(unit);
    if (result.length === 0) {
      this.fates[unit] = REMOVED;
    } else if (result.length === 1 && result[0]! <= 0xffff) {
      this.fates[unit] = REPLACED;
      this.replacements[unit] = result[0]!;
    } else {
      this.fates[unit] = EXPANDED;
      this.expansions.set(unit, result);
    }
  }

  /** Whether a code point has, itself or decomposed, a mark that stays and that canonical order may move. */
  private isIntricate(codePoint: number): boolean {
    if (!this.settings.stripAccents || this.isCleaned(codePoint)) return false;
    const parts = decompose(codePoint, "NFD") ?? [codePoint];
    return parts.some((part) => (propertiesOf(part) & (REORDERED | NONSPACING_MARK)) === REORDERED);
  }

  private isCleaned(codePoint: number): boolean {
    return this.settings.cleanText && (codePoint === 0xfffd || (propertiesOf(codePoint) & OTHER) !== 0);
  }

  /** What becomes of a code point whose surroundings do not matter. */
  private normalizeOne(codePoint: number): number[] {
    const { cleanText, stripAccents, lowercase } = this.settings;
    if (this.isCleaned(codePoint)) return [];
    if (cleanText && (propertiesOf(codePoint) & WHITESPACE) !== 0) return [0x20];
    let result: number[] = [codePoint];
    if (stripAccents) {
      result = (decompose(codePoint, "NFD") ?? result).filter(
        (c) => (propertiesOf(c) & NONSPACING_MARK) === 0,
      );
    }
    if (lowercase) result = result.flatMap((c) => (c === 0x130 ? [0x69, 0x307] : [toLowerCase(c)]));
    return result;
  }

  /** A run of marks among which one stays: done with the general forms, from the run's begin to its end. */
  private appendIntricate(source: string, first: number, at: number, to: number, into: AlignedText): number {
    let from = at;
    if (this.joins(codePointAfter(source, at))) {
      // Marks before it were removed already, but their places count.
      while (from > first && this.joins(codePointBefore(source, from))) {
        from -= codePointBefore(source, from) > 0xffff ? 2 : 1;
      }
    }
    let end = at + (codePointAfter(source, at) > 0xffff ? 2 : 1);
    while (end < to && this.joins(codePointAfter(source, end))) {
      end += codePointAfter(source, end) > 0xffff ? 2 : 1;
    }
    const run = new AlignedText(end - from);
    run.appendSource(source, from, end);
    const normalized = runNow(this.normalize(run));
    into.appendFrom(normalized, 0, normalized.length);
    return end;
  }

  *normalize(text: AlignedText): Steps<AlignedText> {
    const { cleanText, spaceCjk, stripAccents, lowercase } = this.settings;
    if (cleanText) {
      text = yield* mapCodePoints(text, (c) => {
        if (this.isCleaned(c)) return -1;
        return (propertiesOf(c) & WHITESPACE) !== 0 ? 0x20 : c;
      });
    }
    if (spaceCjk && !this.isolateCjk) text = yield* spaceCjkOf(text);
    if (stripAccents) {
      text = yield* new UnicodeNormalizer("NFD").normalize(text);
      text = yield* mapCodePoints(text, (c) => ((propertiesOf(c) & NONSPACING_MARK) !== 0 ? -1 : c));
    }
    return lowercase ? yield* new Lowercase().normalize(text) : text;
  }
}

function* spaceCjkOf(text: AlignedText): Steps<AlignedText> {
  const output = new AlignedText(text.length, text.origin);
  const transform = new Transform(text, output);
  yield* eachCodePoint(text, (c) => {
    const spaced = isCjk(c);
    if (!spaced) {
      transform.emit(c, 0);
      return;
    }
    // In this order all three share the ideograph's place.
    transform.emit(0x20, 0);
    transform.emit(c, 1);
    transform.emit(0x20, 1);
  });
  return output;
}

/** The code point at unit `at`; U+FFFD for a lone surrogate. */
function codePointAfter(source: string, at: number): number {
  const codePoint = source.codePointAt(at)!;
  return codePoint >= 0xd800 && codePoint <= 0xdfff ? 0xfffd : codePoint;
}

/** The code point that ends at unit `at`; U+FFFD for a lone surrogate. */
function codePointBefore(source: string, at: number): number {
  if (at >= 2 && isPair(source.charCodeAt(at - 2), source.charCodeAt(at - 1)))
    return source.codePointAt(at - 2)!;
  return codePointAfter(source, at - 1);
}
