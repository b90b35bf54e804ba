/**
 * GGUF files byte by byte, for tests: a builder that knows where every field lies, and a parser. Written from
 * the format's specification, without anything of the package's own reader and writer.
 */

export type MetaValue =
  | {
      type: "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64" | "u64" | "i64";
      value: number | bigint;
    }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | { type: "strings"; value: string[] }
  | { type: "i32s" | "f32s" | "u8s"; value: number[] };

const TYPE_IDS = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};
export const TENSOR_TYPE_IDS: Record<string, number> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
};

export interface TensorSpec {
  name: string;
  shape: number[];
  /** Default: F32. */
  type?: number;
  /** Default: zeros of the size of F32. */
  data?: Uint8Array;
  /** Default: after the one before. */
  offset?: number | bigint;
}

/** Where a number of the header lies. */
export interface Field {
  name: string;
  offset: number;
  size: 4 | 8;
}

export interface BuiltGguf {
  bytes: Buffer;
  fields: Field[];
  /** Where the table ends and padding or data begin. */
  headerEnd: number;
}

export interface GgufSpec {
  version?: number;
  metadata: [key: string, value: MetaValue][];
  tensors: TensorSpec[];
  alignment?: number;
}

/** Builds a file. */
export function buildGguf({ version = 3, metadata, tensors, alignment = 32 }: GgufSpec): BuiltGguf {
  const out = new Builder();
  out.raw(Buffer.from("GGUF"));
  out.u32("version", version);
  out.u64("tensor count", tensors.length);
  out.u64("metadata count", metadata.length);
  for (const [key, value] of metadata) writeMeta(out, key, value);
  let next = 0;
  const placed = tensors.map(({ name, shape, type = 0, data, offset }) => {
    const bytes = data ?? new Uint8Array(4 * shape.reduce((a, b) => a * b, 1));
    out.string(`name of ${name}`, name);
    out.u32(`dimensions of ${name}`, shape.length);
    for (const [i, size] of shape.entries()) out.u64(`dimension ${i} of ${name}`, size);
    out.u32(`type of ${name}`, type);
    const at = offset ?? next;
    out.u64(`offset of ${name}`, at);
    next = Math.ceil((Number(at) + bytes.length) / alignment) * alignment;
    return { at: Number(at), bytes };
  });
  const headerEnd = out.length;
  const dataStart = Math.ceil(headerEnd / alignment) * alignment;
  const file = Buffer.alloc(
    Math.max(dataStart, ...placed.map(({ at, bytes }) => Math.min(dataStart + at + bytes.length, 2 ** 24))),
  );
  out.copy(file);
  for (const { at, bytes } of placed)
    if (dataStart + at + bytes.length <= file.length) file.set(bytes, dataStart + at);
  return { bytes: file, fields: out.fields, headerEnd };
}

function writeMeta(out: Builder, key: string, meta: MetaValue): void {
  out.string(`key ${key}`, key);
  if (meta.type === "strings" || meta.type === "i32s" || meta.type === "f32s" || meta.type === "u8s") {
    const item = meta.type === "strings" ? "string" : (meta.type.slice(0, -1) as "i32" | "f32" | "u8");
    out.u32(`type of ${key}`, TYPE_IDS.array);
    out.u32(`element type of ${key}`, TYPE_IDS[item]);
    out.u64(`length of ${key}`, meta.value.length);
    for (const [i, value] of meta.value.entries()) {
      if (item === "string") out.string(`${key}[${i}]`, value as string);
      else out.scalar(item, value as number);
    }
    return;
  }
  out.u32(`type of ${key}`, TYPE_IDS[meta.type]);
  if (meta.type === "string") out.string(key, meta.value);
  else if (meta.type === "u32") out.u32(key, meta.value as number);
  else out.scalar(meta.type, meta.value as number | bigint | boolean);
}

class Builder {
  readonly fields: Field[] = [];
  readonly #chunks: Buffer[] = [];
  length = 0;

  raw(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.length += bytes.length;
  }

  u32(name: string, value: number): void {
    this.fields.push({ name, offset: this.length, size: 4 });
    this.scalar("u32", value);
  }

