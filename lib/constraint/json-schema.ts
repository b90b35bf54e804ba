/** JSON Schema (2020-12) as a grammar of the JSON texts that are valid under it. */
import { InvalidArgumentError, UnsupportedError } from "../errors.js";
import { isObject } from "../options.js";
import type { Steps } from "../tokenizer/time-slices.js";
import {
  choice,
  NEVER,
  oneOf as oneOfThese,
  optional,
  repeat,
  rule,
  sequence,
  text,
  type Expression,
  type Grammar,
  type ListItem,
} from "./expression.js";
import { integerExpression, numberExpression } from "./json-number.js";
import {
  checkKeywords,
  commonValues,
  mergeSchemas,
  typesOf,
  type JsonType,
  type Schema,
} from "./json-schema-keywords.js";
import { refuseOverlap } from "./json-schema-options.js";
import { otherStrings, STRING, stringExpression } from "./json-string.js";

/** A blank is left to the model after what separates. */
const COMMA = sequence(text(","), optional(text(" ")));
const COLON = sequence(text(":"), optional(text(" ")));
/** Keywords beside a reference that leads back to it make a schema without end. */
const DEEPEST = 256;
/** Values looked at, again for each place they are merged into: references can double that with every one of them. */
const MOST_EFFORT = 1 << 18;
const ANY_VALUE = "any value";

/**
 * JSON texts on one line, with at most a blank after each comma and colon. Properties stand in the order of
 * `properties`; others occur where `additionalProperties` says so.
 *
 * @throws {@link InvalidArgumentError} for what is no schema, {@link UnsupportedError} for keywords that are not followed.
 */
export function* jsonSchemaGrammar(schema: unknown): Steps<Grammar> {
  const compiler = new SchemaCompiler(schema);
  return { start: yield* compiler.value(schema, "#"), rules: compiler.rules };
}

class SchemaCompiler {
  readonly rules = new Map<string, Expression>();
  readonly #root: unknown;
  readonly #sizes = new WeakMap<object, number>();
  #effort = 0;
  #depth = 0;

  constructor(root: unknown) {
    this.#root = root;
    this.rules.set(ANY_VALUE, anyValue());
  }

  *value(given: unknown, path: string): Steps<Expression> {
    yield;
    if (this.#depth >= DEEPEST) {
      throw new UnsupportedError(`${path}: schemas more than ${DEEPEST} deep are not supported`, { path });
    }
    this.#spend(1, path);
    this.#depth++;
    try {
      return yield* this.#value(given, path);
    } finally {
      this.#depth--;
    }
  }

