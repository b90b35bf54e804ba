/** Numbers of JSON between bounds. */
import { UnsupportedError } from "../errors.js";
import { fractionBetween, MOST_DIGITS, wholeBetween, type FractionBound } from "./digit-ranges.js";
import { choice, NEVER, sequence, text, type Expression } from "./expression.js";
import { regexExpression } from "./regex.js";

export interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

const INTEGER = regexExpression(`0|-?[1-9][0-9]{0,${MOST_DIGITS - 1}}`);
const NUMBER = regexExpression(
  String.raw`-?(?:0|[1-9][0-9]{0,${MOST_DIGITS - 1}})(?:\.[0-9]{1,${MOST_DIGITS}})?(?:[eE][-+]?[0-9]{1,2})?`,
);
/** Where there is no bound: then there is room for digits after the point. */
const USUAL_LIMIT = 10n ** 9n - 1n;
const LIMIT = 10n ** BigInt(MOST_DIGITS) - 1n;

export function integerExpression(bounds: Bounds): Expression {
  if (Object.keys(bounds).length === 0) return INTEGER;
  const low = lowest(bounds);
  const high = highest(bounds);
  const from = low === undefined ? -LIMIT : clamp(nextWhole(low.value, low.inclusive));
  const to = high === undefined ? LIMIT : -clamp(nextWhole(-high.value, high.inclusive));
  const negativeFrom = to < 0n ? -to : 1n;
  return choice(
    wholeBetween(from < 0n ? 0n : from, to),
    sequence(text("-"), wholeBetween(negativeFrom, -from)),
  );
}

export function numberExpression(bounds: Bounds): Expression {
  if (Object.keys(bounds).length === 0) return NUMBER;
  const low = lowest(bounds);
  const high = highest(bounds);
  const zero = { value: 0, inclusive: true };
  const negated = (bound: Bound | undefined) => bound && { ...bound, value: -bound.value };
  const positives =
    high && high.value < 0
      ? NEVER
      : notNegative(low && low.value > 0 ? low : low?.value === 0 ? low : zero, high);
  // Zero has no sign.
  const aboveZero = { value: 0, inclusive: false };
  const negatives =
    low && low.value >= 0
      ? NEVER
      : sequence(text("-"), notNegative(high && high.value < 0 ? negated(high)! : aboveZero, negated(low)));
  return choice(positives, negatives);
}

interface Bound {
  readonly value: number;
  readonly inclusive: boolean;
}

function lowest({ minimum, exclusiveMinimum }: Bounds): Bound | undefined {
  if (exclusiveMinimum !== undefined && !(minimum !== undefined && minimum > exclusiveMinimum))
    return { value: exclusiveMinimum, inclusive: false };
  return minimum === undefined ? undefined : { value: minimum, inclusive: true };
}

function highest({ maximum, exclusiveMaximum }: Bounds): Bound | undefined {
  if (exclusiveMaximum !== undefined && !(maximum !== undefined && maximum < exclusiveMaximum))
    return { value: exclusiveMaximum, inclusive: false };
  return maximum === undefined ? undefined : { value: maximum, inclusive: true };
}

function nextWhole(value: number, inclusive: boolean): bigint {
  const whole = BigInt(Math.ceil(value));
  return !inclusive && Number.isInteger(value) ? whole + 1n : whole;
}

function clamp(value: bigint): bigint {
  if (value > LIMIT) return LIMIT + 1n;
  return value < -LIMIT ? -LIMIT : value;
}

/** From `low`, which is not below 0, to `high`. */
function notNegative(low: Bound, high: Bound | undefined): Expression {
  const from = decimal(low);
  const to = high && decimal(high);
  const most = to ? to.whole : from.whole > USUAL_LIMIT ? LIMIT : USUAL_LIMIT;
  if (from.whole > most) return NEVER;
  const digits = Math.max(0, MOST_DIGITS - String(most).length);
  const number = (whole: bigint, lower?: FractionBound, upper?: FractionBound) =>
    sequence(wholeBetween(whole, whole), fractionBetween(lower, upper, digits));
  if (to && from.whole === to.whole) return number(to.whole, from.fraction, to.fraction);
  const inside = sequence(
    wholeBetween(from.whole + 1n, to ? to.whole - 1n : most),
    fractionBetween(undefined, undefined, digits),
  );
  return choice(
    number(from.whole, from.fraction),
    inside,
    ...(to ? [number(to.whole, undefined, to.fraction)] : []),
  );
}

/** The digits of a bound that is not below 0. */
function decimal({ value, inclusive }: Bound): { whole: bigint; fraction: FractionBound } {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(String(value));
  const significant = match ? (match[1]! + (match[2] ?? "")).replace(/^0+/, "").length : Infinity;
  if (!match || significant > MOST_DIGITS) {
    throw new UnsupportedError(
      `A bound of numbers with more than ${MOST_DIGITS} digits, or beyond what JavaScript writes without an exponent, is not supported: ${value}`,
      { value },
    );
  }
  return {
    whole: BigInt(match[1]!),
    fraction: { digits: Array.from((match[2] ?? "").replace(/0+$/, ""), Number), inclusive },
  };
}
