/** Tokens that are matched in the text before anything else is done to it, or after normalization. */
import { propertiesOf, WHITESPACE, WORD } from "./unicode.js";

export interface AddedToken {
  id: number;
  content: string;
  /** Left out by decoding when asked to. */
  special: boolean;
  /** Matches only where no word character touches it. */
  singleWord: boolean;
  /** Takes the white space before it. */
  lstrip: boolean;
  /** Takes the white space after it. */
  rstrip: boolean;
  /** Is matched, itself normalized, in the normalized text. */
  normalized: boolean;
}

/** A match: the token, and where it lies with the white space it takes. */
export interface AddedTokenMatch {
  token: AddedToken;
  start: number;
  end: number;
}

interface Candidate {
  text: string;
  token: AddedToken;
}

/** Places looked at between two steps. */
const PLACES_PER_STEP = 4096;

/** Finds added tokens in a text: leftmost, and of those the longest. */
export class AddedTokenMatcher {
  /** Candidates by first unit, longest first. */
  private readonly byFirst = new Map<number, Candidate[]>();
  /** First characters as strings, for `indexOf`. */
  private readonly firsts: string[] = [];

  constructor(tokens: readonly Candidate[]) {
    const known = new Set([""]);
    for (const candidate of tokens) {
      if (known.has(candidate.text)) continue;
      known.add(candidate.text);
      const first = candidate.text.charCodeAt(0);
      const list = this.byFirst.get(first);
      if (list === undefined) {
        this.byFirst.set(first, [candidate]);
        this.firsts.push(candidate.text[0]!);
      } else {
        list.push(candidate);
      }
    }
    for (const list of this.byFirst.values()) list.sort((a, b) => b.text.length - a.text.length);
  }

  get isEmpty(): boolean {
    return this.firsts.length === 0;
  }

  /**
   * All matches in units `from` to `to`; text outside of them does not count. The tokens do not overlap, but as in the
   * reference one may lie in the white space that the one before has taken. Undefined now and then, where a long text
   * has many places that could be matches and are not.
   */
  *matches(text: string, from = 0, to = text.length): Generator<AddedTokenMatch | undefined, void, void> {
    const nextPlace = this.places(text, to);
    let taken = from;
    let tried = 0;
    for (let at = nextPlace(from); at < to; at = nextPlace(at)) {
      if (++tried % PLACES_PER_STEP === 0) yield undefined;
      const candidate = this.candidateAt(text, at, to);
      if (candidate === undefined) {
        at++;
        continue;
      }
      const match = extend(candidate, at, text, from, to);
      at += candidate.text.length;
      if (match === undefined) continue;
      if (candidate.token.lstrip) match.start = Math.max(match.start, taken);
      taken = match.end;
      if (match.start < match.end) yield match;
    }
  }

  /** A function that finds the first place from a unit on where a token could begin; asked for ascending units. */
  private places(text: string, to: number): (at: number) => number {
    const { firsts, byFirst } = this;
    if (firsts.length > 4 || to < text.length) {
      return (at) => {
        while (at < to && !byFirst.has(text.charCodeAt(at))) at++;
        return at;
      };
    }
    // The native search is much faster; each first character is looked for once until its place is passed.
    const next = firsts.map(() => -1);
    return (at) => {
      let nearest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < next.length; i++) {
        if (next[i]! < at) next[i] = indexOf(text, firsts[i]!, at);
        if (next[i]! < nearest) nearest = next[i]!;
      }
      return nearest;
    };
  }

  private candidateAt(text: string, at: number, to: number): Candidate | undefined {
    for (const candidate of this.byFirst.get(text.charCodeAt(at))!) {
      if (at + candidate.text.length <= to && text.startsWith(candidate.text, at)) return candidate;
    }
    return undefined;
  }
}

function indexOf(text: string, character: string, from: number): number {
  const at = text.indexOf(character, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}

/** The match of a candidate at `at` with what its flags ask for, or undefined when they rule it out. */
function extend(
  { token, text: content }: Candidate,
  at: number,
  text: string,
  from: number,
  to: number,
): AddedTokenMatch | undefined {
  let start = at;
  let end = at + content.length;
  if (token.singleWord) {
    if (start > from && hasProperty(codePointBefore(text, start), WORD)) return undefined;
    if (end < to && hasProperty(text.codePointAt(end)!, WORD)) return undefined;
  }
  if (token.lstrip) while (start > from && hasProperty(text.charCodeAt(start - 1), WHITESPACE)) start--;
  if (token.rstrip) while (end < to && hasProperty(text.charCodeAt(end), WHITESPACE)) end++;
  return { token, start, end };
}

function hasProperty(codePoint: number, property: number): boolean {
  return (propertiesOf(codePoint) & property) !== 0;
}

function codePointBefore(text: string, at: number): number {
  const low = text.charCodeAt(at - 1);
  if ((low & 0xfc00) !== 0xdc00 || at < 2) return low;
  const pair = text.codePointAt(at - 2)!;
  return pair > 0xffff ? pair : low;
}
