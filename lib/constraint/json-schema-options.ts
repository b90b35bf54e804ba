/** `oneOf` means exactly one: options are followed only where no value can be valid under two. */
import { UnsupportedError } from "../errors.js";
import { isObject } from "../options.js";
import type { Steps } from "../tokenizer/time-slices.js";
import { canonical, checkKeywords, typesOf, type JsonType, type Schema } from "./json-schema-keywords.js";

/** @throws {@link UnsupportedError} unless types, listed values or a property's listed values tell the options apart. */
export function* refuseOverlap(options: readonly unknown[], path: string): Steps<void> {
  for (const [i, a] of options.entries()) {
    for (let j = i + 1; j < options.length; j++, yield) {
      if (areDisjoint(a, options[j], path)) continue;
      throw new UnsupportedError(
        `${path}: a value may be valid under options ${i} and ${j} of oneOf; use anyOf, or a property that tells them apart`,
        { path, keyword: "oneOf" },
      );
    }
  }
}

function areDisjoint(a: unknown, b: unknown, path: string): boolean {
  if (a === false || b === false) return true;
  if (!isObject(a) || !isObject(b)) return false;
  const [left, right] = [checkKeywords(a, path), checkKeywords(b, path)];
  return haveOtherValues(left, right) || haveOtherTypes(left, right) || haveOtherProperty(left, right, path);
}

function listed(schema: Schema): Set<string> | undefined {
  const values = schema.const !== undefined ? [schema.const] : schema.enum;
  return values && new Set(values.map(canonical));
}

function haveOtherValues(a: Schema, b: Schema): boolean {
  const [left, right] = [listed(a), listed(b)];
  return left !== undefined && right !== undefined && ![...left].some((value) => right.has(value));
}

/** Types as the values themselves tell them. */
function haveOtherTypes(a: Schema, b: Schema): boolean {
  const typed = (schema: Schema): JsonType[] | undefined => {
    if (schema.type !== undefined) return typesOf(schema);
    return undefined;
  };
  const [left, right] = [typed(a), typed(b)];
  if (!left || !right) return false;
  const kinds = (types: readonly JsonType[]) => types.map((type) => (type === "integer" ? "number" : type));
  return !kinds(left).some((type) => kinds(right).includes(type));
}

function haveOtherProperty(a: Schema, b: Schema, path: string): boolean {
  if (a.type !== "object" || b.type !== "object") return false;
  const inBoth = new Set(b.required);
  const names = (a.required ?? []).filter((name) => inBoth.has(name));
  return names.some((name) => {
    const [left, right] = [a.properties?.[name], b.properties?.[name]];
    return (
      left !== undefined && right !== undefined && areDisjoint(left, right, `${path}/properties/${name}`)
    );
  });
}