  *#merge(a: unknown, b: unknown, path: string): Steps<unknown> {
    this.#spend(this.#sizeOf(a) + this.#sizeOf(b), path);
    return yield* mergeSchemas(a, b, path);
  }

  #spend(effort: number, path: string): void {
    if ((this.#effort += effort) <= MOST_EFFORT) return;
    throw new UnsupportedError(`${path}: the schema is too large, or has too much to be merged`, { path });
  }

  #sizeOf(value: unknown): number {
    if (typeof value !== "object" || value === null) return 1;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const size = Object.values(value).reduce((sum: number, each) => sum + this.#sizeOf(each), 1);
    this.#sizes.set(value, size);
    return size;
  }

  *#value(given: unknown, path: string): Steps<Expression> {
    if (given === false) return NEVER;
    if (given === true) return rule(ANY_VALUE);
    const schema = checkKeywords(given, path);
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema;
    const isRest = Object.keys(rest).length > 0;
    if ($ref !== undefined) {
      if (!isRest && !allOf && !anyOf && !oneOf) return yield* this.#reference($ref, path);
      const target = this.resolve($ref, path);
      return yield* this.value(yield* this.#merge({ ...schema, $ref: undefined }, target, path), path);
    }
    if (allOf) {
      let merged: unknown = { ...schema, allOf: undefined };
      for (const [i, each] of allOf.entries()) {
        merged = yield* this.#merge(merged, this.#resolved(each, path), `${path}/allOf/${i}`);
      }
      return yield* this.value(merged, path);
    }
    const options = anyOf ?? oneOf;
    if (!options) return yield* this.#typed(rest, path);
    if (anyOf && oneOf) throw new UnsupportedError(`${path}: anyOf beside oneOf is not supported`, { path });
    if (oneOf) {
      const resolved = oneOf.map((each) => this.#resolved(each, path));
      const sizes = resolved.map((each) => this.#sizeOf(each));
      // Each is compared with each.
      this.#spend(sizes.length * sizes.reduce((sum, size) => sum + size, 0), path);
      yield* refuseOverlap(resolved, path);
    }
    const keyword = anyOf ? "anyOf" : "oneOf";
    const expressions: Expression[] = [];
    for (const [i, each] of options.entries()) {
      const at = `${path}/${keyword}/${i}`;
      const schemaThere = isRest ? yield* this.#merge(rest, this.#resolved(each, path), at) : each;
      expressions.push(yield* this.value(schemaThere, at));
    }
    return oneOfThese(expressions);
  }

  /** What a local reference points to (RFC 6901). */
  resolve(reference: string, path: string): unknown {
    if (reference !== "#" && !reference.startsWith("#/")) {
      throw new UnsupportedError(`${path}: only references into the schema are supported, not ${reference}`, {
        path,
        reference,
      });
    }
    let at = this.#root;
    for (const part of reference.split("/").slice(1)) {
      const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      at =
        (isObject(at) || Array.isArray(at)) && Object.hasOwn(at, key)
          ? (at as Record<string, unknown>)[key]
          : undefined;
    }
    if (at !== undefined) return at;
    throw new InvalidArgumentError(`${path}: the reference ${reference} leads nowhere`, { path, reference });
  }

  #resolved(schema: unknown, path: string): unknown {
    const seen = new Set<string>();
    let at = schema;
    while (isObject(at) && typeof at.$ref === "string" && Object.keys(at).length === 1) {
      if (seen.has(at.$ref)) throw new InvalidArgumentError(`${path}: ${at.$ref} refers to itself`, { path });
      seen.add(at.$ref);
      at = this.resolve(at.$ref, path);
    }
    return at;
  }

  *#reference(reference: string, path: string): Steps<Expression> {
    const target = this.resolve(reference, path);
    if (!this.rules.has(reference)) {
      this.rules.set(reference, NEVER); // it may refer to itself
      this.rules.set(reference, yield* this.value(target, reference));
    }
    return rule(reference);
  }

  *#typed(schema: Schema, path: string): Steps<Expression> {
    const listed = schema.const !== undefined ? [schema.const] : schema.enum;
    const types = typesOf(schema);
    if (listed) return yield* listedValues(listed, schema, types, path);
    if (Object.keys(schema).length === 0) return rule(ANY_VALUE);
    const options: Expression[] = [];
    for (const type of types) options.push(yield* this.#ofType(type, schema, path));
    return oneOfThese(options);
  }

  *#ofType(type: JsonType, schema: Schema, path: string): Steps<Expression> {
    switch (type) {
      case "null":
        return text("null");
      case "boolean":
        return choice(text("true"), text("false"));
      case "string": {
        const { minLength, maxLength, pattern, format } = schema;
        return yield* stringExpression({ minLength, maxLength, pattern, format }, path);
      }
      case "integer":
        return integerExpression(boundsOf(schema));
      case "number":
        return numberExpression(boundsOf(schema));
      case "array":
        return yield* this.#array(schema, path);
      case "object":
        return yield* this.#object(schema, path);
    }
  }

  *#array(
    { prefixItems = [], items = true, minItems = 0, maxItems = Infinity }: Schema,
    path: string,
  ): Steps<Expression> {
    if (minItems > maxItems) return NEVER;
    const first: Expression[] = [];
    for (const [i, each] of prefixItems.slice(0, maxItems).entries()) {
      first.push(yield* this.value(each, `${path}/prefixItems/${i}`));
    }
    const isClosed = items === false || first.length >= maxItems;
    const others = isClosed ? NEVER : yield* this.value(items, `${path}/items`);
    // From the last to the first: what may follow so many.
    const beyond = first.length;
    const more = repeat(
      sequence(COMMA, others),
      Math.max(0, minItems - Math.max(1, beyond)),
      maxItems - Math.max(1, beyond),
    );
    let rest = beyond === 0 ? sequence(others, more) : more;
    if (beyond === 0) return brackets(minItems === 0 ? optional(rest) : rest);
    for (let i = beyond - 1; i >= 0; i--) {
      const item = sequence(...(i > 0 ? [COMMA] : []), first[i]!, rest);
      rest = i < minItems ? item : optional(item);
    }
    return brackets(rest);
  }

  *#object(
    { properties = {}, required = [], additionalProperties }: Schema,
    path: string,
  ): Steps<Expression> {
    const isOpen = additionalProperties ?? Object.keys(properties).length === 0;
    const items: ListItem[] = [];
    const isRequired = new Set(required);
    const add = (name: string, value: Expression) =>
      items.push({
        item: sequence(text(JSON.stringify(name)), COLON, value),
        required: isRequired.has(name),
        repeated: false,
      });
    for (const [name, each] of Object.entries(properties)) {
      add(name, yield* this.value(each, `${path}/properties/${name}`));
    }
    const unnamed = required.filter((name) => !Object.hasOwn(properties, name));
    const others = additionalProperties ?? true;
    const unnamedOnce = new Set(unnamed);
    for (const name of unnamedOnce) add(name, yield* this.value(others, `${path}/additionalProperties`));
    if (isOpen !== false) {
      const names = yield* otherStrings([...Object.keys(properties), ...unnamed]);
      const value = yield* this.value(others, `${path}/additionalProperties`);
      const item = sequence(names, COLON, value);
      items.push({ item, required: false, repeated: true });
    }
    return sequence(text("{"), { kind: "list", items, separator: COMMA }, text("}"));
  }
}

