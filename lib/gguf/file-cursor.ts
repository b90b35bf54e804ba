/** Reading a file's header from front to back, in chunks, without trusting a length it states. */
import type { FileHandle } from "node:fs/promises";
import { AbortError, ModelFileError } from "../errors.js";
import { LongText, describeValue } from "./metadata.js";

/** Work on one chunk takes about a millisecond; reading the next one gives the event loop its turn. */
const CHUNK_BYTES = 128 * 1024;
/** No header is longer. The largest vocabularies with their merges and JSON stay under 64 MB. */
const MAX_HEADER_BYTES = 512 * 1024 * 1024;

/**
 * A cursor over the first bytes of a file. The asynchronous {@link need} brings bytes into memory; the
 * synchronous `take…` methods consume what is there, so that tight loops pay no promise per value.
 */
export class FileCursor {
  readonly path: string;
  readonly fileSize: number;
  readonly #handle: FileHandle;
  readonly #signal: AbortSignal | undefined;
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  /** The unread bytes are `#chunk[#begin, #end)`. */
  #begin = 0;
  #end = 0;
  /** Position in the file of `#chunk[#end]`. */
  #filePosition = 0;

  constructor(handle: FileHandle, path: string, fileSize: number, signal?: AbortSignal) {
    this.#handle = handle;
    this.path = path;
    this.fileSize = fileSize;
    this.#signal = signal;
  }

  /** Position in the file of the next byte to be taken. */
  get position(): number {
    return this.#filePosition - (this.#end - this.#begin);
  }

  /** Bytes between the cursor and the end of the file (or of the longest header that is read). */
  get remaining(): number {
    return Math.min(this.fileSize, MAX_HEADER_BYTES) - this.position;
  }

  /** Bytes in memory. */
  get buffered(): number {
    return this.#end - this.#begin;
  }

  /** Refuses a length that the rest of the file cannot hold. Nothing is allocated before this check. */
  checkRemaining(bytes: number, field: string): void {
    if (bytes <= this.remaining) return;
    const limit =
      bytes > this.fileSize - this.position ? "the file ends before" : "headers above 512 MiB are not read:";
    throw this.error(
      field,
      `Expected ${bytes} bytes at offset ${this.position} for ${field} but ${limit} offset ${this.position + bytes}`,
    );
  }

  /** Brings at least `bytes` (at most a chunk) into memory. */
  async need(bytes: number, field: string): Promise<void> {
    if (this.buffered >= bytes) return;
    this.checkRemaining(bytes, field);
    if (this.#signal?.aborted) throw new AbortError(undefined, { cause: this.#signal.reason });
    this.#chunk.copy(this.#chunk, 0, this.#begin, this.#end);
    this.#end -= this.#begin;
    this.#begin = 0;
    while (this.#end < bytes) {
      const room = CHUNK_BYTES - this.#end;
      const { bytesRead } = await this.#handle.read(this.#chunk, this.#end, room, this.#filePosition);
      if (bytesRead === 0)
        throw this.error(field, `Expected more bytes for ${field} but the file became shorter`);
      this.#end += bytesRead;
      this.#filePosition += bytesRead;
    }
  }

  takeU8(): number {
    return this.#chunk[this.#advance(1)]!;
  }

  takeU32(): number {
    return this.#chunk.readUInt32LE(this.#advance(4));
  }

  /** An unsigned 64-bit count, offset or length; above 2^53 - 1 it is refused. */
  takeSize(field: string): number {
    const at = this.#advance(8);
    const low = this.#chunk.readUInt32LE(at);
    const high = this.#chunk.readUInt32LE(at + 4);
    if (high > 0x1fffff) {
      const value = (BigInt(high) << 32n) | BigInt(low);
      throw this.error(field, `Expected a size below 2^53 for ${field} but found ${value}`);
    }
    return high * 2 ** 32 + low;
  }

  /** The next `bytes`, as a view that the following {@link need} overwrites. */
  takeView(bytes: number): Buffer {
    const at = this.#advance(bytes);
    return this.#chunk.subarray(at, at + bytes);
  }

  /** The next `bytes` copied into memory of their own, however many. */
  async takeBytes(bytes: number, field: string): Promise<Buffer<ArrayBuffer>> {
    this.checkRemaining(bytes, field);
    // A fresh ArrayBuffer, so that typed arrays over it are aligned.
    const out = Buffer.from(new ArrayBuffer(bytes));
    let filled = 0;
    while (filled < bytes) {
      await this.need(Math.min(bytes - filled, CHUNK_BYTES), field);
      filled += this.takeView(Math.min(bytes - filled, this.buffered)).copy(out, filled);
    }
    return out;
  }

  /** A length-prefixed text. */
  async takeText(field: string): Promise<string | LongText> {
    await this.need(8, `${field} (length)`);
    const length = this.takeSize(`${field} (length)`);
    this.checkRemaining(length, field);
    if (length > CHUNK_BYTES) return new LongText(await this.takeBytes(length, field));
    await this.need(length, field);
    return this.takeView(length).toString("utf8");
  }

  /** A length-prefixed key or tensor name: not empty, at most `maxBytes`, UTF-8, no control characters. */
  async takeName(field: string, maxBytes: number): Promise<string> {
    await this.need(8, field);
    const length = this.takeSize(`length of ${field}`);
    if (length === 0 || length > maxBytes) {
      const expected = `1 to ${maxBytes} bytes`;
      throw this.error(field, `Expected ${expected} for ${field} but found a length of ${length}`);
    }
    await this.need(length, field);
    const name = this.takeView(length).toString("utf8");
    // oxlint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f\ufffd]/.test(name)) {
      throw this.error(field, `Expected printable UTF-8 for ${field} but found ${describeValue(name)}`);
    }
    return name;
  }

  /** The error for a header that is not as it should be. */
  error(field: string, message: string): ModelFileError {
    return new ModelFileError(`${message} (${this.path})`, { path: this.path, field });
  }

  #advance(bytes: number): number {
    const at = this.#begin;
    this.#begin += bytes;
    return at;
  }
}
