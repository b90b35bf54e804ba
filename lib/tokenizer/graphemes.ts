/**
 * Boundaries of extended grapheme clusters (Unicode Standard Annex 29), as the reference draws them: rules GB3 to GB9c
 * and GB11. Pairs of regional indicators are not kept together, see grapheme-tables.ts.
 */
import * as tables from "./grapheme-tables.js";
import { runNow, type Steps } from "./time-slices.js";

const CONTROL = 1;
const EXTEND = 2;
const SPACING_MARK = 3;
const PREPEND = 4;
const HANGUL_L = 5;
const HANGUL_V = 6;
const HANGUL_T = 7;
const HANGUL_LV = 8;
const HANGUL_LVT = 9;
const ZWJ = 10;
const PICTOGRAPHIC = 11;
const CONSONANT = 12;
const KIND = 15;
/** Marks that matter to conjuncts, besides their kind. */
const LINKER = 16;
const CONJUNCT_EXTEND = 32;

const CODE_POINTS = 0x110000;
const ZERO_WIDTH_JOINER = 0x200d;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;

let kinds: Uint8Array | undefined;

/** The code points of each kind, and of each property of marks. */
const RANGES: readonly (readonly [value: number, ranges: string])[] = [
  [CONTROL, tables.CONTROL],
  [EXTEND, tables.EXTEND],
  [SPACING_MARK, tables.SPACING_MARK],
  [PREPEND, tables.PREPEND],
  [HANGUL_L, tables.HANGUL_L],
  [HANGUL_V, tables.HANGUL_V],
  [HANGUL_T, tables.HANGUL_T],
  [PICTOGRAPHIC, tables.PICTOGRAPHIC],
  [CONSONANT, tables.CONSONANT],
  [LINKER, tables.LINKER],
  [CONJUNCT_EXTEND, tables.CONJUNCT_EXTEND],
];

function mark(into: Uint8Array, ranges: string, value: number): void {
  const numbers = ranges.split(" ");
  let c = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    c += parseInt(numbers[i]!, 36);
    const last = c + parseInt(numbers[i + 1]!, 36);
    for (; c <= last; c++) into[c]! |= value;
  }
}

function* buildKinds(): Steps<Uint8Array> {
  const into = new Uint8Array(CODE_POINTS);
  for (const [value, ranges] of RANGES) {
    mark(into, ranges, value);
    yield;
  }
  into[0] = CONTROL;
  into[ZERO_WIDTH_JOINER] = ZWJ | CONJUNCT_EXTEND;
  for (let c = 0xac00; c <= 0xd7a3; c++) into[c] = (c - 0xac00) % 28 === 0 ? HANGUL_LV : HANGUL_LVT;
  return into;
}

/** Builds the table of kinds if it is not there yet. */
export function* prepareGraphemes(): Steps<void> {
  if (kinds === undefined) {
    const built = yield* buildKinds();
    kinds ??= built;
  }
}

/** Whether the pair is one syllable of Hangul: GB6 to GB8. */
function joinsHangul(before: number, after: number): boolean {
  switch (before) {
    case HANGUL_L:
      return after === HANGUL_L || after === HANGUL_V || after === HANGUL_LV || after === HANGUL_LVT;
    case HANGUL_LV:
    case HANGUL_V:
      return after === HANGUL_V || after === HANGUL_T;
    case HANGUL_LVT:
    case HANGUL_T:
      return after === HANGUL_T;
    default:
      return false;
  }
}

/** Steps of what GB11 and GB9c look for before a code point. */
const NOTHING = 0;
const BASE = 1;
const LINKED = 2;

/** Goes through a text code point by code point. */
export class GraphemeBoundaries {
  private readonly kinds = (kinds ??= runNow(buildKinds()));
  private previous = 0;
  private previousKind = CONTROL;
  /** A pictographic with marks: BASE; U+200D after it: LINKED. */
  private emoji = NOTHING;
  /** A consonant with marks: BASE; a linker among these: LINKED. */
  private conjunct = NOTHING;

  /** Whether a cluster begins at the next code point. */
  next(codePoint: number): boolean {
    const properties = this.kinds[codePoint]!;
    const kind = properties & KIND;
    const begins = !this.joins(codePoint, kind);
    this.advance(kind, properties);
    this.previous = codePoint;
    this.previousKind = kind;
    return begins;
  }

  private joins(codePoint: number, kind: number): boolean {
    const before = this.previousKind;
    if (before === CONTROL || kind === CONTROL) {
      return this.previous === CARRIAGE_RETURN && codePoint === LINE_FEED;
    }
    if (kind === EXTEND || kind === ZWJ || kind === SPACING_MARK || before === PREPEND) return true;
    if (kind === CONSONANT) return this.conjunct === LINKED;
    if (kind === PICTOGRAPHIC) return this.emoji === LINKED;
    return joinsHangul(before, kind);
  }

  private advance(kind: number, properties: number): void {
    if (kind === PICTOGRAPHIC) this.emoji = BASE;
    else if (kind === ZWJ) this.emoji = this.emoji === BASE ? LINKED : NOTHING;
    else if (kind !== EXTEND || this.emoji !== BASE) this.emoji = NOTHING;

    if (kind === CONSONANT) this.conjunct = BASE;
    else if ((properties & LINKER) !== 0) this.conjunct = this.conjunct === NOTHING ? NOTHING : LINKED;
    else if ((properties & CONJUNCT_EXTEND) === 0) this.conjunct = NOTHING;
  }
}
