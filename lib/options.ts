/** Validation of arguments and options: one message shape, the argument's name in every message. */
import { InvalidArgumentError } from "./errors.js";

/** Returns the value when it is what is expected, else throws an {@link InvalidArgumentError} naming it. */
export type Check<T> = (value: unknown, name: string) => T;

/** The options that `checks` let through: none is required. */
export type Checked<C extends Record<string, Check<unknown>>> = { [K in keyof C]?: ReturnType<C[K]> };

/** The error for an argument that is not what is expected. */
export function expected(what: string, name: string, value: unknown): InvalidArgumentError {
  const [shown, type] = describe(value);
  return new InvalidArgumentError(`Expected ${what} for ${name} but received ${shown} of type ${type}`, {
    name,
    value,
  });
}

/**
 * Checks an options object of `method`: a plain object or undefined, with no key that `checks` lacks. A key
 * whose value is undefined counts as absent.
 */
export function checkOptions<C extends Record<string, Check<unknown>>>(
  value: unknown,
  method: string,
  checks: C,
): Checked<C> {
  if (value === undefined) return {};
  if (!isObject(value)) throw expected("an object", `the options of ${method}`, value);
  const checked: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(value)) {
    if (!Object.hasOwn(checks, key)) throw unknownOption(key, method, Object.keys(checks));
    if (option !== undefined) checked[key] = checks[key]!(option, key);
  }
  return checked as Checked<C>;
}

/** An object that is neither an array nor a typed array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

export const boolean: Check<boolean> = (value, name) => {
  if (typeof value !== "boolean") throw expected("true or false", name, value);
  return value;
};

export const string: Check<string> = (value, name) => {
  if (typeof value !== "string") throw expected("a string", name, value);
  return value;
};

export const nonEmptyString: Check<string> = (value, name) => {
  if (typeof value !== "string" || value === "") throw expected("a string that is not empty", name, value);
  return value;
};

export const signal: Check<AbortSignal> = (value, name) => {
  // Not instanceof: signals of other realms (Electron, jsdom, polyfills) are as good.
  const candidate = value as AbortSignal | null;
  const isSignal =
    typeof candidate === "object" &&
    candidate !== null &&
    typeof candidate.aborted === "boolean" &&
    typeof candidate.addEventListener === "function";
  if (!isSignal) throw expected("an AbortSignal", name, value);
  return candidate;
};

/** A function; its parameters are for the caller to know. */
export function callback<F extends (...args: never[]) => void>(): Check<F> {
  return (value, name) => {
    if (typeof value !== "function") throw expected("a function", name, value);
    return value as F;
  };
}

export function integer(min: number, max: number): Check<number> {
  return (value, name) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw expected(`an integer ${range}`, name, value);
    }
    return value as number;
  };
}

/** A number for which `holds`; `what` says it in words. */
export function number(what: string, holds: (value: number) => boolean): Check<number> {
  return (value, name) => {
    if (typeof value !== "number" || !holds(value)) throw expected(what, name, value);
    return value;
  };
}

export function oneOf<T extends string>(...values: readonly T[]): Check<T> {
  return (value, name) => {
    if (!values.includes(value as T)) {
      throw expected(values.map((each) => JSON.stringify(each)).join(" or "), name, value);
    }
    return value as T;
  };
}

export function arrayOf<T>(item: Check<T>, what: string): Check<T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw expected(what, name, value);
    // Not map(), which would leave the holes of a sparse array unchecked.
    return Array.from(value, (each, i) => item(each, `${name}[${i}]`));
  };
}

/** Token ids: integers in [0, vocabSize), in an array or typed array. */
export function tokenIds(vocabSize: number): Check<Int32Array> {
  return integers(0, vocabSize - 1, "token ids");
}

/** Integers in [min, max], in an array or typed array. */
export function integers(min: number, max: number, what: string): Check<Int32Array> {
  return (value, name) => {
    if (!isArrayLike(value)) throw expected(`an array of ${what}`, name, value);
    const ids = new Int32Array(value.length);
    for (let i = 0; i < ids.length; i++) {
      const id = value[i];
      if (!Number.isInteger(id) || (id as number) < min || (id as number) > max) {
        throw expected(`an integer from ${min} to ${max}`, `${name}[${i}]`, id);
      }
      ids[i] = id as number;
    }
    return ids;
  };
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function unknownOption(key: string, method: string, known: readonly string[]): InvalidArgumentError {
  const nearest = nearestName(key, known);
  const hint = nearest === undefined ? `It takes ${known.join(", ")}` : `Did you mean ${nearest}?`;
  return new InvalidArgumentError(`Unknown option ${key} of ${method}. ${hint}`, { name: key, known });
}

/** The candidate a misspelt name most likely stands for, or undefined when none is near. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance: the fewest insertions, deletions and replacements that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 16) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** A value and its type as a message shows them: on one line, short. */
function describe(value: unknown): [shown: string, type: string] {
  if (value === null) return ["null", "null"];
  if (typeof value === "string") return [JSON.stringify(shorten(value)), "string"];
  if (typeof value === "function") return [value.name || "a function", "function"];
  if (typeof value === "object") return ["an object", value.constructor?.name ?? "object"];
  return [shorten(String(value)), typeof value];
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
