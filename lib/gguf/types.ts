/**
 * The numbers of the GGUF format: tensor types and metadata value types.
 * Source: the GGUF specification (ggml, docs/gguf.md) and GGML's type table.
 */
import type { TensorType } from "../native.js";

/** How GGML stores one tensor type: `blockSize` values take `blockBytes` bytes. */
export interface GgmlTypeInfo {
  /** GGML's name, upper case. */
  name: string;
  /** The number in the file. */
  id: number;
  /** Values per block; the innermost dimension of a tensor is a multiple of it. */
  blockSize: number;
  /** Bytes per block. */
  blockBytes: number;
}

/** name, number in the file, values per block, bytes per block */
const TYPE_TABLE: readonly (readonly [string, number, number, number])[] = [
  ["F32", 0, 1, 4],
  ["F16", 1, 1, 2],
  ["Q4_0", 2, 32, 18],
  ["Q4_1", 3, 32, 20],
  ["Q5_0", 6, 32, 22],
  ["Q5_1", 7, 32, 24],
  ["Q8_0", 8, 32, 34],
  ["Q8_1", 9, 32, 36],
  ["Q2_K", 10, 256, 84],
  ["Q3_K", 11, 256, 110],
  ["Q4_K", 12, 256, 144],
  ["Q5_K", 13, 256, 176],
  ["Q6_K", 14, 256, 210],
  ["Q8_K", 15, 256, 292],
  ["IQ2_XXS", 16, 256, 66],
  ["IQ2_XS", 17, 256, 74],
  ["IQ3_XXS", 18, 256, 98],
  ["IQ1_S", 19, 256, 50],
  ["IQ4_NL", 20, 32, 18],
  ["IQ3_S", 21, 256, 110],
  ["IQ2_S", 22, 256, 82],
  ["IQ4_XS", 23, 256, 136],
  ["I8", 24, 1, 1],
  ["I16", 25, 1, 2],
  ["I32", 26, 1, 4],
  ["I64", 27, 1, 8],
  ["F64", 28, 1, 8],
  ["IQ1_M", 29, 256, 56],
  ["BF16", 30, 1, 2],
  ["TQ1_0", 34, 256, 54],
  ["TQ2_0", 35, 256, 66],
  ["MXFP4", 39, 32, 17],
  ["NVFP4", 40, 64, 36],
  ["Q1_0", 41, 128, 18],
  ["Q2_0", 42, 64, 18],
];

const TYPES_BY_ID = new Map<number, GgmlTypeInfo>();
const TYPES_BY_NAME = new Map<string, GgmlTypeInfo>();
for (const [name, id, blockSize, blockBytes] of TYPE_TABLE) {
  const info = { name, id, blockSize, blockBytes };
  TYPES_BY_ID.set(id, info);
  TYPES_BY_NAME.set(name, info);
}

/** The tensor types the engine computes with, from the widest to the narrowest. */
export const TENSOR_TYPES: readonly TensorType[] = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q6_K",
  "Q5_K",
  "Q5_1",
  "Q5_0",
  "Q4_K",
  "Q4_1",
  "Q4_0",
];

/** The type with this number in a file, or undefined when GGML has none. */
export function ggmlTypeById(id: number): GgmlTypeInfo | undefined {
  return TYPES_BY_ID.get(id);
}

/** The layout of a type the engine computes with. */
export function ggmlType(name: TensorType): GgmlTypeInfo {
  return TYPES_BY_NAME.get(name)!;
}

/** Whether the engine computes with the type of this name. */
export function isTensorType(name: unknown): name is TensorType {
  return TENSOR_TYPES.includes(name as TensorType);
}

/** Bytes of one row of `width` values; `width` is a multiple of the type's block size. */
export function rowBytes(type: GgmlTypeInfo, width: number): number {
  return (width / type.blockSize) * type.blockBytes;
}

/** The value types of GGUF metadata, in the order of their numbers in the file. */
export const METADATA_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

export type MetadataType = (typeof METADATA_TYPES)[number];

/** Bytes of one value; 0 for those whose size is not fixed. */
export const METADATA_TYPE_BYTES: Readonly<Record<MetadataType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 0,
  array: 0,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** What llama.cpp calls `general.file_type`: the type most tensors have. */
export const FILE_TYPE: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q4_K: 14,
  Q5_K: 16,
  Q6_K: 18,
  BF16: 32,
};

/** Version of GGML's quantization formats, written as `general.quantization_version`. */
export const QUANTIZATION_VERSION = 2;

export const DEFAULT_ALIGNMENT = 32;
