/** Regular expressions as JavaScript has them (ECMA-262), as far as they describe sets of texts. */
import { RegExpParser, type AST } from "@eslint-community/regexpp";
import { InvalidArgumentError, UnsupportedError } from "../errors.js";
import {
  ANY,
  codePoints,
  complement,
  matching,
  matchingAnyCase,
  ofText,
  union,
  type CodePoints,
} from "./code-points.js";
import { runNow, type Steps } from "../tokenizer/time-slices.js";
import { characters, NEVER, oneOf, repeat, sequence, text, type Expression } from "./expression.js";

/** What JavaScript takes for the end of a line. */
const LINE_ENDS = ofText("\n\r\u2028\u2029");
const DIGITS = codePoints([[0x30, 0x39]]);
const WORD = codePoints([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
/** White space and line ends (ECMA-262). */
const SPACE = union(
  ofText("\t\v\f \u00a0\u1680\u202f\u205f\u3000\ufeff"),
  codePoints([[0x2000, 0x200a]]),
  LINE_ENDS,
);
const ESCAPES: Readonly<Record<string, CodePoints>> = { digit: DIGITS, word: WORD, space: SPACE };
/** Parts of a regular expression that are looked at without a pause. */
const TOGETHER = 256;
/** Classes for each of which every character is looked at. */
const MOST_CLASSES = 100;
const ANYTHING = repeat(characters(ANY), 0, Number.POSITIVE_INFINITY);

/** Characters of a regular expression that are parsed at a time, and of one that is not cut. */
const PIECE = 1 << 13;
const LONGEST_PIECE = 1 << 14;

/** As {@link regexSteps}, at once: for short ones. */
export function regexExpression(source: string, flags = "u", searching = false): Expression {
  return runNow(regexSteps(source, flags, searching));
}

/**
 * The texts that match as a whole; a character is a code point, as with the flag `u`.
 *
 * @param searching - Also the texts that have a match in them, unless `^` and `$` say otherwise.
 * @throws {@link InvalidArgumentError} for what is no regular expression, {@link UnsupportedError} for what looks beyond
 *   the text it matches, and for alternatives that are too long.
 */
export function* regexSteps(source: string, flags = "u", searching = false): Steps<Expression> {
  const compiler = new RegexCompiler(source, flags);
  const options: Expression[] = [];
  for (const piece of yield* piecesOf(source, flags)) {
    for (const { elements } of parse(piece, flags).alternatives) {
      options.push(yield* compiler.whole(elements, searching));
      yield;
    }
  }
  return oneOf(options);
}

/** A long one is parsed some alternatives at a time: each by itself says what it says among the others. */
function* piecesOf(source: string, flags: string): Steps<string[]> {
  if (source.length <= PIECE) return [source];
  const pieces: string[] = [];
  let begin = 0;
  const cut = (end: number): void => {
    if (end - begin > LONGEST_PIECE) {
      throw new UnsupportedError(
        `A regular expression is too large: expected at most ${LONGEST_PIECE} characters between the | outside of its groups`,
        { limit: LONGEST_PIECE },
      );
    }
    pieces.push(source.slice(begin, end));
    begin = end + 1;
  };
  const classesNest = flags.includes("v");
  let groups = 0;
  let classes = 0;
  let bar = 0; // the last that could be cut at
  for (let i = 0; i < source.length; i++) {
    const character = source[i]!;
    if (character === "\\") i++;
    else if (character === "[" && (classes === 0 || classesNest)) classes++;
    else if (character === "]" && classes > 0) classes--;
    else if (classes > 0) continue;
    else if (character === "(") groups++;
    else if (character === ")") groups--;
    else if (character === "|" && groups === 0) {
      if (i - begin > PIECE && bar > begin) cut(bar);
      bar = i;
    }
    if (i % PIECE === 0) yield;
  }
  if (source.length - begin > PIECE && bar > begin) cut(bar);
  cut(source.length);
  return pieces;
}

function parse(source: string, flags: string): AST.Pattern {
  try {
    const parser = new RegExpParser({ ecmaVersion: 2025 });
    return parser.parsePattern(source, undefined, undefined, {
      unicode: !flags.includes("v"),
      unicodeSets: flags.includes("v"),
    });
  } catch (error) {
    // Without the source, which is in the details.
    const reason = error instanceof Error ? error.message.replace(/^.*: /s, "") : String(error);
    throw new InvalidArgumentError(`Expected a regular expression with the flag u: ${reason}`, { source });
  }
}

function isAnchor(element: AST.Element, kind: "start" | "end"): boolean {
  return element.type === "Assertion" && element.kind === kind;
}

class RegexCompiler {
  readonly #source: string;
  /** Those that change what a character matches. */
  readonly #flags: string;
  readonly #sets = new Map<string, CodePoints>();
  #elements = 0;

  constructor(source: string, flags: string) {
    this.#source = source;
    this.#flags = (flags.includes("v") ? "v" : "u") + flags.replaceAll(/[^is]/g, "");
  }

  /** An alternative of the regular expression itself, where `^` and `$` may stand. */
  *whole(elements: readonly AST.Element[], searching: boolean): Steps<Expression> {
    const begins = elements.findIndex((each) => !isAnchor(each, "start"));
    const anchored = elements.slice(begins < 0 ? elements.length : begins);
    let end = anchored.length;
    while (end > 0 && isAnchor(anchored[end - 1]!, "end")) end--;
    const whole = yield* this.#sequence(anchored.slice(0, end));
    if (!searching) return whole;
    const isOpenBefore = anchored.length === elements.length;
    const isOpenAfter = end === anchored.length;
    return sequence(...(isOpenBefore ? [ANYTHING] : []), whole, ...(isOpenAfter ? [ANYTHING] : []));
  }

  *#element(element: AST.Element): Steps<Expression> {
    if (++this.#elements % TOGETHER === 0) yield;
    switch (element.type) {
      case "Character":
        return yield* this.#character(element);
      case "CharacterSet":
      case "CharacterClass":
      case "ExpressionCharacterClass":
        return characters(yield* this.#set(element));
      case "CapturingGroup":
        return yield* this.#alternatives(element.alternatives);
      case "Group":
        if (element.modifiers) throw this.#unsupported("a group with flags of its own", element);
        return yield* this.#alternatives(element.alternatives);
      case "Quantifier":
        return repeat(yield* this.#element(element.element), element.min, element.max);
      case "Assertion":
        throw this.#unsupported(ASSERTIONS[element.kind], element);
      case "Backreference":
        throw this.#unsupported("a back reference", element);
    }
  }

  *#sequence(elements: readonly AST.Element[]): Steps<Expression> {
    const items: Expression[] = [];
    for (const each of elements) items.push(yield* this.#element(each));
    return { kind: "sequence", items };
  }

  *#alternatives(alternatives: readonly AST.Alternative[]): Steps<Expression> {
    const options: Expression[] = [];
    for (const { elements } of alternatives) options.push(yield* this.#sequence(elements));
    return oneOf(options);
  }

  *#character({ value, raw }: AST.Character): Steps<Expression> {
    if (value >= 0xd800 && value <= 0xdfff) return NEVER;
    const character = String.fromCodePoint(value);
    if (!this.#flags.includes("i")) return text(character);
    const set = this.#sets.get(raw) ?? (yield* matchingAnyCase(raw, this.#flags, character));
    this.#sets.set(raw, set);
    return characters(set);
  }

  *#set(element: AST.CharacterSet | AST.CharacterClass | AST.ExpressionCharacterClass): Steps<CodePoints> {
    const { raw } = element;
    if (raw.includes("\\q") || ("strings" in element && element.strings)) {
      throw this.#unsupported("a class of strings", element);
    }
    return (
      (this.#flags.includes("i") ? undefined : yield* simpleSet(element, this.#flags)) ??
      (yield* this.#matching(raw))
    );
  }

  *#matching(raw: string): Steps<CodePoints> {
    const known = this.#sets.get(raw);
    if (known) return known;
    if (this.#sets.size >= MOST_CLASSES) {
      throw new UnsupportedError(
        `A regular expression is too large: expected at most ${MOST_CLASSES} different classes with a flag or of sets`,
        { limit: MOST_CLASSES },
      );
    }
    const set = yield* matching(raw, this.#flags);
    this.#sets.set(raw, set);
    return set;
  }

  #unsupported(what: string, { raw }: AST.Node): UnsupportedError {
    return new UnsupportedError(`A regular expression with ${what} is no constraint: ${raw}`, {
      source: this.#source,
      part: raw,
    });
  }
}

const ASSERTIONS = {
  start: "^ elsewhere than at its beginning",
  end: "$ elsewhere than at its end",
  word: "a word boundary",
  lookahead: "a lookahead",
  lookbehind: "a lookbehind",
} as const;

/** Those of `\p{...}`, which never change. */
const properties = new Map<string, CodePoints>();

/** Put together from parts; undefined for what is not simple. */
function* simpleSet(
  element: AST.Element | AST.CharacterClassElement,
  flags: string,
): Steps<CodePoints | undefined> {
  switch (element.type) {
    case "Character":
      return codePoints([[element.value, element.value]]);
    case "CharacterClassRange":
      return codePoints([[element.min.value, element.max.value]]);
    case "CharacterSet":
      return yield* characterSet(element, flags);
    case "CharacterClass": {
      const ranges: (readonly [number, number])[] = [];
      for (const each of element.elements) {
        const set = yield* simpleSet(each, flags);
        if (!set) return undefined;
        for (const range of set) ranges.push(range);
      }
      // Surrogates are no characters of a text.
      const all = complement(complement(codePoints(ranges)));
      yield;
      return element.negate ? complement(all) : all;
    }
    default:
      return undefined;
  }
}

function* characterSet(element: AST.CharacterSet, flags: string): Steps<CodePoints> {
  if (element.kind === "any") return flags.includes("s") ? ANY : complement(LINE_ENDS);
  if (element.kind !== "property") {
    const set = ESCAPES[element.kind]!;
    return element.negate ? complement(set) : set;
  }
  const { raw } = element;
  const set = properties.get(raw) ?? (yield* matching(raw, "u"));
  properties.set(raw, set);
  return set;
}
