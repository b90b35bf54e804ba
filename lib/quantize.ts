/** From one GGUF file to another whose weights have another type. */
import type { FileHandle } from "node:fs/promises";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { ConvertProgress, ConvertResult } from "./convert/index.js";
import { progressReporter } from "./convert/progress.js";
import { readExactly } from "./convert/safetensors.js";
import { targetType } from "./convert/target-type.js";
import { decodeRows, sliceRows, writeConverted } from "./convert/tensor-data.js";
import { AbortError, InvalidArgumentError } from "./errors.js";
import { openForReading, readGguf, type GgufFile, type GgufTensor } from "./gguf/reader.js";
import { FILE_TYPE, QUANTIZATION_VERSION, TENSOR_TYPES, ggmlType, rowBytes } from "./gguf/types.js";
import { tensorBytes, writeGguf, type MetadataItem, type TensorLayout } from "./gguf/writer.js";
import { modelFromGguf, resolveModel } from "./model-file.js";
import type { TensorType } from "./native.js";
import { callback, checkOptions, nonEmptyString, oneOf, signal, type Check } from "./options.js";

/** Options of {@link quantize}. */
export interface QuantizeOptions {
  /** Type of the weights; which tensors keep F32 and what falls back is as in `convert`. */
  type: TensorType;
  /** Aborts the work; nothing is left behind, and it rejects with an `AbortError`. */
  signal?: AbortSignal;
  /** Called as tensor data is written. */
  onProgress?: (progress: ConvertProgress) => void;
}

/** What {@link quantize} returns. */
export interface QuantizeResult extends ConvertResult {
  /**
   * Tensors that went from one quantized type to another and so carry both errors; a file made from F32 or F16
   * is closer to the original.
   */
  readonly requantized: readonly string[];
}

const QUANTIZE_OPTIONS = {
  type: oneOf<TensorType>(...TENSOR_TYPES),
  signal,
  onProgress: callback() as Check<(progress: ConvertProgress) => void>,
};

const FLOAT_TYPES: readonly TensorType[] = ["F32", "F16", "BF16"];
const COPY_BYTES = 1024 * 1024;

/** A tensor to write and where it comes from. */
type PlannedTensor = TensorLayout & { source: GgufTensor; typeName: TensorType };

/**
 * Writes a model file again with weights of another type: narrower, or wider (`"F32"` makes the exact values
 * of a quantized file visible). Metadata is kept byte for byte, but for the keys that name the type.
 *
 * @param input - A path, or the name of an embedded model.
 * @param out - The file to write, another one than `input`; it appears when it is complete.
 * @throws InvalidArgumentError when both are the same file, or an option is wrong.
 * @throws ModelFileError when `input` is not a sound GGUF file.
 * @throws UnsupportedError when it is no model that this package computes.
 * @throws AbortError when `signal` fires.
 */
export async function quantize(
  input: string,
  out: string,
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  // Arguments
  const pathOrName = nonEmptyString(input, "input");
  const path = resolve(nonEmptyString(out, "out"));
  const checked = checkOptions(options, "quantize", QUANTIZE_OPTIONS);
  const type = QUANTIZE_OPTIONS.type(checked.type, "type");
  if (checked.signal?.aborted) throw new AbortError(undefined, { cause: checked.signal.reason });
  const from = await resolveModel(pathOrName);
  await refuseSameFile(from, path);

  // The model: sound, and one whose tensors the rules of types are made for
  const file = await readGguf(from, { signal: checked.signal });
  const { architecture } = modelFromGguf(file);

  const tensors = file.tensors.map((source) => plan(source, type));
  const handle = await openForReading(from);
  try {
    const metadata = await copyMetadata(handle, file, type);
    const bytes = await writeTensors(path, { handle, file, metadata, tensors, ...checked });
    return { path, bytes, architecture, type, ...describe(tensors) };
  } finally {
    await handle.close();
  }
}

