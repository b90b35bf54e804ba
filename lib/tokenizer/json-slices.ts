/**
 * JSON read in slices: a tokenizer.json of 17 MB would hold the event loop for a tenth of a second and more with
 * `JSON.parse`.
 */
import { TokenizerError } from "../errors.js";
import type { Steps } from "./time-slices.js";

export type Json = null | boolean | number | string | JsonArray | JsonObject;
export type JsonArray = Json[];

/**
 * An object: keys and values in the order of the file. No key has a special meaning, and there is no table that has to
 * grow all at once: a lookup goes through the keys, which are few wherever one is made.
 */
export class JsonObject {
  private readonly names: string[] = [];
  private readonly values: Json[] = [];

  /** Adds a key; of one that comes twice, `get` finds the last. */
  add(key: string, value: Json): void {
    this.names.push(key);
    this.values.push(value);
  }

  get(key: string): Json | undefined {
    const at = this.names.lastIndexOf(key);
    return at < 0 ? undefined : this.values[at];
  }

  has(key: string): boolean {
    return this.names.includes(key);
  }

  keys(): readonly string[] {
    return this.names;
  }

  *[Symbol.iterator](): Generator<[string, Json], void, void> {
    for (let i = 0; i < this.names.length; i++) yield [this.names[i]!, this.values[i]!];
  }
}

/** No file that means well nests deeper. */
const MAX_DEPTH = 64;

/** Values read between two yields. */
const VALUES_PER_STEP = 512;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

interface Frame {
  container: JsonArray | JsonObject;
  /** The key the next value belongs to, in an object. */
  key: string;
}

/** Parses UTF-8 JSON; `name` names the file in errors. */
export function* parseJsonInSteps(bytes: Buffer, name: string): Steps<Json> {
  return yield* new JsonReader(bytes, name).read();
}

class JsonReader {
  private at = 0;
  private readonly stack: Frame[] = [];

  constructor(
    private readonly bytes: Buffer,
    private readonly name: string,
  ) {
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.at = 3;
  }

  *read(): Steps<Json> {
    let result: Json | undefined;
    for (let values = 0; result === undefined; values++) {
      if (values % VALUES_PER_STEP === 0) yield;
      result = this.value();
    }
    this.skipSpace();
    if (this.at < this.bytes.length) throw this.wrong("the end of the file");
    return result;
  }

  /** Reads one value or opens one container; returns the whole when it is complete. */
  private value(): Json | undefined {
    this.skipSpace();
    const c = this.bytes[this.at];
    if (c === 0x7b || c === 0x5b) return this.open(c);
    return this.complete(this.scalar(c));
  }

  private open(c: number): Json | undefined {
    if (this.stack.length === MAX_DEPTH) throw this.wrong(`at most ${MAX_DEPTH} levels`);
    this.at++;
    const container: JsonArray | JsonObject = c === 0x7b ? new JsonObject() : [];
    this.skipSpace();
    if (this.bytes[this.at] === (c === 0x7b ? 0x7d : 0x5d)) {
      this.at++;
      return this.complete(container);
    }
    this.stack.push({ container, key: c === 0x7b ? this.key() : "" });
    return undefined;
  }

  /** Puts a value where it belongs and closes what ends after it. */
  private complete(value: Json): Json | undefined {
    for (;;) {
      const frame = this.stack.at(-1);
      if (frame === undefined) return value;
      if (Array.isArray(frame.container)) frame.container.push(value);
      else frame.container.add(frame.key, value);
      this.skipSpace();
      const c = this.bytes[this.at];
      const close = Array.isArray(frame.container) ? 0x5d : 0x7d;
      if (c !== 0x2c && c !== close) throw this.wrong(close === 0x5d ? `"," or "]"` : `"," or "}"`);
      this.at++;
      if (c === 0x2c) {
        if (close === 0x7d) frame.key = this.key();
        return undefined;
      }
      this.stack.pop();
      value = frame.container;
    }
  }

  private key(): string {
    this.skipSpace();
    if (this.bytes[this.at] !== QUOTE) throw this.wrong("a key");
    const key = this.string();
    this.skipSpace();
    if (this.bytes[this.at] !== 0x3a) throw this.wrong(`":"`);
    this.at++;
    return key;
  }

  private scalar(c: number | undefined): Json {
    if (c === QUOTE) return this.string();
    if (c === 0x74) return this.word("true", true);
    if (c === 0x66) return this.word("false", false);
    if (c === 0x6e) return this.word("null", null);
    return this.number();
  }

  private word<T extends Json>(word: string, value: T): T {
    if (this.bytes.toString("latin1", this.at, this.at + word.length) !== word) throw this.wrong("a value");
    this.at += word.length;
    return value;
  }

  private number(): number {
    let end = this.at;
    for (let c = this.bytes[end]; c !== undefined && isNumberByte(c); c = this.bytes[++end]);
    const text = this.bytes.toString("latin1", this.at, end);
    if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) throw this.wrong("a value");
    this.at = end;
    return Number(text);
  }

  private string(): string {
    const { bytes } = this;
    const begin = ++this.at;
    let ascii = 0;
    let end = begin;
    for (; ; end++) {
      const c = bytes[end];
      if (c === undefined) throw this.wrong(`a closing "`);
      if (c === QUOTE) break;
      if (c === BACKSLASH) return this.escapedString(begin);
      if (c < 0x20) throw this.wrong("no control character in a string", end);
      ascii |= c;
    }
    this.at = end + 1;
    return ascii < 0x80 ? bytes.toString("latin1", begin, end) : this.decode(begin, end);
  }

  private decode(begin: number, end: number): string {
    const text = this.bytes.toString("utf8", begin, end);
    // A string that holds U+FFFD is rare enough to be checked for being one that was not UTF-8.
    if (text.includes("\ufffd") && !Buffer.from(text).equals(this.bytes.subarray(begin, end))) {
      throw this.wrong("UTF-8", begin);
    }
    return text;
  }

  /** A string with escapes: found to its end first, then left to `JSON.parse`. */
  private escapedString(begin: number): string {
    const { bytes } = this;
    let end = begin;
    for (; bytes[end] !== QUOTE; end++) {
      if (bytes[end] === undefined) throw this.wrong(`a closing "`);
      if (bytes[end] === BACKSLASH) end++;
    }
    this.at = end + 1;
    const text = this.decode(begin - 1, end + 1);
    let value: string;
    try {
      value = JSON.parse(text) as string;
    } catch {
      throw this.wrong("a string", begin);
    }
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value)) {
      throw this.wrong("no lone surrogate in a string", begin);
    }
    return value;
  }

  private skipSpace(): void {
    for (;;) {
      const c = this.bytes[this.at];
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.at++;
    }
  }

  private wrong(expected: string, at = this.at): TokenizerError {
    const message = `Expected ${expected} in ${this.name} at byte ${at}: it is not valid JSON`;
    return new TokenizerError(message, { field: this.name, byte: at });
  }
}

function isNumberByte(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x2b || c === 0x2e || c === 0x65 || c === 0x45;
}
