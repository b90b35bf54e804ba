/** The keywords of a JSON Schema: which are followed, what their values must be, and two schemas in one. */
import { InvalidArgumentError, UnsupportedError } from "../errors.js";
import { isObject } from "../options.js";
import type { Steps } from "../tokenizer/time-slices.js";

const TYPES = ["null", "boolean", "object", "array", "number", "integer", "string"] as const;
export type JsonType = (typeof TYPES)[number];

/** A schema whose keywords have been checked; what is inside of it has not. */
export interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly unknown[];
  readonly anyOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
  readonly type?: JsonType | readonly JsonType[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
  readonly prefixItems?: readonly unknown[];
  readonly items?: unknown;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** They say nothing about what is valid. */
const ANNOTATIONS = new Set([
  "$schema",
  "$id",
  "$comment",
  "$defs",
  "definitions",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
]);

const isSchema = (value: unknown) => typeof value === "boolean" || isObject(value);
const isList = (value: unknown) => Array.isArray(value);
const isSchemas = (value: unknown) => Array.isArray(value) && value.length > 0;
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown) => Number.isFinite(value);
const isString = (value: unknown) => typeof value === "string";
const isType = (value: unknown) => TYPES.includes(value as JsonType);

type Keyword = readonly [what: string, holds: (value: unknown) => boolean];

const KEYWORDS: Readonly<Record<keyof Schema, Keyword>> = {
  $ref: ["a string", isString],
  allOf: ["an array of schemas", isSchemas],
  anyOf: ["an array of schemas", isSchemas],
  oneOf: ["an array of schemas", isSchemas],
  type: [
    `one or several of ${TYPES.join(", ")}`,
    (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
  ],
  enum: ["an array of values", isList],
  const: ["a value", () => true],
  properties: ["an object of schemas", isObject],
  required: ["an array of names", (value) => Array.isArray(value) && value.every(isString)],
  additionalProperties: ["a schema", isSchema],
  prefixItems: ["an array of schemas", isSchemas],
  items: ["a schema", isSchema],
  minItems: ["a count", isCount],
  maxItems: ["a count", isCount],
  minLength: ["a count", isCount],
  maxLength: ["a count", isCount],
  pattern: ["a regular expression", isString],
  format: ["a format", isString],
  minimum: ["a number", isNumber],
  maximum: ["a number", isNumber],
  exclusiveMinimum: ["a number", isNumber],
  exclusiveMaximum: ["a number", isNumber],
};

/** Which type a keyword speaks of. */
const TYPE_OF: Partial<Record<keyof Schema, JsonType>> = {
  properties: "object",
  required: "object",
  additionalProperties: "object",
  prefixItems: "array",
  items: "array",
  minItems: "array",
  maxItems: "array",
  minLength: "string",
  maxLength: "string",
  pattern: "string",
  format: "string",
  minimum: "number",
  maximum: "number",
  exclusiveMinimum: "number",
  exclusiveMaximum: "number",
};

/** Without its annotations. */
export function checkKeywords(schema: unknown, path: string): Schema {
  if (!isObject(schema)) {
    throw new InvalidArgumentError(`${path}: expected a schema, which is an object, true or false`, { path });
  }
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (value === undefined || ANNOTATIONS.has(key) || (key === "uniqueItems" && value === false)) continue;
    if (!Object.hasOwn(KEYWORDS, key)) {
      throw new UnsupportedError(`${path}: the keyword ${key} is not supported`, { path, keyword: key });
    }
    const [what, holds] = KEYWORDS[key as keyof Schema];
    if (!holds(value)) {
      throw new InvalidArgumentError(`${path}: expected ${what} for ${key}`, { path, keyword: key, value });
    }
    checked[key] = value;
  }
  return checked;
}

/**
 * The types of a schema; where it names none, those that its keywords speak of. Of number and integer one is left: the
 * same text is not to be read in two ways.
 */
