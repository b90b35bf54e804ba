/** Decimal numbers between bounds, as texts. */
import { codePoints } from "./code-points.js";
import { characters, choice, NEVER, NOTHING, repeat, sequence, text, type Expression } from "./expression.js";

/** Digits that a double keeps. */
export const MOST_DIGITS = 15;

const digit = (from: number, to: number): Expression =>
  from > to ? NEVER : characters(codePoints([[0x30 + from, 0x30 + to]]));
const anyDigits = (most: number) => repeat(digit(0, 9), 0, most);

/** The whole numbers from a to b, neither below 0, without leading zeros. */
export function wholeBetween(a: bigint, b: bigint): Expression {
  if (a > b) return NEVER;
  const options: Expression[] = [];
  for (let length = String(a).length; length <= String(b).length; length++) {
    const least = length === 1 ? 0n : 10n ** BigInt(length - 1);
    const from = a > least ? a : least;
    const most = 10n ** BigInt(length) - 1n;
    options.push(sameLength(digitsOf(String(from)), digitsOf(String(b < most ? b : most))));
  }
  return choice(...options);
}

const digitsOf = (value: string): number[] => Array.from(value, Number);

/** Digits from a to b, as many as these have. */
function sameLength([a, ...restA]: readonly number[], [b, ...restB]: readonly number[]): Expression {
  if (a === undefined || b === undefined) return NOTHING;
  if (a === b) return sequence(digit(a, a), sameLength(restA, restB));
  const zeros = restA.map(() => 0);
  const nines = restA.map(() => 9);
  const isFree = [restA.every((each) => each === 0), restB.every((each) => each === 9)];
  return choice(
    ...(isFree[0] ? [] : [sequence(digit(a, a), sameLength(restA, nines))]),
    sequence(
      digit(isFree[0] ? a : a + 1, isFree[1] ? b : b - 1),
      repeat(digit(0, 9), restA.length, restA.length),
    ),
    ...(isFree[1] ? [] : [sequence(digit(b, b), sameLength(zeros, restB))]),
  );
}

/** The digits after the point of a bound, and whether it is itself among the numbers. */
export interface FractionBound {
  /** Without zeros at the end. */
  readonly digits: readonly number[];
  readonly inclusive: boolean;
}

/**
 * What may follow a whole number: nothing, or a point and at most `most` digits, such that the fraction is not below
 * `low` and not above `high`; undefined: no bound.
 */
export function fractionBetween(
  low: FractionBound | undefined,
  high: FractionBound | undefined,
  most: number,
): Expression {
  const zeroIsLow = !low || (low.digits.length === 0 && low.inclusive);
  const zeroIsHigh = !high || high.digits.length > 0 || high.inclusive;
  const fraction = sequence(text("."), someDigits(low, high, most));
  const bare = zeroIsLow && zeroIsHigh ? NOTHING : NEVER;
  return choice(bare, fraction);
}

/** At least one digit. */
function someDigits(
  low: FractionBound | undefined,
  high: FractionBound | undefined,
  most: number,
): Expression {
  if (most === 0) return NEVER;
  if (!low && !high) return sequence(digit(0, 9), anyDigits(most - 1));
  const from = low ? (low.digits[0] ?? 0) : 0;
  const to = high ? (high.digits[0] ?? 0) : 9;
  if (from > to) return NEVER;
  const rest = (bound: FractionBound | undefined) => bound && { ...bound, digits: bound.digits.slice(1) };
  const then = (lower: FractionBound | undefined, upper: FractionBound | undefined) =>
    moreDigits(lower, upper, most - 1);
  if (low && high && from === to) return sequence(digit(from, from), then(rest(low), rest(high)));
  return choice(
    ...(low ? [sequence(digit(from, from), then(rest(low), undefined))] : []),
    sequence(digit(low ? from + 1 : from, high ? to - 1 : to), anyDigits(most - 1)),
    ...(high ? [sequence(digit(to, to), then(undefined, rest(high)))] : []),
  );
}

/** None, or some. */
function moreDigits(
  low: FractionBound | undefined,
  high: FractionBound | undefined,
  most: number,
): Expression {
  const zeroIsLow = !low || (low.digits.length === 0 && low.inclusive);
  const zeroIsHigh = !high || high.digits.length > 0 || high.inclusive;
  // From here on every number will do.
  const freeLow = low && low.digits.length === 0 && low.inclusive ? undefined : low;
  return choice(zeroIsLow && zeroIsHigh ? NOTHING : NEVER, someDigits(freeLow, high, most));
}
