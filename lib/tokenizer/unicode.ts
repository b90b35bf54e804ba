/**
 * Character properties as the reference tokenizers see them.
 *
 * Node's own `\p{..}`, `toLowerCase()` and `normalize()` follow the Unicode version Node was built with; the
 * reference library's parts each follow another. So membership is decided by tables taken from the reference
 * (unicode-tables.ts), and Node's `normalize()` is used only on characters whose decomposition the reference knows:
 * for those it cannot change in any Unicode version (the normalization stability policy).
 */
import { runNow, type Steps } from "./time-slices.js";
import * as tables from "./unicode-tables.js";

/** Bits of `propertiesOf`. */
export const OTHER = 1;
export const NONSPACING_MARK = 2;
export const COMBINING_MARK = 4;
export const PUNCTUATION = 8;
export const LETTER = 16;
export const NUMBER = 32;
export const NUMERIC = 64;
export const WORD = 128;
export const CANONICAL = 256;
export const COMPATIBILITY = 512;
export const REORDERED = 1024;
export const WHITESPACE = 2048;

const CODE_POINTS = 0x110000;

/** Unicode's White_Space property, stable since Unicode 6.3. */
const WHITESPACE_RANGES = "9 4 i 0 2s 0 q 0 4bj 0 1vj a t 1 5 0 1b 0 334 0";

let properties: Uint16Array | undefined;
let lowerCase: Map<number, number> | undefined;

/** The code points of each property. */
const PROPERTY_RANGES: readonly (readonly [bit: number, ranges: string])[] = [
  [OTHER, tables.OTHER],
  [NONSPACING_MARK, tables.NONSPACING_MARK],
  [COMBINING_MARK, tables.COMBINING_MARK],
  [PUNCTUATION, tables.PUNCTUATION],
  [LETTER, tables.LETTER],
  [NUMBER, tables.NUMBER],
  [NUMERIC, tables.NUMERIC],
  [WORD, tables.WORD],
  [CANONICAL, tables.CANONICAL],
  [COMPATIBILITY, tables.COMPATIBILITY],
  [REORDERED, tables.REORDERED],
  [WHITESPACE, WHITESPACE_RANGES],
];

function markRanges(into: Uint16Array, ranges: string, bit: number): void {
  const numbers = ranges.split(" ");
  let c = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    c += parseInt(numbers[i]!, 36);
    const last = c + parseInt(numbers[i + 1]!, 36);
    for (; c <= last; c++) into[c]! |= bit;
  }
}

function* buildProperties(): Steps<Uint16Array> {
  const into = new Uint16Array(CODE_POINTS);
  for (const [bit, ranges] of PROPERTY_RANGES) {
    markRanges(into, ranges, bit);
    yield;
  }
  return into;
}

/** Builds the table of properties if it is not there yet: whoever loads a tokenizer spares the first text the wait. */
export function* preparePropertyTable(): Steps<void> {
  if (properties === undefined) {
    const built = yield* buildProperties();
    properties ??= built;
  }
}

/** Property bits of every code point. */
export function propertyTable(): Uint16Array {
  return (properties ??= runNow(buildProperties()));
}

/** Property bits of one code point. */
export function propertiesOf(codePoint: number): number {
  return propertyTable()[codePoint]!;
}

function buildLowerCase(): Map<number, number> {
  const numbers = tables.LOWER_CASE.split(" ").map((n) => parseInt(n, 36));
  const map = new Map<number, number>();
  let c = 0;
  for (let i = 0; i < numbers.length; i += 4) {
    c += numbers[i]!;
    const last = numbers[i + 1]!;
    const step = numbers[i + 2]!;
    for (let k = 0; k <= last; k++) map.set(c + k * step, c + k * step + numbers[i + 3]!);
    c += last * step;
  }
  return map;
}

/**
 * Lower case of one code point, without context (no final sigma). U+0130 is the one code point that becomes two,
 * `i` and U+0307: callers handle it, here it is `i`.
 */
