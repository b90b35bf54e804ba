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

/** Finds added tokens in a text: leftmost, and of those the longest. */
export class AddedTokenMatcher {
  /** Candidates by first unit, longest first. */
  private readonly byFirst = new Map<number, Candidate[]>();
  /** First characters as strings, for `indexOf`. */
  private readonly firsts: string[] = [];

  constructor(tokens: readonly Candidate[]) {
    for (const candidate of tokens) {
      if (candidate.text === "") continue;
      const first = candidate.text.charCodeAt(0);
      const list = this.byFirst.get(first);
      if (list === undefined) {
        this.byFirst.set(first, [candidate]);
        this.firsts.push(candidate.text[0]!);
      } else if (!list.some((other) => other.text === candidate.text)) {
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
   * reference one may lie in the white space that the one before has taken.
   */
  *matches(text: string, from = 0, to = text.length): Generator<AddedTokenMatch, void, void> {
    let taken = from;
    for (const { candidate, at } of this.occurrences(text, from, to)) {
      const match = extend(candidate, at, text, from, to);
      if (match === undefined) continue;
      if (candidate.token.lstrip) match.start = Math.max(match.start, taken);
      taken = match.end;
      if (match.start < match.end) yield match;
    }
  }

  private *occurrences(
    text: string,
    from: number,
    to: number,
  ): Generator<{ candidate: Candidate; at: number }> {
    const next = this.firsts.map((first) => indexOf(text, first, from));
    for (let at = from; ;) {
      let which = -1;
      for (let i = 0; i < next.length; i++) {
        if (next[i]! < at) next[i] = indexOf(text, this.firsts[i]!, at);
        if (which < 0 || next[i]! < next[which]!) which = i;
      }
      if (which < 0 || next[which]! >= to) return;
      at = next[which]!;
      const candidates = this.byFirst.get(text.charCodeAt(at))!;
      const candidate = candidates.find((c) => at + c.text.length <= to && text.startsWith(c.text, at));
      if (candidate === undefined) {
        at++;
      } else {
        yield { candidate, at };
        at += candidate.text.length;
      }
    }
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
