/** Strings of JSON (RFC 8259). */
import { UnsupportedError } from "../errors.js";
import type { Steps } from "../tokenizer/time-slices.js";
import { ANY, codePoints, difference, ofText, union, type CodePoints } from "./code-points.js";
import { characters, choice, NEVER, oneOf, repeat, sequence, text, type Expression } from "./expression.js";
import { FORMATS } from "./json-formats.js";
import { regexSteps } from "./regex.js";

const CONTROLS = codePoints([[0, 0x1f]]);
/** What JSON does not let stand in a string. */
const ESCAPED = union(CONTROLS, ofText('"\\'));
/** What may stand in a string as it is. */
export const PLAIN: CodePoints = difference(ANY, ESCAPED);
/** A character as it stands in a string; of the controls, those with a letter of their own. */
const CHARACTER = choice(characters(PLAIN), sequence(text("\\"), characters(ofText('"\\/bfnrt'))));
const QUOTE = text('"');

export const STRING = quoted(repeat(CHARACTER, 0, Number.POSITIVE_INFINITY));

export interface StringLimits {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** @param path - Of the schema, for messages. */
export function* stringExpression(
  { minLength, maxLength, pattern, format }: StringLimits,
  path: string,
): Steps<Expression> {
  const isMeasured = (minLength ?? 0) > 0 || maxLength !== undefined;
  if (Number(isMeasured) + Number(pattern !== undefined) + Number(format !== undefined) > 1) {
    throw new UnsupportedError(`${path}: a length, a pattern and a format are supported one at a time`, {
      path,
    });
  }
  if (maxLength !== undefined && (minLength ?? 0) > maxLength) return NEVER;
  if (pattern !== undefined) return quoted(yield* patternInString(pattern));
  if (format !== undefined) {
    if (!Object.hasOwn(FORMATS, format)) {
      const known = Object.keys(FORMATS).join(", ");
      throw new UnsupportedError(`${path}: the format ${format} is not supported; ${known} are`, {
        path,
        format,
      });
    }
    return quoted(yield* regexSteps(FORMATS[format]!));
  }
  return quoted(repeat(CHARACTER, minLength ?? 0, maxLength ?? Number.POSITIVE_INFINITY));
}

function quoted(content: Expression): Expression {
  return sequence(QUOTE, content, QUOTE);
}

function* patternInString(pattern: string): Steps<Expression> {
  const expression = yield* regexSteps(pattern, "u", true);
  if (expression.kind !== "choice") return inString(expression);
  const options: Expression[] = [];
  for (const each of expression.options) {
    options.push(inString(each));
    yield;
  }
  return oneOf(options);
}

/** The texts as they stand in a string. */
function inString(expression: Expression): Expression {
  switch (expression.kind) {
    case "characters":
      return characterInString(expression.set);
    case "text":
      return text(JSON.stringify(expression.text).slice(1, -1));
    case "sequence":
      return { ...expression, items: expression.items.map(inString) };
    case "choice":
      return { ...expression, options: expression.options.map(inString) };
    case "repeat":
      return { ...expression, item: inString(expression.item) };
    case "list":
    case "rule":
      throw new Error("A regular expression has neither lists nor rules");
  }
}

function characterInString(set: CodePoints): Expression {
  const plain = difference(set, ESCAPED);
  const escaped = difference(set, plain).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => {
      const written = JSON.stringify(String.fromCodePoint(first + i));
      return text(written.slice(1, -1));
    }),
  );
  return oneOf([characters(plain), ...escaped]);
}

/** Plain strings other than these: the names of additional properties. */
export function* otherStrings(names: readonly string[]): Steps<Expression> {
  return sequence(QUOTE, yield* otherThan(names), QUOTE);
}

/** Plain texts that are none of these, followed by nothing. */
function* otherThan(texts: readonly string[]): Steps<Expression> {
  yield;
  const plainText = repeat(characters(PLAIN), 0, Number.POSITIVE_INFINITY);
  const byFirst = new Map<string, string[]>();
  for (const each of texts.filter((name) => name !== "")) {
    const [first] = each;
    const rest = each.slice(first!.length);
    const alike = byFirst.get(first!);
    if (alike) alike.push(rest);
    else byFirst.set(first!, [rest]);
  }
  const others = difference(PLAIN, ofText([...byFirst.keys()].join("")));
  const options: Expression[] = [sequence(characters(others), plainText)];
  for (const [first, rests] of byFirst) options.push(sequence(text(first), yield* otherThan(rests)));
  if (!texts.includes("")) options.push(sequence());
  return oneOf(options);
}