  u64(name: string, value: number | bigint): void {
    this.fields.push({ name, offset: this.length, size: 8 });
    this.scalar("u64", value);
  }

  string(name: string, value: string): void {
    const bytes = Buffer.from(value);
    this.u64(`length of ${name}`, bytes.length);
    this.raw(bytes);
  }

  scalar(type: string, value: number | bigint | boolean): void {
    const bytes = Buffer.alloc({ u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u64: 8, i64: 8, f64: 8 }[type] ?? 4);
    if (type === "f32") bytes.writeFloatLE(Number(value));
    else if (type === "f64") bytes.writeDoubleLE(Number(value));
    else if (bytes.length === 8) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
    else if (type.startsWith("i")) bytes.writeIntLE(Number(value), 0, bytes.length);
    else bytes.writeUIntLE(Number(value), 0, bytes.length);
    this.raw(bytes);
  }

  copy(target: Buffer): void {
    Buffer.concat(this.#chunks).copy(target);
  }
}

// ---- parsing

export interface ParsedGguf {
  version: number;
  metadata: Map<string, { type: number; itemType?: number; value: unknown }>;
  tensors: Map<string, { shape: number[]; type: number; data: Buffer }>;
}

/** Values per block and bytes per block, by type number. */
const BLOCKS: Record<number, [number, number]> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  30: [1, 2],
};

/** Parses a sound file; throws on anything else. */
export function parseGguf(file: Buffer): ParsedGguf {
  let at = 0;
  const u32 = () => file.readUInt32LE((at += 4) - 4);
  const u64 = () => Number(file.readBigUInt64LE((at += 8) - 8));
  const string = () => {
    const length = u64();
    return file.toString("utf8", at, (at += length));
  };
  const scalar = (type: number): unknown => {
    switch (type) {
      case 0:
        return file.readUInt8((at += 1) - 1);
      case 1:
        return file.readInt8((at += 1) - 1);
      case 2:
        return file.readUInt16LE((at += 2) - 2);
      case 3:
        return file.readInt16LE((at += 2) - 2);
      case 4:
        return u32();
      case 5:
        return file.readInt32LE((at += 4) - 4);
      case 6:
        return file.readFloatLE((at += 4) - 4);
      case 7:
        return file.readUInt8((at += 1) - 1) === 1;
      case 8:
        return string();
      case 10:
        return file.readBigUInt64LE((at += 8) - 8);
      case 11:
        return file.readBigInt64LE((at += 8) - 8);
      case 12:
        return file.readDoubleLE((at += 8) - 8);
      default:
        throw new Error(`metadata type ${type}`);
    }
  };
  if (file.toString("latin1", 0, 4) !== "GGUF") throw new Error("magic");
  at = 4;
  const version = u32();
  const [tensorCount, keyCount] = [u64(), u64()];
  const metadata: ParsedGguf["metadata"] = new Map();
  for (let i = 0; i < keyCount; i++) {
    const key = string();
    const type = u32();
    if (type !== 9) {
      metadata.set(key, { type, value: scalar(type) });
      continue;
    }
    const itemType = u32();
    const length = u64();
    metadata.set(key, { type, itemType, value: Array.from({ length }, () => scalar(itemType)) });
  }
  const table = Array.from({ length: tensorCount }, () => {
    const name = string();
    const shape = Array.from({ length: u32() }, () => u64());
    return { name, shape, type: u32(), offset: u64() };
  });
  const alignment = Number(metadata.get("general.alignment")?.value ?? 32);
  const start = Math.ceil(at / alignment) * alignment;
  const tensors: ParsedGguf["tensors"] = new Map();
  for (const { name, shape, type, offset } of table) {
    const [size, bytes] = BLOCKS[type]!;
    const length = (shape.reduce((a, b) => a * b, 1) / size) * bytes;
    if (offset % alignment !== 0 || start + offset + length > file.length)
      throw new Error(`place of ${name}`);
    tensors.set(name, { shape, type, data: file.subarray(start + offset, start + offset + length) });
  }
  return { version, metadata, tensors };
}

/** The numbers of an F32 tensor. */
export function floats(data: Buffer): Float32Array {
  return new Float32Array(new Uint8Array(data).buffer);
}
