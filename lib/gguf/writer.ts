/** Writes GGUF files, version 3, tensor after tensor. Source: the GGUF specification (ggml, docs/gguf.md). */
import { setImmediate as nextTurn } from "node:timers/promises";
import { AbortError, InternalError } from "../errors.js";
import { StringArray, type NumericArray } from "./metadata.js";
import { TemporaryFile } from "./temporary-file.js";
import { DEFAULT_ALIGNMENT, METADATA_TYPES, rowBytes } from "./types.js";
import type { GgmlTypeInfo, MetadataType } from "./types.js";

/** A metadata entry to write. */
export type MetadataItem =
  | { key: string; type: "string"; value: string | Uint8Array }
  | { key: string; type: "bool"; value: boolean }
  | { key: string; type: "u64" | "i64"; value: number | bigint }
  | { key: string; type: Exclude<MetadataType, "string" | "bool" | "array" | "u64" | "i64">; value: number }
  | { key: string; type: "array"; itemType: "string"; value: StringArray | readonly string[] }
  | { key: string; type: "array"; itemType: Exclude<MetadataType, "string" | "array">; value: NumericArray }
  /** An entry as another GGUF file has it, key and type included. */
  | { key: string; encoded: Uint8Array };

/** A tensor to write: its data follows through {@link WriteTensor}. */
export interface TensorLayout {
  name: string;
  type: GgmlTypeInfo;
  /** Innermost dimension first. */
  shape: readonly number[];
}

export interface GgufLayout<T extends TensorLayout = TensorLayout> {
  metadata: readonly MetadataItem[];
  tensors: readonly T[];
  /** Default: 32; another value is written as `general.alignment`, so do not list that key. */
  alignment?: number;
}

/** Produces the data of one tensor by any number of `write` calls, in order. */
export type WriteTensor<T extends TensorLayout> = (
  tensor: T,
  write: (bytes: Uint8Array) => Promise<void>,
) => Promise<void>;

/** Bytes of header that are encoded between two turns of the event loop. */
const ENCODE_BYTES = 64 * 1024;

/** Size of a tensor's data in bytes. */
export function tensorBytes({ type, shape }: TensorLayout): number {
  return rowBytes(
    type,
    shape.reduce((product, size) => product * size, 1),
  );
}

/**
 * Writes a file. It appears at `path` only when it is complete and on the disk; on any error or abort nothing
 * is left behind. Returns its size in bytes.
 */
export async function writeGguf<T extends TensorLayout>(
  path: string,
  layout: GgufLayout<T>,
  writeTensor: WriteTensor<T>,
  signal?: AbortSignal,
): Promise<number> {
  throwIfAborted(signal);
  const file = await TemporaryFile.create(path);
  try {
    const alignment = layout.alignment ?? DEFAULT_ALIGNMENT;
    for await (const bytes of encodeHeader(layout, alignment)) {
      throwIfAborted(signal);
      await file.write(bytes);
    }
    for (const tensor of layout.tensors) {
      await pad(file, alignment);
      await writeData(file, tensor, writeTensor, signal);
    }
    await pad(file, alignment);
    throwIfAborted(signal);
    await file.commit();
    return file.position;
  } catch (error) {
    await file.discard();
    throw error;
  }
}

async function writeData<T extends TensorLayout>(
  file: TemporaryFile,
  tensor: T,
  writeTensor: WriteTensor<T>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const start = file.position;
  await writeTensor(tensor, async (bytes) => {
    throwIfAborted(signal);
    await file.write(bytes);
  });
  const [written, expected] = [file.position - start, tensorBytes(tensor)];
  if (written !== expected) {
    throw new InternalError(
      `Expected ${expected} bytes for tensor ${tensor.name} but ${written} were written`,
    );
  }
}

