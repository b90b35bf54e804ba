/** Writes safetensors files for tests. Format: huggingface/safetensors, README. */
import { open } from "node:fs/promises";
import { f32ToBf16, f32ToF16 } from "../../lib/convert/float16.js";

export type FloatType = "F32" | "F16" | "BF16";

/** A tensor of a checkpoint: shape as PyTorch has it, outermost dimension first. */
export interface CheckpointTensor {
  name: string;
  shape: readonly number[];
  /** Writes the values into `data`; called once. */
  write: (data: Float32Array) => void;
}

/** The bytes of `values` in a 16- or 32-bit float type, narrowed to nearest. */
export function encodeFloats(values: Float32Array, type: FloatType): Uint8Array {
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const narrow = new Uint16Array(values.length);
  (type === "F16" ? f32ToF16 : f32ToBf16)(values, narrow);
  return new Uint8Array(narrow.buffer);
}

/** Writes the tensors one after another; only one is in memory at a time. */
export async function writeSafetensors(
  path: string,
  tensors: readonly CheckpointTensor[],
  type: FloatType,
  onTensor?: (tensor: CheckpointTensor, data: Float32Array) => void,
): Promise<void> {
  const size = type === "F32" ? 4 : 2;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, shape } of tensors) {
    const bytes = count(shape) * size;
    header[name] = { dtype: type, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = await open(path, "w");
  try {
    await file.writeFile(length);
    await file.writeFile(padded);
    for (const tensor of tensors) {
      const data = new Float32Array(count(tensor.shape));
      tensor.write(data);
      await file.writeFile(encodeFloats(data, type));
      onTensor?.(tensor, data);
    }
  } finally {
    await file.close();
  }
}

export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
