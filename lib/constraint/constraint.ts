/** What a generation may write: options, and constraints that are kept for the next call. */
import { unlessAborted } from "../abort.js";
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
import { runInSlices, type Steps } from "../tokenizer/time-slices.js";
import { automatonSteps, type Automaton } from "./automaton.js";
import type { Expression, Grammar } from "./expression.js";
import { jsonSchemaGrammar } from "./json-schema.js";
import { regexSteps } from "./regex.js";

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
  readonly grammar: () => Steps<Grammar>;
}

/** Constraints kept, each: those asked for last. */
const MOST_KEPT = 32;
/** What is larger is a mistake, or meant to do harm: characters, and values of a schema. */
const MOST_CHARACTERS = 1 << 18;
const MOST_VALUES = 1 << 16;

const automata = new Map<string, Promise<Automaton>>();

/**
 * The constraint that the options ask for, or undefined. What it says is looked at by {@link constraintSteps}.
 *
 * @throws {@link InvalidArgumentError} for what is no schema, {@link UnsupportedError} for what is too large.
 */
export function planConstraint(options: ConstraintOptions): PlannedConstraint | undefined {
  const { regex: pattern, jsonSchema: schema } = options;
  if (pattern === undefined && schema === undefined) return undefined;
  if (pattern !== undefined && schema !== undefined) {
    throw new InvalidArgumentError("Expected regex or jsonSchema but received both", { name: "jsonSchema" });
  }
  if (pattern === undefined) {
    // The schema as it is now: it may be changed while it is read.
    const key = schemaKey(schema);
    return { key, grammar: () => jsonSchemaGrammar(JSON.parse(key)) };
  }
  const { source, flags } = typeof pattern === "string" ? { source: pattern, flags: "u" } : pattern;
  if (source.length > MOST_CHARACTERS) throw tooLarge("regex", MOST_CHARACTERS, "characters");
  return { key: `/${source}/${flags}`, grammar: () => regexGrammar(source, flags) };
}

function* regexGrammar(source: string, flags: string): Steps<Grammar> {
  return { start: yield* regexSteps(source, flags), rules: new Map<string, Expression>() };
}

/**
 * The automaton of a constraint.
 *
 * @throws {@link InvalidArgumentError} for what is no regular expression or schema, {@link UnsupportedError} for parts of
 *   it that are not followed, and for what is too large, {@link UnsatisfiableConstraintError} when it allows no text.
 */
export function* constraintSteps({ grammar }: PlannedConstraint): Steps<Automaton> {
  try {
    return yield* automatonSteps(yield* grammar());
  } catch (error) {
    throw asUnsupported(error);
  }
}

/** Parts within parts are read by functions that call each other. */
function asUnsupported(error: unknown): unknown {
  if (error instanceof GgmlTransformersError || !(error instanceof RangeError)) return error;
  return new UnsupportedError("The constraint is nested too deep");
}

function tooLarge(name: string, limit: number, what: string): UnsupportedError {
  return new UnsupportedError(`${name} is too large: expected at most ${limit} ${what}`, { name, limit });
}

function schemaKey(schema: unknown): string {
  try {
    countValues(schema, { values: 0, characters: 0, around: new Set() });
    return JSON.stringify(schema);
  } catch (error) {
    const typed = asUnsupported(error);
    if (typed instanceof GgmlTransformersError) throw typed;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`Expected a schema that is JSON: ${reason}`, { name: "jsonSchema" });
  }
}

interface Counted {
  values: number;
  characters: number;
  readonly around: Set<object>;
}

/** One object may stand in many places, and be much more in writing. */
function countValues(value: unknown, counted: Counted): void {
  if (++counted.values > MOST_VALUES) throw tooLarge("jsonSchema", MOST_VALUES, "values");
  if (typeof value === "string") countCharacters(value, counted);
  if (typeof value !== "object" || value === null) return;
  if (counted.around.has(value)) {
    throw new InvalidArgumentError("Expected a schema that does not contain itself", { name: "jsonSchema" });
  }
  counted.around.add(value);
  for (const [name, each] of Object.entries(value)) {
    if (!Array.isArray(value)) countCharacters(name, counted);
    countValues(each, counted);
  }
  counted.around.delete(value);
}

function countCharacters(text: string, counted: Counted): void {
  counted.characters += text.length;
  if (counted.characters > MOST_CHARACTERS) throw tooLarge("jsonSchema", MOST_CHARACTERS, "characters");
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
  planned: PlannedConstraint,
  signal: AbortSignal | undefined,
): Promise<NativeConstraint> {
  const known = vocabularies.get(tokenizer) ?? new Map<Addon, Vocabulary>();
  vocabularies.set(tokenizer, known);
  const owner = ownerOf(model);
  const vocabulary = known.get(owner) ?? {
    native: nativeVocabulary(model, tokenizer),
    constraints: new Map(),
  };
  known.set(owner, vocabulary);
  const native = await unlessAborted(vocabulary.native, signal);
  const { key } = planned;
  const automaton = await unlessAborted(
    remember(automata, key, () => automatonOf(planned)),
    signal,
  );
  return remember(vocabulary.constraints, key, () => native.constrain(automaton));
}

/** For whoever asks for it: that one of them is aborted is nothing to the others. */
async function automatonOf(planned: PlannedConstraint): Promise<Automaton> {
  try {
    return await runInSlices(constraintSteps(planned));
  } catch (error) {
    automata.delete(planned.key);
    throw error;
  }
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
