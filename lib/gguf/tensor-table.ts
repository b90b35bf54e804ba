/** The table of tensors of a GGUF file, and its check against the size of the file. */
import { UnsupportedError } from "../errors.js";
import type { FileCursor } from "./file-cursor.js";
import { ggmlTypeById, rowBytes, type GgmlTypeInfo } from "./types.js";

/** One row of the tensor table, checked: its bytes lie inside the file and overlap no other tensor's. */
export interface GgufTensor {
  name: string;
  type: GgmlTypeInfo;
  /** One to four dimensions, innermost (contiguous) first. */
  shape: number[];
  /** Number of values. */
  elements: number;
  /** Bytes from the beginning of the file. */
  offset: number;
  /** Size of the data in bytes, without padding. */
  bytes: number;
}

const MAX_NAME_BYTES = 64;

/** Reads the table; offsets are still relative to the data section. */
export async function readTensorTable(cursor: FileCursor, count: number): Promise<GgufTensor[]> {
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const name = await cursor.takeName(`name of tensor ${i}`, MAX_NAME_BYTES);
    if (names.has(name)) throw cursor.error(name, `Expected each tensor once but ${name} comes twice`);
    names.add(name);
    tensors.push(await readTensor(cursor, name));
  }
  return tensors;
}

async function readTensor(cursor: FileCursor, name: string): Promise<GgufTensor> {
  await cursor.need(4, `dimensions of ${name}`);
  const rank = cursor.takeU32();
  if (rank < 1 || rank > 4) {
    throw cursor.error(name, `Expected 1 to 4 dimensions for tensor ${name} but found ${rank}`);
  }
  await cursor.need(rank * 8 + 4 + 8, name);
  const shape = Array.from({ length: rank }, (_, i) => cursor.takeSize(`dimension ${i} of ${name}`));
  const typeId = cursor.takeU32();
  const type = ggmlTypeById(typeId);
  if (type === undefined) {
    const details = { path: cursor.path, field: name, type: typeId };
    throw new UnsupportedError(`GGML tensor type ${typeId} of ${name} is unknown (${cursor.path})`, details);
  }
  const offset = cursor.takeSize(`offset of ${name}`);
  const elements = countElements(cursor, name, shape);
  if (shape[0]! % type.blockSize !== 0) {
    const expected = `a first dimension that is a multiple of ${type.blockSize}`;
    throw cursor.error(
      name,
      `Expected ${expected} for tensor ${name} of type ${type.name} but found ${shape[0]}`,
    );
  }
  return { name, type, shape, elements, offset, bytes: rowBytes(type, elements) };
}

function countElements(cursor: FileCursor, name: string, shape: readonly number[]): number {
  let elements = 1;
  for (const size of shape) {
    if (size === 0)
      throw cursor.error(name, `Expected dimensions above 0 for tensor ${name} but found [${shape}]`);
    // Far above any file, and low enough that bytes computed from it stay exact.
    if (elements > 2 ** 45 / size) {
      throw cursor.error(name, `Expected a shape that fits the file for tensor ${name} but found [${shape}]`);
    }
    elements *= size;
  }
  return elements;
}

/** Makes offsets absolute and checks that each tensor lies inside the data section, apart from the others. */
export function placeTensors(cursor: FileCursor, tensors: readonly GgufTensor[], alignment: number): void {
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  for (const tensor of tensors) {
    const { name, offset, bytes } = tensor;
    if (offset % alignment !== 0) {
      throw cursor.error(
        name,
        `Expected a multiple of ${alignment} for the offset of tensor ${name} but found ${offset}`,
      );
    }
    if (offset > cursor.fileSize || dataStart + offset + bytes > cursor.fileSize) {
      const needed = `${bytes} bytes at offset ${dataStart + offset}`;
      throw cursor.error(
        name,
        `Expected ${needed} for tensor ${name} but the file has ${cursor.fileSize} bytes`,
      );
    }
    tensor.offset = dataStart + offset;
  }
  const byOffset = [...tensors].sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < byOffset.length; i++) {
    const [before, after] = [byOffset[i - 1]!, byOffset[i]!];
    if (before.offset + before.bytes > after.offset) {
      throw cursor.error(
        after.name,
        `Expected tensors apart from each other but ${before.name} and ${after.name} overlap`,
      );
    }
  }
}