/** Also through links: writing would replace what is being read. */
async function refuseSameFile(input: string, out: string): Promise<void> {
  const [from, to] = await Promise.all([stat(input), stat(out).catch(() => undefined)]);
  if (input !== out && !(to !== undefined && from.dev === to.dev && from.ino === to.ino)) return;
  throw new InvalidArgumentError(
    `Expected another file than the input for out but received ${out} of type string`,
    {
      name: "out",
      value: out,
    },
  );
}

function plan(source: GgufTensor, type: TensorType): PlannedTensor {
  const { name, shape } = source;
  const typeName = targetType(type, name, shape);
  return { name, shape, source, typeName, type: ggmlType(typeName) };
}

/** Every entry as it is, except those that say which type the weights have. */
async function copyMetadata(handle: FileHandle, file: GgufFile, type: TensorType): Promise<MetadataItem[]> {
  const replaced = new Map<string, MetadataItem>([
    ["general.file_type", { key: "general.file_type", type: "u32", value: FILE_TYPE[type] }],
    [
      "general.quantization_version",
      { key: "general.quantization_version", type: "u32", value: QUANTIZATION_VERSION },
    ],
  ]);
  const items: MetadataItem[] = [];
  for (const [key, { start, end }] of file.metadataRanges) {
    const replacement = replaced.get(key);
    replaced.delete(key);
    // The writer writes this one itself.
    if (key === "general.alignment") continue;
    items.push(replacement ?? { key, encoded: await readExactly(handle, file.path, start, end - start) });
  }
  return [...items, ...replaced.values()];
}

interface WriteJob {
  handle: FileHandle;
  file: GgufFile;
  metadata: MetadataItem[];
  tensors: PlannedTensor[];
  signal?: AbortSignal;
  onProgress?: (progress: ConvertProgress) => void;
}

function writeTensors(path: string, job: WriteJob): Promise<number> {
  const { handle, file, metadata, tensors } = job;
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const report = progressReporter(total, job.onProgress);
  const writeTensor = async (tensor: PlannedTensor, write: (bytes: Uint8Array) => Promise<void>) => {
    const writeAndReport = async (bytes: Uint8Array) => {
      await write(bytes);
      report(tensor.name, bytes.length);
    };
    if (tensor.source.type.name === tensor.typeName)
      return copyData(handle, file, tensor.source, writeAndReport);
    return writeConverted(floatSlices(handle, file, tensor.source, job.signal), {
      name: tensor.name,
      path: file.path,
      type: tensor.typeName,
      width: tensor.shape[0]!,
      signal: job.signal,
      write: writeAndReport,
    });
  };
  return writeGguf(path, { metadata, tensors, alignment: file.alignment }, writeTensor, job.signal);
}

async function copyData(
  handle: FileHandle,
  file: GgufFile,
  source: GgufTensor,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < source.bytes; at += COPY_BYTES) {
    const bytes = Math.min(COPY_BYTES, source.bytes - at);
    await write(await readExactly(handle, file.path, source.offset + at, bytes));
  }
}

/** The values of a tensor as F32, in slices of whole rows. */
async function* floatSlices(
  handle: FileHandle,
  file: GgufFile,
  source: GgufTensor,
  stop: AbortSignal | undefined,
): AsyncGenerator<Float32Array> {
  const width = source.shape[0]!;
  const bytesPerRow = rowBytes(source.type, width);
  const rows = source.elements / width;
  const step = sliceRows(width);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const offset = source.offset + row * bytesPerRow;
    const bytes = await readExactly(handle, file.path, offset, count * bytesPerRow);
    yield await decodeRows(source.type.name as TensorType, bytes, width, stop);
  }
}

function describe(
  tensors: readonly PlannedTensor[],
): Pick<QuantizeResult, "parameters" | "tensors" | "requantized"> {
  const isFloat = (name: string) => FLOAT_TYPES.includes(name as TensorType);
  const requantized = tensors.filter(({ source, typeName }) => {
    return source.type.name !== typeName && !isFloat(source.type.name) && !isFloat(typeName);
  });
  return {
    parameters: tensors.reduce((sum, { source }) => sum + source.elements, 0),
    tensors: tensors.map(({ name, typeName, shape }) => ({ name, type: typeName, shape })),
    requantized: requantized.map(({ name }) => name),
  };
}