export function typesOf(schema: Schema): JsonType[] {
  const { type } = schema;
  let types: JsonType[];
  if (type === undefined) {
    const spoken = Object.keys(schema).flatMap((key) => TYPE_OF[key as keyof Schema] ?? []);
    types = spoken.length > 0 ? [...new Set(spoken)] : TYPES.filter((each) => each !== "integer");
  } else {
    types = typeof type === "string" ? [type] : [...new Set(type)];
  }
  return types.includes("number") ? types.filter((each) => each !== "integer") : types;
}

const LARGER: ReadonlySet<string> = new Set(["minItems", "minLength", "minimum", "exclusiveMinimum"]);
const SMALLER: ReadonlySet<string> = new Set(["maxItems", "maxLength", "maximum", "exclusiveMaximum"]);

/** What is valid under both. */
export function* mergeSchemas(a: unknown, b: unknown, path: string): Steps<unknown> {
  yield;
  if (a === false || b === false) return false;
  if (a === true) return b;
  if (b === true) return a;
  const [left, right] = [checkKeywords(a, path), checkKeywords(b, path)];
  const merged: Record<string, unknown> = { ...left };
  for (const [key, value] of Object.entries(right)) {
    const other = merged[key];
    merged[key] = other === undefined ? value : yield* bothOf(key, other, value, path);
  }
  if (merged.type !== undefined && (merged.type as unknown[]).length === 0) return false;
  yield* closeBoth(merged, left, right, path);
  return merged;
}

/** The values of the first list that are in the second too. */
export function* commonValues(
  values: readonly unknown[],
  others: readonly unknown[],
): Steps<readonly unknown[]> {
  const known = new Set<string>();
  for (const value of others) {
    known.add(canonical(value));
    yield;
  }
  const common: unknown[] = [];
  for (const value of values) {
    if (known.has(canonical(value))) common.push(value);
    yield;
  }
  return common;
}

/** The same text for values that are equal: the order of properties says nothing. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    isObject(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  );
}

function* bothOf(key: string, a: unknown, b: unknown, path: string): Steps<unknown> {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  if (LARGER.has(key)) return Math.max(a as number, b as number);
  if (SMALLER.has(key)) return Math.min(a as number, b as number);
  switch (key) {
    case "type":
      return commonTypes([a].flat() as JsonType[], [b].flat() as JsonType[]);
    case "required":
      return [...new Set([...(a as string[]), ...(b as string[])])];
    case "enum":
      return yield* commonValues(a as unknown[], b as unknown[]);
    case "items":
    case "additionalProperties":
      return yield* mergeSchemas(a, b, `${path}/${key}`);
    case "properties": {
      const merged: Record<string, unknown> = { ...(a as object) };
      for (const [name, schema] of Object.entries(b as object)) {
        merged[name] = Object.hasOwn(merged, name)
          ? yield* mergeSchemas(merged[name], schema, `${path}/properties/${name}`)
          : schema;
      }
      return merged;
    }
    case "allOf":
      return [...(a as unknown[]), ...(b as unknown[])];
    default:
      throw new UnsupportedError(`${path}: two different values of ${key} together are not supported`, {
        path,
        keyword: key,
      });
  }
}

function commonTypes(a: readonly JsonType[], b: readonly JsonType[]): JsonType[] {
  const has = (types: readonly JsonType[], type: JsonType) =>
    types.includes(type) || (type === "integer" && types.includes("number"));
  return TYPES.filter((type) => has(a, type) && has(b, type));
}

/** What one schema says of additional properties holds for those that only the other names. */
function* closeBoth(merged: Record<string, unknown>, a: Schema, b: Schema, path: string): Steps<void> {
  if (merged.properties === undefined) return;
  const properties: Record<string, unknown> = { ...(merged.properties as object) };
  merged.properties = properties;
  for (const schema of [a, b]) {
    if (schema.additionalProperties === undefined) continue;
    for (const name of Object.keys(properties)) {
      if (schema.properties && Object.hasOwn(schema.properties, name)) continue;
      properties[name] = yield* mergeSchemas(
        properties[name],
        schema.additionalProperties,
        `${path}/properties/${name}`,
      );
    }
  }
}
