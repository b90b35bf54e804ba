/**
 * Reads the header of a safetensors file; like a GGUF file's, nothing in it is trusted.
 * Format: huggingface/safetensors, README ("Format").
 */
import type { FileHandle } from "node:fs/promises";
import { ModelFileError, UnsupportedError } from "../errors.js";

/** Bytes of one value, by the format's names of types. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
  C64: 8,
};

/** Headers of real checkpoints are some 100 bytes per tensor; this also bounds the time to parse one. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAX_DIMENSIONS = 16;

/** One tensor of a checkpoint. */
export interface SourceTensor {
  name: string;
  /** For example `"F32"`, `"BF16"`. */
  dtype: string;
  /** As PyTorch has it: outermost dimension first. */
  shape: readonly number[];
  elements: number;
  /** Bytes from the beginning of the file. */
  offset: number;
  /** Size in bytes. */
  bytes: number;
}

/** Reads and checks the table of tensors of an open file, in the order of their data. */
export async function readSafetensorsHeader(handle: FileHandle, path: string): Promise<SourceTensor[]> {
  // The length of the header, checked against the file before anything is allocated.
  const { size } = await handle.stat();
  const lengthBytes = await readExactly(handle, path, 0, 8, size);
  const length = Number(lengthBytes.readBigUInt64LE());
  if (length < 2 || length > size - 8) {
    throw invalid(
      path,
      "header length",
      `Expected a header of 2 to ${size - 8} bytes but found a length of ${length}`,
    );
  }
  if (length > MAX_HEADER_BYTES) {
    throw invalid(
      path,
      "header length",
      `Expected a header of at most ${MAX_HEADER_BYTES} bytes but found ${length}`,
    );
  }

  // Its JSON.
  const header = parseHeader(path, await readExactly(handle, path, 8, length, size));
  const dataStart = 8 + length;
  const tensors: SourceTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.push(checkEntry(path, name, entry, dataStart));
  }

  // The data: every byte belongs to exactly one tensor, as the format demands.
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const tensor of tensors) {
    if (tensor.offset !== end) {
      const what = tensor.offset < end ? "overlaps the tensor before it" : "leaves a hole before it";
      throw invalid(
        path,
        tensor.name,
        `Expected tensor data without holes or overlaps but ${tensor.name} ${what}`,
      );
    }
    end += tensor.bytes;
  }
  if (end !== size) {
    const last = tensors.at(-1)?.name ?? "data";
    throw invalid(
      path,
      last,
      `Expected a file of ${end} bytes, where the data of ${last} ends, but it has ${size}`,
    );
  }
  return tensors;
}

function parseHeader(path: string, bytes: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const message = `Expected a header in JSON but it cannot be parsed: ${(cause as Error).message} (${path})`;
    throw new ModelFileError(message, { path, field: "header" }, "MODEL_FILE_INVALID", { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw invalid(path, "header", "Expected a header that is a JSON object");
  }
  return parsed as Record<string, unknown>;
}

function checkEntry(path: string, name: string, entry: unknown, dataStart: number): SourceTensor {
  const { dtype, shape, data_offsets: range } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string") throw invalid(path, name, `Expected a dtype for tensor ${name}`);
  if (!Object.hasOwn(DTYPE_BYTES, dtype)) {
    const details = { path, field: name, dtype };
    throw new UnsupportedError(
      `Type ${JSON.stringify(dtype)} of tensor ${name} is unknown (${path})`,
      details,
    );
  }
  const elements = countElements(path, name, shape);
  if (!isRange(range)) {
    throw invalid(
      path,
      name,
      `Expected data_offsets [begin, end] for tensor ${name} but found ${JSON.stringify(range)}`,
    );
  }
  const bytes = elements * DTYPE_BYTES[dtype]!;
  if (range[1] - range[0] !== bytes) {
    const found = `data_offsets ${JSON.stringify(range)}`;
    throw invalid(
      path,
      name,
      `Expected ${bytes} bytes for tensor ${name} of type ${dtype} but found ${found}`,
    );
  }
  return { name, dtype, shape: shape as number[], elements, offset: dataStart + range[0], bytes };
}

function countElements(path: string, name: string, shape: unknown): number {
  const valid =
    Array.isArray(shape) &&
    shape.length <= MAX_DIMENSIONS &&
    shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
  if (!valid) throw invalid(path, name, `Expected a shape of whole numbers for tensor ${name}`);
  let elements = 1;
  for (const size of shape as number[]) {
    // Far above any file, and low enough that bytes computed from it stay exact.
    if (size > 0 && elements > 2 ** 45 / size) {
      throw invalid(
        path,
        name,
        `Expected a shape that fits the file for tensor ${name} but found [${shape.join(", ")}]`,
      );
    }
    elements *= size;
  }
  return elements;
}

function isRange(value: unknown): value is [number, number] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((end) => Number.isSafeInteger(end) && (end as number) >= 0) &&
    (value as number[])[0]! <= (value as number[])[1]!
  );
}

/** Reads bytes that must be there. */
export async function readExactly(
  handle: FileHandle,
  path: string,
  offset: number,
  bytes: number,
  fileSize = Number.MAX_SAFE_INTEGER,
): Promise<Buffer<ArrayBuffer>> {
  if (offset + bytes > fileSize) {
    throw invalid(path, "header", `Expected ${bytes} bytes at offset ${offset} but the file has ${fileSize}`);
  }
  // A fresh ArrayBuffer, so that typed arrays over it are aligned.
  const out = Buffer.from(new ArrayBuffer(bytes));
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await handle.read(out, filled, bytes - filled, offset + filled);
    if (bytesRead === 0)
      throw invalid(path, "data", `Expected ${bytes} bytes at offset ${offset} but the file ends`);
    filled += bytesRead;
  }
  return out;
}

function invalid(path: string, field: string, message: string): ModelFileError {
  return new ModelFileError(`${message} (${path})`, { path, field });
}
