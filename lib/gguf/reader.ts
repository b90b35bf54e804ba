/**
 * Reads the header of a GGUF file: metadata and tensor table. Nothing in the file is trusted: every count,
 * length, type, dimension and offset is checked against the size of the file before it is used.
 * Source: the GGUF specification (ggml, docs/gguf.md), versions 2 and 3.
 */
import { open, type FileHandle } from "node:fs/promises";
import { ModelFileError, UnsupportedError } from "../errors.js";
import { FileCursor } from "./file-cursor.js";
import { StringArray, describeValue, type MetadataEntry, type NumericArray } from "./metadata.js";
import { placeTensors, readTensorTable, type GgufTensor } from "./tensor-table.js";
import { DEFAULT_ALIGNMENT, METADATA_TYPE_BYTES, METADATA_TYPES, type MetadataType } from "./types.js";

export type { GgufTensor } from "./tensor-table.js";

/** Where one metadata entry lies in the file, key included, so that a copy can keep it byte for byte. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface GgufFile {
  path: string;
  fileSize: number;
  version: number;
  /** Tensor data begins at multiples of this. */
  alignment: number;
  /** In the order of the file. */
  metadata: ReadonlyMap<string, MetadataEntry>;
  metadataRanges: ReadonlyMap<string, ByteRange>;
  /** In the order of the file. */
  tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747; // "GGUF", little-endian
/** Far above any model; they bound what a hostile table can make us allocate. */
const MAX_KEYS = 65_536;
const MAX_TENSORS = 65_536;
const MAX_KEY_BYTES = 65_535;
const MAX_ARRAY_LENGTH = 2 ** 26;
const MAX_ALIGNMENT = 2 ** 20;
/** The shortest entries: name length, one byte of name, type, one byte of value; one dimension and an offset. */
const MIN_KEY_ENTRY_BYTES = 8 + 1 + 4 + 1;
const MIN_TENSOR_ENTRY_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

/** Opens `path` and reads its header. Errors: {@link ModelFileError}, {@link UnsupportedError}. */
export async function readGguf(path: string, options: { signal?: AbortSignal } = {}): Promise<GgufFile> {
  const handle = await openForReading(path);
  try {
    return await readGgufHeader(handle, path, options.signal);
  } finally {
    await handle.close();
  }
}

/** Opens a model file; a missing one, a directory or one without permission is a {@link ModelFileError}. */
export async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      const details = { path, field: "path" };
      throw new ModelFileError(`No such file: ${path}`, details, "MODEL_FILE_NOT_FOUND", { cause });
    }
    throw unreadable(path, cause);
  }
}

async function readGgufHeader(handle: FileHandle, path: string, signal?: AbortSignal): Promise<GgufFile> {
  const stat = await handle.stat();
  if (!stat.isFile()) {
    throw new ModelFileError(`Expected a file but ${path} is not one`, { path, field: "path" });
  }
  const cursor = new FileCursor(handle, path, stat.size, signal);
  const version = await readVersion(cursor);
  const tensorCount = await readCount(cursor, "tensor count", MAX_TENSORS, MIN_TENSOR_ENTRY_BYTES);
  const keyCount = await readCount(cursor, "metadata count", MAX_KEYS, MIN_KEY_ENTRY_BYTES);
  const { metadata, metadataRanges } = await readMetadata(cursor, keyCount);
  const alignment = readAlignment(cursor, metadata);
  const tensors = await readTensorTable(cursor, tensorCount);
  placeTensors(cursor, tensors, alignment);
  return { path, fileSize: stat.size, version, alignment, metadata, metadataRanges, tensors };
}

async function readVersion(cursor: FileCursor): Promise<number> {
  await cursor.need(8, "magic and version");
  const magic = cursor.takeU32();
  if (magic !== MAGIC) {
    throw cursor.error(
      "magic",
      `Expected the four bytes "GGUF" but found 0x${magic.toString(16).padStart(8, "0")}`,
    );
  }
  const version = cursor.takeU32();
  if (version === 2 || version === 3) return version;
  const details = { path: cursor.path, field: "version", version };
  if (version === 1) {
    throw new UnsupportedError(
      `GGUF version 1 is not read, convert the model again: ${cursor.path}`,
      details,
    );
  }
  if (version >= 2 ** 24 && version % 2 ** 24 === 0) {
    throw new UnsupportedError(`Big-endian GGUF is not read: ${cursor.path}`, details);
  }
  throw new UnsupportedError(`GGUF version ${version} is not read, only 2 and 3: ${cursor.path}`, details);
}

/** A count of entries of at least `minBytes` each. */
async function readCount(cursor: FileCursor, field: string, max: number, minBytes: number): Promise<number> {
  await cursor.need(8, field);
  const count = cursor.takeSize(field);
  if (count > max) throw cursor.error(field, `Expected at most ${max} for ${field} but found ${count}`);
  cursor.checkRemaining(count * minBytes, field);
  return count;
}

// ---- metadata

async function readMetadata(cursor: FileCursor, count: number) {
  const metadata = new Map<string, MetadataEntry>();
  const metadataRanges = new Map<string, ByteRange>();
  for (let i = 0; i < count; i++) {
    const start = cursor.position;
    const key = await cursor.takeName(`name of metadata key ${i}`, MAX_KEY_BYTES);
    if (metadata.has(key)) throw cursor.error(key, `Expected each metadata key once but ${key} comes twice`);
    metadata.set(key, await readEntry(cursor, key));
    metadataRanges.set(key, { start, end: cursor.position });
  }
  return { metadata, metadataRanges };
}

