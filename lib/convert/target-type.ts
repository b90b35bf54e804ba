/**
 * Which type each tensor of a file gets. One rule per file type, unlike llama.cpp's K mixtures (whose `Q4_K_M`
 * gives some layers more bits): the name of the type says what is in the file.
 *
 * As in llama.cpp, normalization weights, biases, position and segment embeddings are always F32: they are
 * small, and an error there touches every token. So are the output layers of heads with a handful of rows
 * (classifiers, next sentence, answer spans), where narrowing would save a few kilobytes.
 */
import type { TensorType } from "../native.js";
import { ggmlType } from "../gguf/types.js";

const ALWAYS_F32 = new Set([
  "position_embd.weight",
  "token_types.weight",
  "cls.output.weight",
  "nsp.weight",
  "token_cls.weight",
  "qa.weight",
  "sop.weight",
  "rtd.output.weight",
  "attn_rel_b.weight",
]);

/** llama.cpp's second choice for rows that do not divide into blocks of 256. */
const NARROWER_BLOCKS: Partial<Record<TensorType, TensorType>> = { Q4_K: "Q5_0", Q5_K: "Q5_1", Q6_K: "Q8_0" };

/** Whether a tensor may have any other type than F32. */
export function isNarrowed(name: string, shape: readonly number[]): boolean {
  return (
    shape.length > 1 && name.endsWith(".weight") && !name.endsWith("norm.weight") && !ALWAYS_F32.has(name)
  );
}

/** The type of one tensor in a file of type `type`; `shape` has the innermost dimension first. */
export function targetType(type: TensorType, name: string, shape: readonly number[]): TensorType {
  if (!isNarrowed(name, shape)) return "F32";
  const fits = (candidate: TensorType) => shape[0]! % ggmlType(candidate).blockSize === 0;
  if (fits(type)) return type;
  const fallback = NARROWER_BLOCKS[type];
  return fallback !== undefined && fits(fallback) ? fallback : "F16";
}
