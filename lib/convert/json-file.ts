/** JSON files of a checkpoint's folder, with access that names the file and the entry at fault. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ModelFileError } from "../errors.js";
import { describeValue } from "../gguf/metadata.js";

/** No tokenizer file is larger; those with 250,000 tokens have some 20 MB. */
const MAX_BYTES = 256 * 1024 * 1024;
/** No configuration or index is larger; they are parsed at once. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** A parsed JSON object and where it came from. */
export class JsonFile {
  readonly path: string;
  /** The file, byte for byte. */
  readonly bytes: Buffer;
  readonly value: Readonly<Record<string, unknown>>;

  private constructor(path: string, bytes: Buffer, value: Record<string, unknown>) {
    this.path = path;
    this.bytes = bytes;
    this.value = value;
  }

  /** Reads `folder/name`; undefined when there is no such file. */
  static async find(folder: string, name: string): Promise<JsonFile | undefined> {
    const path = join(folder, name);
    const bytes = await readOptional(path);
    if (bytes === undefined) return undefined;
    const value = parse(path, bytes);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ModelFileError(`Expected a JSON object in ${path}`, { path, field: name });
    }
    return new JsonFile(path, bytes, value as Record<string, unknown>);
  }

  /** Reads `folder/name`, which must exist. */
  static async read(folder: string, name: string): Promise<JsonFile> {
    const file = await JsonFile.find(folder, name);
    if (file !== undefined) return file;
    const path = join(folder, name);
    const message = `Expected a file ${name} in ${folder} but there is none`;
    throw new ModelFileError(message, { path, field: name }, "MODEL_FILE_NOT_FOUND");
  }

  /** An integer from `min` to `max`. */
  integer(key: string, min: number, max: number): number {
    const value = this.value[key];
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    throw this.error(key, `an integer from ${min} to ${max}`);
  }

  /** Like {@link integer}; undefined when absent or null. */
  optionalInteger(key: string, min: number, max: number): number | undefined {
    return this.value[key] == null ? undefined : this.integer(key, min, max);
  }

  /** A number above `min` and below `max`. */
  numberBetween(key: string, min: number, max: number): number {
    const value = this.value[key];
    if (typeof value === "number" && value > min && value < max) return value;
    throw this.error(key, `a number above ${min} and below ${max}`);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.value[key] ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.error(key, "a boolean");
  }

  string(key: string, fallback: string): string {
    const value = this.value[key] ?? fallback;
    if (typeof value === "string") return value;
    throw this.error(key, "a string");
  }

  error(key: string, expected: string): ModelFileError {
    const found = describeValue(this.value[key]);
    return new ModelFileError(`Expected ${expected} for ${key} but found ${found} in ${this.path}`, {
      path: this.path,
      field: key,
    });
  }
}

/** A file's bytes, or undefined when it does not exist. */
export async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= MAX_BYTES) return bytes;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const details = { path, field: "path" };
    throw new ModelFileError(`Cannot read ${path}: ${message}`, details, "MODEL_FILE_INVALID", { cause });
  }
  throw new ModelFileError(`Expected at most ${MAX_BYTES} bytes in ${path}`, { path, field: "path" });
}

/** Parses JSON; a syntax error names the file. */
export function parse(path: string, bytes: Buffer): unknown {
  if (bytes.length > MAX_JSON_BYTES) {
    throw new ModelFileError(`Expected at most ${MAX_JSON_BYTES} bytes in ${path}`, { path, field: "JSON" });
  }
  try {
    // A byte order mark is not part of JSON, and some editors write one.
    return JSON.parse(bytes.toString("utf8").replace(/^\uFEFF/, ""));
  } catch (cause) {
    const message = `Expected JSON in ${path} but it cannot be parsed: ${(cause as Error).message}`;
    throw new ModelFileError(message, { path, field: "JSON" }, "MODEL_FILE_INVALID", { cause });
  }
}