async function pad(file: TemporaryFile, alignment: number): Promise<void> {
  const rest = file.position % alignment;
  if (rest > 0) await file.write(new Uint8Array(alignment - rest));
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

// ---- header

async function* encodeHeader(layout: GgufLayout, alignment: number): AsyncGenerator<Uint8Array> {
  const items: MetadataItem[] = [...layout.metadata];
  if (alignment !== DEFAULT_ALIGNMENT)
    items.push({ key: "general.alignment", type: "u32", value: alignment });
  const out = new Encoder();
  out.bytes(Buffer.from("GGUF"));
  out.u32(3);
  out.u64(layout.tensors.length);
  out.u64(items.length);
  for (const item of items) yield* encodeItem(out, item);
  let offset = 0;
  for (const tensor of layout.tensors) {
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const size of tensor.shape) out.u64(size);
    out.u32(tensor.type.id);
    out.u64(offset);
    offset += Math.ceil(tensorBytes(tensor) / alignment) * alignment;
  }
  yield out.take();
}

async function* encodeItem(out: Encoder, item: MetadataItem): AsyncGenerator<Uint8Array> {
  if ("encoded" in item) {
    yield out.take();
    yield item.encoded;
    return;
  }
  out.string(item.key);
  out.u32(METADATA_TYPES.indexOf(item.type));
  if (item.type !== "array") {
    encodeScalar(out, item);
  } else if (item.itemType === "string") {
    yield* encodeStrings(out, item.value);
  } else {
    const { value, itemType } = item;
    out.u32(METADATA_TYPES.indexOf(itemType));
    out.u64(value.length);
    yield out.take();
    yield new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
}

function encodeScalar(
  out: Encoder,
  item: Exclude<MetadataItem, { encoded: Uint8Array } | { type: "array" }>,
): void {
  switch (item.type) {
    case "string":
      return out.string(item.value);
    case "bool":
      return out.u8(item.value ? 1 : 0);
    case "u64":
    case "i64":
      return out.u64(item.value);
    case "u8":
    case "i8":
      return out.u8(item.value & 0xff);
    case "u16":
    case "i16":
      return out.bytes(new Uint8Array(new Uint16Array([item.value]).buffer));
    case "u32":
    case "i32":
      return out.u32(item.value >>> 0);
    case "f32":
      return out.bytes(new Uint8Array(new Float32Array([item.value]).buffer));
    case "f64":
      return out.bytes(new Uint8Array(new Float64Array([item.value]).buffer));
  }
}

async function* encodeStrings(
  out: Encoder,
  strings: StringArray | readonly string[],
): AsyncGenerator<Uint8Array> {
  out.u32(METADATA_TYPES.indexOf("string"));
  out.u64(strings.length);
  for (let i = 0; i < strings.length; i++) {
    out.string(strings instanceof StringArray ? strings.bytesAt(i)! : strings[i]!);
    if (out.length < ENCODE_BYTES) continue;
    yield out.take();
    await nextTurn();
  }
}

/** Little-endian bytes in a buffer that grows. */
class Encoder {
  #buffer = Buffer.allocUnsafe(2 * ENCODE_BYTES);
  length = 0;

  u8(value: number): void {
    this.#reserve(1);
    this.length = this.#buffer.writeUInt8(value, this.length);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.length = this.#buffer.writeUInt32LE(value, this.length);
  }

  /** Also signed values, in two's complement. */
  u64(value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && value < 2 ** 32) {
      this.u32(value);
      return this.u32(0);
    }
    this.#reserve(8);
    this.length = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), this.length);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.length);
    this.length += value.length;
  }

  /** A text or its UTF-8 bytes, with the length before. */
  string(value: string | Uint8Array): void {
    const length = typeof value === "string" ? Buffer.byteLength(value) : value.length;
    this.u64(length);
    if (typeof value !== "string") return this.bytes(value);
    this.#reserve(length);
    this.length += this.#buffer.write(value, this.length, length, "utf8");
  }

  /** What was encoded since the last call. */
  take(): Uint8Array {
    const taken = Buffer.from(this.#buffer.subarray(0, this.length));
    this.length = 0;
    return taken;
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.length + bytes, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}
