/** What a generation may write: options, and constraints that are kept for the next call. */
import { GgmlTransformersError, InvalidArgumentError, UnsupportedError } from "../errors.js";
import {
  createVocabulary,
  ownerOf,
  type Addon,
  type NativeConstraint,
  type NativeVocabulary,
} from "../native.js";
import { expected, isObject, type Check } from "../options.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { runInSlices } from "../tokenizer/time-slices.js";
import { automatonSteps, type Automaton } from "./automaton.js";
import type { Expression, Grammar } from "./expression.js";
import { jsonSchemaGrammar } from "./json-schema.js";
import { regexExpression } from "./regex.js";

/** Options that say what a text may be. One of them at a time. */
export interface ConstraintOptions {
  /**
   * The text matches this regular expression, from its first character to its last. It is read as with the flag `u`;
   * `i`, `s` and `v` count, other flags say nothing here. Not with assertions about what stands before or behind, nor
   * with back references. Default: any text.
   */
  regex?: RegExp | string;
  /**
   * The text is JSON that is valid under this schema (2020-12), on one line. Properties stand in the order of
   * `properties`; without `additionalProperties` there are no others. Keywords that are not followed are an error.
   * Default: any text.
   */
  jsonSchema?: boolean | Readonly<Record<string, unknown>>;
}

const regex: Check<RegExp | string> = (value, name) => {
  const isRegex = Object.prototype.toString.call(value) === "[object RegExp]";
  if (typeof value !== "string" && !isRegex)
    throw expected("a regular expression or its source", name, value);
  return value as RegExp | string;
};

const jsonSchema: Check<boolean | Record<string, unknown>> = (value, name) => {
  if (typeof value !== "boolean" && !isObject(value)) throw expected("a schema", name, value);
  return value;
};

export const CONSTRAINT_CHECKS = { regex, jsonSchema };

/** A constraint before it is made for a vocabulary. */
export interface PlannedConstraint {
  /** Tells constraints apart. */
  readonly key: string;
  readonly grammar: Grammar;
}

/** Constraints kept, each: those asked for last. */
const MOST_KEPT = 32;
/** What is larger is a mistake, or meant to do harm: characters of a regular expression, values of a schema. */
const MOST_CHARACTERS = 1 << 18;
const MOST_VALUES = 1 << 16;

const grammars = new Map<string, Grammar>();
const automata = new Map<string, Promise<Automaton>>();

/**
 * The constraint that the options ask for, or undefined.
 *
 * @throws {@link InvalidArgumentError} for what is no regular expression or schema, {@link UnsupportedError} for parts of
 *   it that are not followed, and for what is too large.
 */
export function planConstraint(options: ConstraintOptions): PlannedConstraint | undefined {
  const { regex: pattern, jsonSchema: schema } = options;
  if (pattern === undefined && schema === undefined) return undefined;
  if (pattern !== undefined && schema !== undefined) {
    throw new InvalidArgumentError("Expected regex or jsonSchema but received both", { name: "jsonSchema" });
  }
  const source = typeof pattern === "string" ? { source: pattern, flags: "u" } : pattern;
  if (source && source.source.length > MOST_CHARACTERS)
    throw tooLarge("regex", MOST_CHARACTERS, "characters");
  const key = source ? `/${source.source}/${source.flags}` : schemaKey(schema);
  const make = () =>
    source
      ? { start: regexExpression(source.source, source.flags), rules: new Map<string, Expression>() }
      : jsonSchemaGrammar(schema);
  return { key, grammar: remember(grammars, key, () => withinStack(make)) };
}

/** Parts within parts are read by functions that call each other. */
function withinStack<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof GgmlTransformersError || !(error instanceof RangeError)) throw error;
    throw new UnsupportedError("The constraint is nested too deep");
  }
}

function tooLarge(name: string, limit: number, what: string): UnsupportedError {
  return new UnsupportedError(`${name} is too large: expected at most ${limit} ${what}`, { name, limit });
}

function schemaKey(schema: unknown): string {
  try {
    return withinStack(() => {
      countValues(schema, { count: 0, around: new Set() });
      return JSON.stringify(schema);
    });
  } catch (error) {
    if (error instanceof GgmlTransformersError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`Expected a schema that is JSON: ${reason}`, { name: "jsonSchema" });
  }
}

/** One object may stand in many places, and be much more in writing. */
function countValues(value: unknown, counted: { count: number; readonly around: Set<object> }): void {
  if (++counted.count > MOST_VALUES) throw tooLarge("jsonSchema", MOST_VALUES, "values");
  if (typeof value !== "object" || value === null) return;
  if (counted.around.has(value)) {
    throw new InvalidArgumentError("Expected a schema that does not contain itself", { name: "jsonSchema" });
  }
  counted.around.add(value);
  for (const each of Object.values(value)) countValues(each, counted);
  counted.around.delete(value);
}

interface Vocabulary {
  readonly native: Promise<NativeVocabulary>;
  readonly constraints: Map<string, NativeConstraint>;
}

const vocabularies = new WeakMap<Tokenizer, Map<Addon, Vocabulary>>();

/**
 * The constraint for a model and its tokenizer's vocabulary; what one generation has found out of it, later ones
 * know.
 *
 * @throws {@link UnsupportedError} when texts are more than their tokens' bytes put together, or the constraint is too
 *   large, {@link UnsatisfiableConstraintError} when it allows no text.
 */
export async function constraintFor(
  { model, tokenizer }: { model: object; tokenizer: Tokenizer },
  { key, grammar }: PlannedConstraint,
): Promise<NativeConstraint> {
  const known = vocabularies.get(tokenizer) ?? new Map<Addon, Vocabulary>();
  vocabularies.set(tokenizer, known);
  const owner = ownerOf(model);
  const vocabulary = known.get(owner) ?? {
    native: nativeVocabulary(model, tokenizer),
    constraints: new Map(),
  };
  known.set(owner, vocabulary);
  const native = await vocabulary.native;
  const automaton = await remember(automata, key, () => runInSlices(automatonSteps(grammar)));
  return remember(vocabulary.constraints, key, () => native.constrain(automaton));
}

async function nativeVocabulary(model: object, tokenizer: Tokenizer): Promise<NativeVocabulary> {
  const tokens = await tokenizer.textBytes();
  if (!tokens) {
    throw new UnsupportedError("regex and jsonSchema need a tokenizer whose tokens are bytes of the text");
  }
  const offsets = new Int32Array(tokens.length + 1);
  tokens.forEach((token, id) => (offsets[id + 1] = offsets[id]! + token.length));
  return createVocabulary(model, Buffer.concat(tokens), offsets);
}

/** What is known, or made now; the one asked for longest ago is forgotten where there are too many. */
function remember<T>(known: Map<string, T>, key: string, make: () => T): T {
  const value = known.get(key) ?? make();
  known.delete(key);
  known.set(key, value);
  if (known.size > MOST_KEPT) known.delete(known.keys().next().value!);
  return value;
}
