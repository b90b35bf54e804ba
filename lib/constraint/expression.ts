/** Sets of texts, put together from characters. */
import type { Steps } from "../tokenizer/time-slices.js";
import type { CodePoints } from "./code-points.js";

export type Expression =
  /** One character of a set. */
  | { readonly kind: "characters"; readonly set: CodePoints }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "sequence"; readonly items: readonly Expression[] }
  /** Without options: no text at all. */
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  /** `most` may be Infinity. */
  | { readonly kind: "repeat"; readonly item: Expression; readonly least: number; readonly most: number }
  /** Some of the items in their order, those required among them, with the separator between any two. */
  | { readonly kind: "list"; readonly items: readonly ListItem[]; readonly separator: Expression }
  /** What a rule of the grammar stands for; it may contain itself. */
  | { readonly kind: "rule"; readonly name: string };

export interface ListItem {
  readonly item: Expression;
  readonly required: boolean;
  /** It may occur more than once. */
  readonly repeated: boolean;
}

/** A set of texts, with the rules it refers to. */
export interface Grammar {
  readonly start: Expression;
  readonly rules: ReadonlyMap<string, Expression>;
}

export const NOTHING: Expression = { kind: "sequence", items: [] };
export const NEVER: Expression = { kind: "choice", options: [] };

export const text = (value: string): Expression => ({ kind: "text", text: value });
export const characters = (set: CodePoints): Expression => ({ kind: "characters", set });
export const sequence = (...items: Expression[]): Expression => ({ kind: "sequence", items });
/** Any number of options: arguments have to fit on the stack. */
export const oneOf = (options: readonly Expression[]): Expression =>
  options.length === 1 ? options[0]! : { kind: "choice", options };
export const choice = (...options: Expression[]): Expression => oneOf(options);
export const repeat = (item: Expression, least: number, most: number): Expression => ({
  kind: "repeat",
  item,
  least,
  most,
});
export const optional = (item: Expression): Expression => repeat(item, 0, 1);
export const rule = (name: string): Expression => ({ kind: "rule", name });

/** Expressions within expressions that are looked into. */
const DEEPEST = 64;

/**
 * Whether the empty text is one of its texts; true where that takes too long to find out.
 *
 * @param known - Of expressions that were looked into before.
 */
export function* mayBeEmpty(
  expression: Expression,
  known: Map<Expression, boolean>,
  depth = 0,
): Steps<boolean> {
  yield;
  if (depth > DEEPEST) return true;
  let empty = known.get(expression);
  if (empty === undefined) known.set(expression, (empty = yield* looksEmpty(expression, known, depth + 1)));
  return empty;
}

function* looksEmpty(expression: Expression, known: Map<Expression, boolean>, depth: number): Steps<boolean> {
  switch (expression.kind) {
    case "characters":
      return false;
    case "text":
      return expression.text === "";
    case "sequence":
      for (const item of expression.items) if (!(yield* mayBeEmpty(item, known, depth))) return false;
      return true;
    case "choice":
      for (const option of expression.options) if (yield* mayBeEmpty(option, known, depth)) return true;
      return false;
    case "repeat":
      return expression.least === 0 || (yield* mayBeEmpty(expression.item, known, depth));
    case "list":
    case "rule":
      return true;
  }
}