export function toLowerCase(codePoint: number): number {
  if (codePoint < 0x80) return codePoint >= 0x41 && codePoint <= 0x5a ? codePoint + 32 : codePoint;
  if (codePoint === 0x130) return 0x69;
  lowerCase ??= buildLowerCase();
  return lowerCase.get(codePoint) ?? codePoint;
}

export type DecompositionForm = "NFD" | "NFKD";

const decompositions: Record<DecompositionForm, Map<number, readonly number[]>> = {
  NFD: new Map(),
  NFKD: new Map(),
};

const HANGUL_FIRST = 0xac00;
const HANGUL_LAST = 0xd7a3;

function codePointsOf(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0)!);
}

/** Full decomposition of one code point, or undefined when it is its own. */
export function decompose(codePoint: number, form: DecompositionForm): readonly number[] | undefined {
  if (codePoint < 0xa0) return undefined;
  const wanted = form === "NFD" ? CANONICAL : CANONICAL | COMPATIBILITY;
  if ((propertiesOf(codePoint) & wanted) === 0) return undefined;
  if (codePoint >= HANGUL_FIRST && codePoint <= HANGUL_LAST) {
    return codePointsOf(String.fromCodePoint(codePoint).normalize("NFD"));
  }
  const cache = decompositions[form];
  let result = cache.get(codePoint);
  if (result === undefined) {
    result = codePointsOf(String.fromCodePoint(codePoint).normalize(form));
    cache.set(codePoint, result);
  }
  return result;
}

/** The code point two others compose to in NFC, or -1. */
export function compose(first: number, second: number): number {
  // Nothing before the combining marks comes second in a composition.
  if (second < 0x300) return -1;
  const composed = codePointsOf(
    (String.fromCodePoint(first) + String.fromCodePoint(second)).normalize("NFC"),
  );
  if (composed.length !== 1) return -1;
  // A pair that Node composes and the reference does not: the composite is newer than the reference.
  const result = composed[0]!;
  return (propertiesOf(result) & CANONICAL) !== 0 ? result : -1;
}

/** A canonical combining class: JavaScript does not tell its number, only which of two marks comes first. */
interface CombiningClass {
  representative: number;
  /** Position among the classes met so far. */
  order: number;
}

const combiningClasses: CombiningClass[] = [];
const classOfMark = new Map<number, CombiningClass>();

/** Whether canonical order puts `b` before `a` when the text has `a` first. */
function swaps(a: number, b: number): boolean {
  const text = String.fromCodePoint(a, b);
  return text.normalize("NFD") !== text;
}

function combiningClassOf(mark: number): CombiningClass {
  const known = classOfMark.get(mark);
  if (known !== undefined) return known;
  // The first class that is not lower than the mark's own: equal to it, or the place to insert it.
  const at = combiningClasses.findIndex((c) => !swaps(mark, c.representative));
  let found = at < 0 ? undefined : combiningClasses[at]!;
  if (found === undefined || swaps(found.representative, mark)) {
    found = { representative: mark, order: 0 };
    combiningClasses.splice(at < 0 ? combiningClasses.length : at, 0, found);
    combiningClasses.forEach((c, order) => (c.order = order));
  }
  classOfMark.set(mark, found);
  return found;
}

/**
 * Canonical order of a run of code points that are all REORDERED: the indices of the run, stably sorted by combining
 * class. Classes are Node's, which cannot change for characters the reference knows.
 */
export function canonicalOrder(run: ArrayLike<number>): number[] {
  const classes = Array.from(run, combiningClassOf);
  return classes.map((_, i) => i).sort((a, b) => classes[a]!.order - classes[b]!.order || a - b);
}

/** Whether the combining class of `a` is lower than that of `b`; both REORDERED. */
export function hasLowerClass(a: number, b: number): boolean {
  return combiningClassOf(a).order < combiningClassOf(b).order;
}
