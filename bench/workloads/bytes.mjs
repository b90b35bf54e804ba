// What decoding one token reads.
import { ggmlType, rowBytes } from "../../dist/gguf/types.js";
import { modelTensors, SHAPES } from "../weights.mjs";

/**
 * Bytes of weights that one token of `model` in `type` needs (every matrix once; the token table as the head), and of
 * the F16 keys and values of the `visible` tokens before it.
 */
export function bytesPerToken(model, type, visible) {
  const shape = SHAPES[model];
  let bytes = 0;
  for (const { name, shape: sizes, keep } of modelTensors(shape)) {
    if (name === "position_embd.weight") continue;
    bytes += rowBytes(ggmlType(keep ? "F32" : type), sizes[0]) * (sizes[1] ?? 1);
  }
  return bytes + 2 * 2 * shape.L * shape.H * visible;
}
