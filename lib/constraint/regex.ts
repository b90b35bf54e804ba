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
const ANYTHING = repeat(characters(ANY), 0, Number.POSITIVE_INFINITY);

/**
 * The texts that match as a whole; a character is a code point, as with the flag `u`.
 *
 * @param searching - Also the texts that have a match in them, unless `^` and `$` say otherwise.
 * @throws {@link InvalidArgumentError} for what is no regular expression, {@link UnsupportedError} for what looks beyond
 *   the text it matches.
 */
export function regexExpression(source: string, flags = "u", searching = false): Expression {
  const pattern = parse(source, flags);
  const compiler = new RegexCompiler(source, flags);
  return oneOf(
    pattern.alternatives.map(({ elements }) => {
      const begins = elements.findIndex((each) => !isAnchor(each, "start"));
      const anchored = elements.slice(begins < 0 ? elements.length : begins);
      let end = anchored.length;
      while (end > 0 && isAnchor(anchored[end - 1]!, "end")) end--;
      const body = anchored.slice(0, end).map((each) => compiler.element(each));
      if (!searching) return { kind: "sequence", items: body };
      const isOpenBefore = anchored.length === elements.length;
      const isOpenAfter = end === anchored.length;
      const whole: Expression = { kind: "sequence", items: body };
      return sequence(...(isOpenBefore ? [ANYTHING] : []), whole, ...(isOpenAfter ? [ANYTHING] : []));
    }),
  );
}

function parse(source: string, flags: string): AST.Pattern {
  try {
    const parser = new RegExpParser({ ecmaVersion: 2025 });
    return parser.parsePattern(source, undefined, undefined, {
      unicode: !flags.includes("v"),
      unicodeSets: flags.includes("v"),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
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

  constructor(source: string, flags: string) {
    this.#source = source;
    this.#flags = (flags.includes("v") ? "v" : "u") + flags.replaceAll(/[^is]/g, "");
  }

  element(element: AST.Element): Expression {
    switch (element.type) {
      case "Character":
        return this.#character(element);
      case "CharacterSet":
      case "CharacterClass":
      case "ExpressionCharacterClass":
        return characters(this.#set(element));
      case "CapturingGroup":
        return this.#alternatives(element.alternatives);
      case "Group":
        if (element.modifiers) throw this.#unsupported("a group with flags of its own", element);
        return this.#alternatives(element.alternatives);
      case "Quantifier":
        return repeat(this.element(element.element), element.min, element.max);
      case "Assertion":
        throw this.#unsupported(ASSERTIONS[element.kind], element);
      case "Backreference":
        throw this.#unsupported("a back reference", element);
    }
  }

  #alternatives(alternatives: readonly AST.Alternative[]): Expression {
    return oneOf(
      alternatives.map(({ elements }) => ({
        kind: "sequence",
        items: elements.map((each) => this.element(each)),
      })),
    );
  }

  #character({ value, raw }: AST.Character): Expression {
    if (value >= 0xd800 && value <= 0xdfff) return NEVER;
    const character = String.fromCodePoint(value);
    if (!this.#flags.includes("i")) return text(character);
    let set = this.#sets.get(raw);
    if (!set) this.#sets.set(raw, (set = matchingAnyCase(raw, this.#flags, character)));
    return characters(set);
  }

  #set(element: AST.CharacterSet | AST.CharacterClass | AST.ExpressionCharacterClass): CodePoints {
    if (element.raw.includes("\\q") || ("strings" in element && element.strings)) {
      throw this.#unsupported("a class of strings", element);
    }
    return (
      (this.#flags.includes("i") ? undefined : simpleSet(element, this.#flags)) ?? this.#matching(element.raw)
    );
  }

  #matching(raw: string): CodePoints {
    let set = this.#sets.get(raw);
    if (!set) this.#sets.set(raw, (set = matching(raw, this.#flags)));
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

/** Without asking JavaScript; undefined for what is not simple. */
function simpleSet(element: AST.Element | AST.CharacterClassElement, flags: string): CodePoints | undefined {
  switch (element.type) {
    case "Character":
      return codePoints([[element.value, element.value]]);
    case "CharacterClassRange":
      return codePoints([[element.min.value, element.max.value]]);
    case "CharacterSet": {
      if (element.kind === "any") return flags.includes("s") ? ANY : complement(LINE_ENDS);
      const set = ESCAPES[element.kind];
      if (!set || element.kind === "property") return undefined;
      return element.negate ? complement(set) : set;
    }
    case "CharacterClass": {
      const sets = element.elements.map((each) => simpleSet(each, flags));
      if (!sets.every((set) => set !== undefined)) return undefined;
      // Surrogates are no characters of a text.
      const all = complement(complement(codePoints(sets.flat())));
      return element.negate ? complement(all) : all;
    }
    default:
      return undefined;
  }
}
