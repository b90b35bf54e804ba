/**
 * Patterns of tokenizer.json: `{"String": ..}` is found literally, `{"Regex": ..}` in Oniguruma's syntax, of which the
 * part that JavaScript shares is translated. What cannot be translated exactly is refused. Properties such as `\p{L}`
 * are those of Node's Unicode version, which may know letters that Oniguruma's does not know yet.
 */
import { TokenizerError } from "../errors.js";
import { IntList } from "./int-list.js";
import type { Steps } from "./time-slices.js";

export type Pattern = { literal: string } | { regex: RegExp };

/** Pairs (start, end) of matches that do not overlap, from the left; empty matches are left out. */
export function* findMatches(pattern: Pattern, text: string): Steps<Int32Array> {
  const next = "literal" in pattern ? literalFinder(pattern.literal, text) : regexFinder(pattern.regex, text);
  const found = new IntList();
  for (let from = 0, tried = 1; from <= text.length; tried++) {
    const match = next(from);
    if (match === undefined) break;
    if (match[1] > match[0]) {
      found.push(match[0]);
      found.push(match[1]);
    }
    from = match[1] > match[0] ? match[1] : match[1] + 1;
    if (tried % 256 === 0) yield;
  }
  return found.view();
}

type Finder = (from: number) => [start: number, end: number] | undefined;

function literalFinder(literal: string, text: string): Finder {
  return (from) => {
    const at = literal === "" ? -1 : text.indexOf(literal, from);
    return at < 0 ? undefined : [at, at + literal.length];
  };
}

function regexFinder(regex: RegExp, text: string): Finder {
  return (from) => {
    // Set anew each time: texts in work at the same time share the expression.
    regex.lastIndex = from;
    const match = regex.exec(text);
    return match === null ? undefined : [match.index, match.index + match[0].length];
  };
}

/** Oniguruma's white space: Unicode's White_Space. JavaScript's `\s` has U+FEFF besides and lacks U+0085. */
const SPACE = "\\t-\\r\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** Oniguruma's word characters; the fractions and superscripts of Latin-1 are among them, others are not. */
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe";
/** Escapes that mean the same in both; `p` and `u` are checked apart. */
const SHARED_ESCAPES = "tnrfv\\/^$.*+?()[]{}|-";

/** Compiles an Oniguruma pattern; `field` names it in errors. */
export function compileRegex(source: string, field: string): RegExp {
  try {
    return new RegExp(translate(source, field), "gu");
  } catch (cause) {
    if (cause instanceof TokenizerError) throw cause;
    const message = `Expected a regular expression for ${field} but received ${JSON.stringify(source)}`;
    throw new TokenizerError(message, { field, source }, { cause });
  }
}

function translate(source: string, field: string): string {
  return new Translation(source, field).run();
}

class Translation {
  private at = 0;
  private output = "";
  private inClass = false;
  /** Per open group: whether letters match both cases. */
  private readonly groups: boolean[] = [];
  private ignoreCase = false;

  constructor(
    private readonly source: string,
    private readonly field: string,
  ) {}

  run(): string {
    while (this.at < this.source.length) this.one();
    return this.output;
  }

  private refuse(what: string): TokenizerError {
    const message = `Expected a regular expression this package can translate for ${this.field} but ${JSON.stringify(this.source)} has ${what}`;
    return new TokenizerError(message, { field: this.field, source: this.source });
  }

  private one(): void {
    const c = String.fromCodePoint(this.source.codePointAt(this.at)!);
    if (c === "\\") return this.escape();
    this.at += c.length;
    if (this.inClass) return this.inClassCharacter(c);
    if (c === "[") return this.openClass();
    if (c === "(") return this.openGroup();
    if (c === ")") this.ignoreCase = this.groups.pop() ?? false;
    if ("*+?}".includes(c) && this.source[this.at] === "+") throw this.refuse("a possessive quantifier");
    // `.` leaves out only the newline in Oniguruma, four line terminators in JavaScript.
    if (c === ".") this.output += "[^\\n]";
    else this.output += this.bothCases(c);
  }

  private openClass(): void {
    this.inClass = true;
    this.output += "[";
    if (this.source[this.at] === "^") {
      this.output += "^";
      this.at++;
    }
  }

  private inClassCharacter(c: string): void {
    if (c === "[") throw this.refuse("a class within a class");
    if (c === "&" && this.source[this.at] === "&") throw this.refuse("a class intersection");
    if (c === "]") this.inClass = false;
    if (this.ignoreCase && /\p{L}/u.test(c)) this.output += c.toLowerCase() + c.toUpperCase();
    // With the u flag these must be escaped within a class of some engines; elsewhere it does no harm.
    else this.output += "(){}/|".includes(c) ? `\\${c}` : c;
  }

  private openGroup(): void {
    this.groups.push(this.ignoreCase);
    const rest = this.source.slice(this.at);
    if (rest.startsWith("?i:")) {
      this.ignoreCase = true;
      this.output += "(?:";
      this.at += 3;
    } else if (/^\?(?:[:=!]|<[=!])/.test(rest)) {
      const length = rest[1] === "<" ? 3 : 2;
      this.output += `(${rest.slice(0, length)}`;
      this.at += length;
    } else if (rest.startsWith("?")) {
      throw this.refuse(`a group of the kind (${rest.slice(0, 2)}`);
    } else {
      this.output += "(?:";
    }
  }

  private bothCases(c: string): string {
    if (!this.ignoreCase || c.toLowerCase() === c.toUpperCase()) return c;
    return `[${c.toLowerCase()}${c.toUpperCase()}]`;
  }

  private escape(): void {
    const c = this.source[this.at + 1];
    if (c === undefined) throw this.refuse("a backslash at its end");
    this.at += 2;
    const set = { s: SPACE, w: WORD, d: "\\p{Nd}" }[c.toLowerCase()];
    if (set !== undefined) this.classEscape(c, set);
    else if (c === "p" || c === "P") this.property(c);
    else if (c === "u" || c === "x") this.codeEscape(c);
    else if (SHARED_ESCAPES.includes(c)) this.output += `\\${c}`;
    else if (/[^A-Za-z0-9]/.test(c)) this.output += c;
    else throw this.refuse(`the escape \\${c}`);
  }

  private classEscape(c: string, set: string): void {
    const negated = c !== c.toLowerCase();
    if (!this.inClass) this.output += `[${negated ? "^" : ""}${set}]`;
    else if (!negated) this.output += set;
    else if (c === "S") this.output += "\\S";
    else throw this.refuse(`\\${c} within a class`);
  }

  private property(c: string): void {
    const match = /^\{(\^?)([A-Za-z_]+)\}/.exec(this.source.slice(this.at));
    if (match === null) throw this.refuse(`the escape \\${c}`);
    this.at += match[0].length;
    const negated = (c === "P") !== (match[1] === "^");
    const name = match[2]!;
    const isScript = !/^(?:[LMNPSZC][a-z]?|Alphabetic|White_Space|Letter|Number|Punctuation)$/.test(name);
    this.output += `\\${negated ? "P" : "p"}{${isScript ? `Script=${name}` : name}}`;
  }

  private codeEscape(c: string): void {
    const rest = this.source.slice(this.at);
    const match =
      c === "u" ? /^([0-9A-Fa-f]{4})/.exec(rest) : /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(rest);
    if (match === null) throw this.refuse(`the escape \\${c}`);
    this.at += match[0].length;
    this.output += `\\u{${match[1] ?? match[2]!}}`;
  }
}
