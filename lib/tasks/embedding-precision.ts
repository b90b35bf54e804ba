/** Embeddings in fewer bits, as sentence-transformers' `quantize_embeddings` defines them. */
import { InvalidArgumentError } from "../errors.js";
import { arrayOf, expected, isObject, oneOf, type Check } from "../options.js";

/**
 * What the values of an embedding are. `"int8"`: 256 steps between the least and the greatest value of each
 * dimension, less 128. `"ubinary"`: one bit per dimension, set where the value is above 0, eight to a byte with the
 * first in the highest bit. `"binary"`: these bytes less 128.
 */
export type EmbeddingPrecision = "float32" | "int8" | "binary" | "ubinary";

/** The array that holds an embedding of that precision. */
export type EmbeddingOf<P extends EmbeddingPrecision> = P extends "float32"
  ? Float32Array
  : P extends "ubinary"
    ? Uint8Array
    : Int8Array;

/** The least and the greatest value of each dimension. */
export interface EmbeddingRanges {
  /** The least value of each dimension. */
  readonly min: ArrayLike<number>;
  /** The greatest. */
  readonly max: ArrayLike<number>;
}

const numbers = (length: number | undefined, what: string): Check<ArrayLike<number>> => {
  return (value, name) => {
    const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
    const values = value as ArrayLike<unknown>;
    const holds =
      isArray && values.length === (length ?? values.length) && Array.from(values).every(Number.isFinite);
    if (!holds) throw expected(what, name, value);
    return value as ArrayLike<number>;
  };
};

const vector = numbers(undefined, "an array of finite numbers");

/** Ranges of `dimensions` values. */
export function embeddingRangesOf(dimensions: number): Check<EmbeddingRanges> {
  const values = numbers(dimensions, `${dimensions} finite numbers`);
  return (value, name) => {
    if (!isObject(value)) throw expected("{ min, max }", name, value);
    return { min: values(value["min"], `${name}.min`), max: values(value["max"], `${name}.max`) };
  };
}

/**
 * The ranges that `precision: "int8"` needs, from embeddings of typical texts: some hundred at least. Compute them
 * once and keep them with the embeddings; those of different ranges cannot be compared.
 *
 * @param embeddings - One or more, all of the same length.
 * @throws InvalidArgumentError when there is none, or their lengths differ.
 */
export function embeddingRanges(embeddings: readonly ArrayLike<number>[]): {
  /** The least value of each dimension. */
  min: Float32Array;
  /** The greatest. */
  max: Float32Array;
} {
  const checked = arrayOf(vector, "an array of one embedding or more")(embeddings, "embeddings");
  const [first] = checked;
  if (first === undefined) throw expected("an array of one embedding or more", "embeddings", embeddings);
  const min = Float32Array.from(first);
  const max = Float32Array.from(first);
  for (const [i, embedding] of checked.entries()) {
    if (embedding.length !== min.length)
      throw expected(`${min.length} values`, `embeddings[${i}]`, embedding.length);
    for (let d = 0; d < min.length; d++) {
      min[d] = Math.min(min[d]!, embedding[d]!);
      max[d] = Math.max(max[d]!, embedding[d]!);
    }
  }
  return { min, max };
}

/**
 * One embedding of float values in another precision, as sentence-transformers' `quantize_embeddings` defines them.
 *
 * @param ranges - For `"int8"`: see {@link embeddingRanges}.
 * @throws InvalidArgumentError for `"int8"` without ranges or with ranges of another length, and for bits of a number of
 * values that is not a multiple of 8.
 */
export function quantizeEmbedding<P extends EmbeddingPrecision>(
  embedding: ArrayLike<number>,
  precision: P,
  ranges?: EmbeddingRanges,
): EmbeddingOf<P> {
  const values = vector(embedding, "embedding");
  const checked = oneOf<EmbeddingPrecision>("float32", "int8", "binary", "ubinary")(precision, "precision");
  const checkedRanges = ranges === undefined ? undefined : embeddingRangesOf(values.length)(ranges, "ranges");
  checkPrecision(checked, values.length, checkedRanges);
  return toPrecision(values, precision, checkedRanges);
}

/** Throws an {@link InvalidArgumentError} when embeddings of that many dimensions cannot have the precision. */
export function checkPrecision(
  precision: EmbeddingPrecision,
  dimensions: number,
  ranges: EmbeddingRanges | undefined,
): void {
  if (precision === "int8" && ranges === undefined) {
    throw new InvalidArgumentError(
      'Expected ranges together with precision "int8" but received none: embeddingRanges() makes them from ' +
        "embeddings of typical texts",
      { name: "ranges" },
    );
  }
  const isBinary = precision === "binary" || precision === "ubinary";
  if (isBinary && dimensions % 8 !== 0) {
    throw expected(`a multiple of 8 with precision "${precision}"`, "dimensions", dimensions);
  }
}

/** The same for arguments that were checked. */
export function toPrecision<P extends EmbeddingPrecision>(
  embedding: ArrayLike<number>,
  precision: P,
  ranges: EmbeddingRanges | undefined,
): EmbeddingOf<P> {
  const conversions: Record<EmbeddingPrecision, () => Float32Array | Int8Array | Uint8Array> = {
    float32: () => (embedding instanceof Float32Array ? embedding : Float32Array.from(embedding)),
    int8: () => toInt8(embedding, ranges!),
    binary: () => Int8Array.from(toBits(embedding), (byte) => byte - 128),
    ubinary: () => toBits(embedding),
  };
  return conversions[precision]() as EmbeddingOf<P>;
}

/** In single precision throughout, and cut towards zero, as the reference does. Values outside keep to the ends. */
function toInt8(embedding: ArrayLike<number>, { min, max }: EmbeddingRanges): Int8Array {
  return Int8Array.from(embedding, (value, d) => {
    const start = Math.fround(min[d]!);
    const step = Math.fround(Math.fround(Math.fround(max[d]!) - start) / 255);
    const steps = step > 0 ? Math.fround(Math.fround(Math.fround(value) - start) / step) : 0;
    return Math.max(-128, Math.min(127, Math.trunc(Math.fround(steps - 128))));
  });
}

function toBits(embedding: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(embedding.length / 8);
  for (let d = 0; d < embedding.length; d++) if (embedding[d]! > 0) bytes[d >> 3]! |= 128 >> (d & 7);
  return bytes;
}
