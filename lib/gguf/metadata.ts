/** Metadata of a GGUF file: its values in memory, and typed access that names the key at fault. */
import { ModelFileError } from "../errors.js";
import type { MetadataType } from "./types.js";

/**
 * The strings of a metadata array, kept as the bytes of the file and decoded when asked for: a vocabulary of
 * 300,000 tokens costs two allocations instead of 300,000.
 */
export class StringArray implements Iterable<string> {
  readonly #bytes: Buffer;
  /** Where each string ends in `#bytes`; string i begins where string i - 1 ends. */
  readonly #ends: Uint32Array;

  constructor(bytes: Buffer, ends: Uint32Array) {
    this.#bytes = bytes;
    this.#ends = ends;
  }

  /** Packs ordinary strings. */
  static from(strings: readonly string[]): StringArray {
    const ends = new Uint32Array(strings.length);
    let size = 0;
    for (const [i, text] of strings.entries()) ends[i] = size += Buffer.byteLength(text);
    const bytes = Buffer.allocUnsafe(size);
    let offset = 0;
    for (const text of strings) offset += bytes.write(text, offset);
    return new StringArray(bytes, ends);
  }

  get length(): number {
    return this.#ends.length;
  }

  /** The string at `index`, or undefined outside the array. Bytes that are not UTF-8 become U+FFFD. */
  at(index: number): string | undefined {
    const end = this.#ends[index];
    return end === undefined ? undefined : this.#bytes.toString("utf8", this.#start(index), end);
  }

  /** The bytes of the string at `index` as the file has them: a view, not a copy. */
  bytesAt(index: number): Buffer | undefined {
    const end = this.#ends[index];
    return end === undefined ? undefined : this.#bytes.subarray(this.#start(index), end);
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let i = 0; i < this.#ends.length; i++) yield this.at(i)!;
  }

  #start(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]!;
  }
}

/**
 * A text longer than any name, kept as the bytes of the file: decoding megabytes at once would hold up the event
 * loop, and who reads them as JSON would encode them again.
 */
export class LongText {
  /** UTF-8 as the file has it. */
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Bytes that are not UTF-8 become U+FFFD. */
  toString(): string {
    return this.bytes.toString("utf8");
  }
}

/** An array of numbers; booleans are bytes 0 and 1. */
export type NumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A metadata value. 64-bit integers are numbers where exact, else `bigint`. */
export type MetadataValue = boolean | number | bigint | string | LongText | StringArray | NumericArray;

/** A metadata value with the type it has in the file. */
export interface MetadataEntry {
  type: MetadataType;
  /** Type of the elements when `type` is `"array"`. */
  itemType?: MetadataType;
  value: MetadataValue;
}

/** Parsing this much takes tens of milliseconds; a configuration has some kilobytes, with many labels a megabyte. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** Typed reading of one file's metadata; every failure is a {@link ModelFileError} naming the key. */
export class MetadataReader {
  readonly #path: string;
  readonly #metadata: ReadonlyMap<string, MetadataValue>;

  constructor(path: string, metadata: ReadonlyMap<string, MetadataValue>) {
    this.#path = path;
    this.#metadata = metadata;
  }

  has(key: string): boolean {
    return this.#metadata.has(key);
  }

  /** An integer in [min, max]. */
  integer(key: string, min: number, max: number): number {
    const value = this.#required(key, "an integer");
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw this.error(key, `an integer from ${min} to ${max}`, value);
    }
    return value as number;
  }

  optionalInteger(key: string, min: number, max: number): number | undefined {
    return this.has(key) ? this.integer(key, min, max) : undefined;
  }

  /** A finite number with `min` < value < `max`. */
  numberBetween(key: string, min: number, max: number): number {
    const value = this.#required(key, "a number");
    if (typeof value !== "number" || !(value > min && value < max)) {
      throw this.error(key, `a number above ${min} and below ${max}`, value);
    }
    return value;
  }

  string(key: string): string {
    const value = this.#required(key, "a string");
    if (typeof value !== "string") throw this.error(key, "a string", value);
    return value;
  }

  optionalString(key: string): string | undefined {
    return this.has(key) ? this.string(key) : undefined;
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.#metadata.get(key);
    if (value !== undefined && typeof value !== "boolean") throw this.error(key, "a boolean", value);
    return value;
  }

  optionalStrings(key: string): string[] | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined) return undefined;
    if (!(value instanceof StringArray)) throw this.error(key, "an array of strings", value);
    return [...value];
  }

  /** The object that the string at `key` holds as JSON. */
  optionalJsonObject(key: string): Record<string, unknown> | undefined {
    const value = this.#metadata.get(key);
    if (value instanceof LongText && value.bytes.length > MAX_JSON_BYTES) {
      throw this.error(key, `JSON of at most ${MAX_JSON_BYTES} bytes`, value);
    }
    const text = value instanceof LongText ? value.toString() : this.optionalString(key);
    if (text === undefined) return undefined;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (cause) {
      throw this.error(key, "JSON", text, { cause });
    }
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
      throw this.error(key, "a JSON object", text);
    }
    return parsed as Record<string, unknown>;
  }

  /** The error for a value that is not what `expected` says. */
  error(key: string, expected: string, value: unknown, options?: ErrorOptions): ModelFileError {
    return new ModelFileError(
      `Expected ${expected} for metadata key ${key} but found ${describeValue(value)} in ${this.#path}`,
      { path: this.#path, field: key },
      "MODEL_FILE_INVALID",
      options,
    );
  }

  #required(key: string, expected: string): MetadataValue {
    const value = this.#metadata.get(key);
    if (value === undefined) throw this.error(key, expected, undefined);
    return value;
  }
}

/** A value as an error message shows it: short, with its type. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value instanceof LongText) return `a text of ${value.bytes.length} bytes`;
  if (value instanceof StringArray) return `an array of ${value.length} strings`;
  if (ArrayBuffer.isView(value))
    return `a ${value.constructor.name} of ${(value as Uint8Array).length} values`;
  if (typeof value === "string") {
    const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
    return `${JSON.stringify(shown)} of type string`;
  }
  return `${String(value)} of type ${typeof value}`;
}