async function readEntry(cursor: FileCursor, key: string): Promise<MetadataEntry> {
  const type = await readType(cursor, key, `type of ${key}`);
  if (type === "string") return { type, value: await cursor.takeText(key) };
  if (type === "array") return readArray(cursor, key);
  await cursor.need(METADATA_TYPE_BYTES[type], key);
  return { type, value: takeScalar(cursor, type, key) };
}

async function readType(cursor: FileCursor, key: string, field: string): Promise<MetadataType> {
  await cursor.need(4, field);
  const number = cursor.takeU32();
  const type = METADATA_TYPES[number];
  if (type === undefined) {
    throw cursor.error(key, `Expected a metadata type from 0 to 12 for ${field} but found ${number}`);
  }
  return type;
}

function takeScalar(cursor: FileCursor, type: MetadataType, key: string): boolean | number | bigint {
  const bytes = cursor.takeView(METADATA_TYPE_BYTES[type]);
  switch (type) {
    case "u8":
      return bytes.readUInt8();
    case "i8":
      return bytes.readInt8();
    case "u16":
      return bytes.readUInt16LE();
    case "i16":
      return bytes.readInt16LE();
    case "u32":
      return bytes.readUInt32LE();
    case "i32":
      return bytes.readInt32LE();
    case "f32":
      return bytes.readFloatLE();
    case "f64":
      return bytes.readDoubleLE();
    case "u64":
      return exactNumber(bytes.readBigUInt64LE());
    case "i64":
      return exactNumber(bytes.readBigInt64LE());
    default:
      if (bytes[0]! > 1)
        throw cursor.error(key, `Expected 0 or 1 for the boolean ${key} but found ${bytes[0]}`);
      return bytes[0] === 1;
  }
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

async function readArray(cursor: FileCursor, key: string): Promise<MetadataEntry> {
  const itemType = await readType(cursor, key, `element type of ${key}`);
  await cursor.need(8, `length of ${key}`);
  const length = cursor.takeSize(`length of ${key}`);
  if (itemType === "array") {
    const details = { path: cursor.path, field: key };
    throw new UnsupportedError(
      `Arrays of arrays are not read: metadata key ${key} (${cursor.path})`,
      details,
    );
  }
  if (length > MAX_ARRAY_LENGTH) {
    throw cursor.error(key, `Expected at most ${MAX_ARRAY_LENGTH} elements for ${key} but found ${length}`);
  }
  if (itemType === "string")
    return { type: "array", itemType, value: await readStrings(cursor, key, length) };
  const bytes = await cursor.takeBytes(length * METADATA_TYPE_BYTES[itemType], key);
  return { type: "array", itemType, value: numericArray(cursor, itemType, bytes, key) };
}

function numericArray(
  cursor: FileCursor,
  type: MetadataType,
  bytes: Buffer<ArrayBuffer>,
  key: string,
): NumericArray {
  const { buffer } = bytes;
  switch (type) {
    case "i8":
      return new Int8Array(buffer);
    case "u16":
      return new Uint16Array(buffer);
    case "i16":
      return new Int16Array(buffer);
    case "u32":
      return new Uint32Array(buffer);
    case "i32":
      return new Int32Array(buffer);
    case "f32":
      return new Float32Array(buffer);
    case "f64":
      return new Float64Array(buffer);
    case "u64":
      return new BigUint64Array(buffer);
    case "i64":
      return new BigInt64Array(buffer);
    case "bool": {
      const bad = bytes.findIndex((byte) => byte > 1);
      if (bad >= 0) throw cursor.error(key, `Expected 0 or 1 for ${key}[${bad}] but found ${bytes[bad]}`);
      return new Uint8Array(buffer);
    }
    default:
      return new Uint8Array(buffer);
  }
}

/** Strings end to end in one buffer that grows with what is read, never with what the file announces. */
async function readStrings(cursor: FileCursor, key: string, count: number): Promise<StringArray> {
  cursor.checkRemaining(count * 8, key);
  const ends = new Uint32Array(count);
  let bytes: Buffer = Buffer.allocUnsafe(Math.min(count * 16, 4 * 1024 * 1024));
  let used = 0;
  for (let i = 0; i < count; i++) {
    if (cursor.buffered < 8) await cursor.need(8, `length of ${key}[${i}]`);
    const length = cursor.takeSize(key);
    if (length > cursor.buffered) cursor.checkRemaining(length, `${key}[${i}]`);
    if (used + length > bytes.length) bytes = grow(bytes, used, used + length);
    if (length <= cursor.buffered) {
      cursor.takeView(length).copy(bytes, used);
    } else {
      (await cursor.takeBytes(length, `${key}[${i}]`)).copy(bytes, used);
    }
    ends[i] = used += length;
  }
  return new StringArray(bytes.subarray(0, used), ends);
}

function grow(bytes: Buffer, used: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(needed, bytes.length * 2));
  bytes.copy(larger, 0, 0, used);
  return larger;
}

function readAlignment(cursor: FileCursor, metadata: ReadonlyMap<string, MetadataEntry>): number {
  const entry = metadata.get("general.alignment");
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const value = entry.value;
  const valid = entry.type === "u32" && typeof value === "number" && value >= 8 && value <= MAX_ALIGNMENT;
  if (!valid || (value & (value - 1)) !== 0) {
    const expected = `a power of two from 8 to ${MAX_ALIGNMENT} of type u32`;
    const found = `${describeValue(value)} (${entry.type} in the file)`;
    throw cursor.error("general.alignment", `Expected ${expected} for general.alignment but found ${found}`);
  }
  return value;
}

function unreadable(path: string, cause: unknown): ModelFileError {
  const why = (cause as Error).message;
  return new ModelFileError(`Cannot read ${path}: ${why}`, { path, field: "path" }, "MODEL_FILE_INVALID", {
    cause,
  });
}
