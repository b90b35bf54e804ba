/** Tokens that are matched in the text before anything else is done to it, or after normalization. */
import type { Steps } from "./time-slices.js";
import { propertiesOf, WHITESPACE, WORD } from "./unicode.js";
import type { Vocabulary } from "./vocabulary.js";

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

/** Added tokens by id and by content; of those that share one, the last. */
export class AddedTokenIndex {
  readonly byId = new Map<number, AddedToken>();
  readonly byContent = new Map<string, AddedToken>();
  /** How many have an id that the vocabulary does not have. */
  outside = 0;

  private constructor() {}

  static *build(tokens: readonly AddedToken[], vocabulary: Vocabulary): Steps<AddedTokenIndex> {
    const index = new AddedTokenIndex();
    for (const [i, token] of tokens.entries()) {
      if (i % 512 === 0) yield;
      index.byId.set(token.id, token);
      index.byContent.set(token.content, token);
      if (vocabulary.tokenOf(token.id) === undefined) index.outside++;
    }
    return index;
  }
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

/** Tokens taken in between two steps. */
const TOKENS_PER_STEP = 32;

/** Comparisons between two steps. */
const TRIALS_PER_STEP = 4096;

/** Finds added tokens in a text: leftmost, and of those the longest. */
export class AddedTokenMatcher {
  private readonly byText = new Map<string, Candidate>();
  /** Lengths of the candidates by first unit, longest first: however many begin alike, few lengths are tried. */
  private readonly lengths = new Map<number, number[]>();
  /** First characters as strings, for `indexOf`. */
  private readonly firsts: string[] = [];

  private constructor() {}

  /** `textOf`: what is looked for in the text. Of tokens that look alike the first is found. */
  static *build(
    tokens: readonly AddedToken[],
    textOf: (token: AddedToken) => string,
  ): Steps<AddedTokenMatcher> {
    const matcher = new AddedTokenMatcher();
    for (const [i, token] of tokens.entries()) {
      if (i % TOKENS_PER_STEP === 0) yield;
      matcher.add({ text: textOf(token), token });
    }
    for (const lengths of matcher.lengths.values()) lengths.sort((a, b) => b - a);
    return matcher;
  }

  private add(candidate: Candidate): void {
    const { text } = candidate;
    if (text === "" || this.byText.has(text)) return;
    this.byText.set(text, candidate);
    const lengths = this.lengths.get(text.charCodeAt(0));
    if (lengths === undefined) {
      this.lengths.set(text.charCodeAt(0), [text.length]);
      this.firsts.push(text[0]!);
    } else if (!lengths.includes(text.length)) {
      lengths.push(text.length);
    }
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
      tried += this.lengths.get(text.charCodeAt(at))!.length;
      if (tried >= TRIALS_PER_STEP) {
        tried = 0;
        yield undefined;
      }
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
    const { firsts, lengths } = this;
    if (firsts.length > 4 || to < text.length) {
      return (at) => {
        while (at < to && !lengths.has(text.charCodeAt(at))) at++;
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
    for (const length of this.lengths.get(text.charCodeAt(at))!) {
      const candidate = at + length <= to ? this.byText.get(text.slice(at, at + length)) : undefined;
      if (candidate !== undefined) return candidate;
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
