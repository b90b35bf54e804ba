/** Sets of Unicode code points, as sorted ranges that neither meet nor touch. */
import type { Steps } from "../tokenizer/time-slices.js";

/** From the first to the last of each range, both included. */
export type CodePoints = readonly (readonly [number, number])[];

const LAST = 0x10ffff;
const SURROGATES: CodePoints = [[0xd800, 0xdfff]];

/** Every code point that a text can have: surrogates are none. */
export const ANY: CodePoints = complement([]);

/** The set of these ranges, which may be in any order and meet. */
export function codePoints(ranges: Iterable<readonly [number, number]>): CodePoints {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

export function union(...sets: CodePoints[]): CodePoints {
  return codePoints(sets.flat());
}

/** All code points of texts that are not in the set. */
export function complement(set: CodePoints): CodePoints {
  const gaps: [number, number][] = [];
  let next = 0;
  for (const [first, last] of union(set, SURROGATES)) {
    if (first > next) gaps.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) gaps.push([next, LAST]);
  return gaps;
}

export function intersection(a: CodePoints, b: CodePoints): CodePoints {
  return complement(union(complement(a), complement(b)));
}

export function difference(a: CodePoints, b: CodePoints): CodePoints {
  return intersection(a, complement(b));
}

/** The code points of a text. */
export function ofText(text: string): CodePoints {
  return codePoints(Array.from(text, (character) => [character.codePointAt(0)!, character.codePointAt(0)!]));
}

/** Code points that are looked through without a pause. */
const PIECE = 1 << 14;
/** Every code point once, surrogates left out, in pieces without gaps; made when they are looked at first. */
const pieces: string[] = [];

function* everyPiece(): Generator<string, void> {
  let i = 0;
  for (const [first, last] of ANY) {
    for (let from = first; from <= last; from += PIECE, i++) {
      yield (pieces[i] ??= charactersFrom(from, Math.min(last, from + PIECE - 1)));
    }
  }
}

function charactersFrom(first: number, last: number): string {
  const parts: string[] = [];
  for (let code = first; code <= last; code++) parts.push(String.fromCodePoint(code));
  return parts.join("");
}

/** The code points that a regular expression for one character matches, as JavaScript itself sees them. */
export function* matching(source: string, flags: string): Steps<CodePoints> {
  const ranges: [number, number][] = [];
  const run = new RegExp(`(?:${source})+`, `g${flags}`);
  for (const piece of everyPiece()) {
    for (const { 0: match } of piece.matchAll(run)) {
      ranges.push([match.codePointAt(0)!, lastCodePoint(match)]);
    }
    yield;
  }
  return codePoints(ranges);
}

/** Every code point that has another case. */
let casedCharacters: string | undefined;

/** The code points that a regular expression for one character matches when case does not count. */
export function* matchingAnyCase(source: string, flags: string, character: string): Steps<CodePoints> {
  casedCharacters ??= (yield* matching(
    String.raw`[\p{Changes_When_Casefolded}\p{Changes_When_Casemapped}]`,
    "u",
  ))
    .map(([first, last]) => charactersFrom(first, last))
    .join("");
  return ofText(`${casedCharacters}${character}`.match(new RegExp(source, `g${flags}`))?.join("") ?? "");
}

function lastCodePoint(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xdc00 && last <= 0xdfff ? text.codePointAt(text.length - 2)! : last;
}
