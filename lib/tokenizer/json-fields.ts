/** Typed reading of parsed JSON; every failure is a TokenizerError naming the field. */
import { TokenizerError } from "../errors.js";
import { JsonObject, type Json } from "./json-slices.js";

function describe(value: Json | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (value instanceof JsonObject) return "an object";
  if (Array.isArray(value)) return "an array";
  return `${JSON.stringify(value).slice(0, 60)} of type ${typeof value}`;
}

/** The error for a field that is not what it should be. */
export function badField(what: string, path: string, value: Json | undefined): TokenizerError {
  return new TokenizerError(`Expected ${what} for ${path} but received ${describe(value)}`, { field: path });
}

export function asObject(value: Json | undefined, path: string): JsonObject {
  if (value instanceof JsonObject) return value;
  throw badField("an object", path, value);
}

export function asArray(value: Json | undefined, path: string): Json[] {
  if (Array.isArray(value)) return value;
  throw badField("an array", path, value);
}

export function asString(value: Json | undefined, path: string): string {
  if (typeof value === "string") return value;
  throw badField("a string", path, value);
}

export function asIndex(value: Json | undefined, path: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw badField("an integer of at least 0", path, value);
}

/** A field of an object, read by `read`; `fallback` where it is absent or null. */
export function field<T>(
  object: JsonObject,
  key: string,
  path: string,
  read: (value: Json | undefined, path: string) => T,
  fallback?: T,
): T {
  const value = object.get(key);
  if (fallback !== undefined && (value === undefined || value === null)) return fallback;
  return read(value, path === "" ? key : `${path}.${key}`);
}

export function asBoolean(value: Json | undefined, name: string): boolean {
  if (typeof value === "boolean") return value;
  throw badField("true or false", name, value);
}

/** The `type` of a component. */
export function typeOf(object: JsonObject, path: string): string {
  return asString(object.get("type"), `${path}.type`);
}

/** The error for a component this package does not have. */
export function unknownComponent(kind: string, type: string, path: string): TokenizerError {
  const message = `Expected a ${kind} this package knows for ${path}.type but received ${JSON.stringify(type)}`;
  return new TokenizerError(message, { field: path, type });
}
