/**
 * Tensor data from one type to another, a slice of rows at a time: reading, converting and writing overlap,
 * memory stays at a few slices, and no slice holds the event loop for longer than a few milliseconds.
 */
import { ModelFileError, UnsupportedError } from "../errors.js";
import { native, runTask, type TensorType } from "../native.js";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./float16.js";

/** Values per slice: half a megabyte as F32. */
export const SLICE_VALUES = 128 * 1024;
/** Slices that are being converted at the same time. */
const IN_FLIGHT = 2;

/** Rows of `width` values each that make up one slice. */
export function sliceRows(width: number): number {
  return Math.max(1, Math.floor(SLICE_VALUES / width));
}

/** Where converted bytes go, and what to say when a value cannot be converted. */
export interface Conversion {
  /** Name of the tensor, for errors. */
  name: string;
  /** File the values come from, for errors. */
  path: string;
  type: TensorType;
  /** Values per row. */
  width: number;
  signal?: AbortSignal;
  write: (bytes: Uint8Array) => Promise<void>;
}

/** Converts slices of whole rows to `type` and writes them in order. */
export async function writeConverted(
  slices: AsyncIterable<Float32Array>,
  conversion: Conversion,
): Promise<void> {
  const pending: Promise<Uint8Array>[] = [];
  try {
    for await (const slice of slices) {
      const encoded = encodeRows(slice, conversion);
      // Awaited in its turn; until then a failure must not count as unhandled, which ends the process.
      encoded.catch(() => {});
      pending.push(encoded);
      if (pending.length >= IN_FLIGHT) await conversion.write(await pending.shift()!);
    }
    while (pending.length > 0) await conversion.write(await pending.shift()!);
  } finally {
    // Whoever hears of an error may count on nothing being in work any more.
    await Promise.allSettled(pending);
  }
}

async function encodeRows(values: Float32Array, conversion: Conversion): Promise<Uint8Array> {
  const { type, width, signal } = conversion;
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  checkFinite(values, conversion);
  if (type !== "F16" && type !== "BF16") {
    return runTask(() => native().quantizeRows(type, values, width), signal);
  }
  const narrow = new Uint16Array(values.length);
  if (type === "F16") f32ToF16(values, narrow);
  else f32ToBf16(values, narrow);
  checkRange(narrow, conversion);
  return new Uint8Array(narrow.buffer);
}

/** Infinities and NaN would spoil whole blocks of their neighbours. */
function checkFinite(values: Float32Array, { name, path }: Conversion): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & 0x7f800000) !== 0x7f800000) continue;
    const message = `Expected finite values for tensor ${name} but found ${values[i]} (${path})`;
    throw new ModelFileError(message, { path, field: name, value: values[i] });
  }
}

/** Finite values that the narrow type has no room for came out infinite. */
function checkRange(narrow: Uint16Array, { name, path, type }: Conversion): void {
  const infinity = type === "F16" ? 0x7c00 : 0x7f80;
  for (let i = 0; i < narrow.length; i++) {
    if ((narrow[i]! & 0x7fff) !== infinity) continue;
    const message = `Tensor ${name} has values beyond the range of ${type}: choose another type (${path})`;
    throw new UnsupportedError(message, { path, field: name, type });
  }
}

/** Widens the bytes of rows to F32. Exact, but for `F64`, which rounds to nearest. */
export async function decodeRows(
  type: TensorType | "F64",
  bytes: Buffer<ArrayBuffer>,
  width: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (type) {
    case "F32":
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case "F64":
      return new Float32Array(new Float64Array(buffer, byteOffset, byteLength / 8));
    case "F16":
    case "BF16": {
      const narrow = new Uint16Array(buffer, byteOffset, byteLength / 2);
      const values = new Float32Array(narrow.length);
      if (type === "F16") f16ToF32(narrow, values);
      else bf16ToF32(narrow, values);
      return values;
    }
    default:
      return runTask(() => native().dequantizeRows(type, bytes, width), signal);
  }
}