function brackets(content: Expression): Expression {
  return sequence(text("["), content, text("]"));
}

function boundsOf(schema: Schema) {
  const names = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const;
  return Object.fromEntries(
    names.filter((name) => schema[name] !== undefined).map((name) => [name, schema[name]]),
  );
}

function* listedValues(
  values: readonly unknown[],
  schema: Schema,
  types: readonly JsonType[],
  path: string,
): Steps<Expression> {
  const others = Object.keys(schema).filter((key) => !["enum", "const", "type"].includes(key));
  if (others.length > 0) {
    throw new UnsupportedError(`${path}: ${others.join(", ")} beside enum or const is not supported`, {
      path,
    });
  }
  const allowed = schema.type === undefined ? values : values.filter((value) => hasType(value, types));
  const both = schema.enum && schema.const !== undefined;
  const options: Expression[] = [];
  for (const value of both ? yield* commonValues(allowed, schema.enum!) : allowed) {
    options.push(text(JSON.stringify(value)));
    yield;
  }
  return oneOfThese(options);
}

function hasType(value: unknown, types: readonly JsonType[]): boolean {
  if (value === null) return types.includes("null");
  if (Array.isArray(value)) return types.includes("array");
  if (typeof value === "number")
    return types.includes("number") || (Number.isInteger(value) && types.includes("integer"));
  return types.includes(typeof value as JsonType);
}

function anyValue(): Expression {
  const value = rule(ANY_VALUE);
  const member = { item: sequence(STRING, COLON, value), required: false, repeated: true };
  const element = { item: value, required: false, repeated: true };
  return choice(
    STRING,
    numberExpression({}),
    text("true"),
    text("false"),
    text("null"),
    brackets({ kind: "list", items: [element], separator: COMMA }),
    sequence(text("{"), { kind: "list", items: [member], separator: COMMA }, text("}")),
  );
}
