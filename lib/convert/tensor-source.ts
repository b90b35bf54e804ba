/** Brings one tensor of a checkpoint into a GGUF file, transposed where the checkpoint has it the other way. */
import type { TensorType } from "../native.js";
import { breathe } from "../tokenizer/time-slices.js";
import { decodeRows, sliceRows, SLICE_VALUES, writeConverted, type Conversion } from "./tensor-data.js";
import type { MappedTensor } from "./tensor-mapper.js";

const COPY_BYTES = 1024 * 1024;

/** Writes the data of `tensor` in `type`. */
export async function writeTensorData(
  tensor: MappedTensor,
  type: TensorType,
  options: { signal?: AbortSignal; write: (bytes: Uint8Array) => Promise<void> },
): Promise<void> {
  const { source, checkpoint, shape, transpose } = tensor;
  if (source.dtype === type && !transpose) {
    const valueBytes = source.bytes / source.elements;
    for (const [begin, end] of tensor.ranges) {
      for (let at = begin * valueBytes; at < end * valueBytes; at += COPY_BYTES) {
        const bytes = Math.min(COPY_BYTES, end * valueBytes - at);
        await options.write(await checkpoint.read(source.name, at, bytes));
      }
    }
    return;
  }
  const slices = transpose ? transposedSlices(tensor) : sourceSlices(tensor, shape[0]!);
  const conversion: Conversion = {
    ...options,
    name: source.name,
    path: checkpoint.path,
    type,
    width: shape[0]!,
  };
  await writeConverted(slices, conversion);
}

/** The rows of the checkpoint's tensor that the file has, `width` values each, as F32. */
async function* sourceSlices(
  { source, checkpoint, ranges }: MappedTensor,
  width: number,
): AsyncGenerator<Float32Array> {
  const valueBytes = source.bytes / source.elements;
  const step = sliceRows(width) * width;
  for (const [begin, end] of ranges) {
    for (let at = begin; at < end; at += step) {
      const values = Math.min(step, end - at);
      const bytes = await checkpoint.read(source.name, at * valueBytes, values * valueBytes);
      yield await decodeRows(source.dtype as TensorType | "F64", bytes, width);
    }
  }
}

/** The columns of the checkpoint's tensor as rows. It has to be in memory whole, as F32. */
async function* transposedSlices(tensor: MappedTensor): AsyncGenerator<Float32Array> {
  const [width, rows] = tensor.shape as [number, number];
  const whole = new Float32Array(width * rows);
  let filled = 0;
  for await (const slice of sourceSlices(tensor, rows)) {
    whole.set(slice, filled);
    filled += slice.length;
  }
  const step = sliceRows(width);
  for (let begin = 0; begin < rows; begin += step) {
    yield await transposeColumns(whole, width, rows, begin, Math.min(begin + step, rows));
  }
}

/** Columns [begin, end) of `whole` [width, columns], each as a row of `width` values. */
async function transposeColumns(
  whole: Float32Array,
  width: number,
  columns: number,
  begin: number,
  end: number,
): Promise<Float32Array> {
  const out = new Float32Array((end - begin) * width);
  const perBreath = Math.max(1, Math.floor(SLICE_VALUES / 4 / (end - begin)));
  for (let i = 0; i < width; i++) {
    for (let column = begin; column < end; column++) {
      out[(column - begin) * width + i] = whole[i * columns + column]!;
    }
    if (i % perBreath === 0) await breathe();
  }
  return out;
}
