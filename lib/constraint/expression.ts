/** Sets of texts, put together from characters. */
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
