// The weights of a random BERT as ONNX wants them, in one file beside the graphs: matrices as [in, out], queries, keys
// and values side by side; in F32, or in int8 with one scale per output channel.
import fs from "node:fs";
import { modelTensors, SHAPES, tensorSlices, tensorValues } from "../weights.mjs";
import { DATA_TYPE } from "./schema.mjs";

/** Offsets that ONNX Runtime can map without copying. */
const ALIGNMENT = 4096;

/**
 * Writes the weights of `model` in `type` ("fp32" or "int8") to `file`; returns the constants that refer to it:
 * name, dataType, dims, offset, bytes.
 */
export function writeWeights(file, model, type) {
  const { L } = SHAPES[model];
  const tensors = new Map(modelTensors(SHAPES[model]).map((tensor) => [tensor.name, tensor]));
  const values = (name) => tensorValues(tensors.get(name));
  const out = new DataFile(file);
  const matrix = (name, parts) => {
    const rows = concatenate(parts.map((part) => values(`${part}.weight`)));
    const [width] = tensors.get(`${parts[0]}.weight`).shape;
    if (type === "fp32") out.write(`${name}.weight`, [width, rows.length / width], transposed(rows, width));
    else writeInt8(out, name, rows, width);
    out.writeVector(`${name}.bias`, concatenate(parts.map((part) => values(`${part}.bias`))));
  };
  const norm = (name) => {
    for (const part of ["weight", "bias"]) out.writeVector(`${name}.${part}`, values(`${name}.${part}`));
  };

  writeEmbeddings(out, tensors, type);
  norm("token_embd_norm");
  for (let i = 0; i < L; i++) {
    const block = `blk.${i}`;
    matrix(
      `${block}.attn_qkv`,
      ["q", "k", "v"].map((part) => `${block}.attn_${part}`),
    );
    matrix(`${block}.attn_output`, [`${block}.attn_output`]);
    norm(`${block}.attn_output_norm`);
    matrix(`${block}.ffn_up`, [`${block}.ffn_up`]);
    matrix(`${block}.ffn_down`, [`${block}.ffn_down`]);
    norm(`${block}.layer_output_norm`);
  }
  out.close();
  return out.constants;
}

/** The only segment there is, number 0, is added to the positions. */
function writeEmbeddings(out, tensors, type) {
  const tokens = tensors.get("token_embd.weight");
  const [width, rows] = tokens.shape;
  if (type === "fp32") out.write("token_embd.weight", [rows, width], ...tensorSlices(tokens));
  else {
    // Int8 too, one scale per token.
    const parts = [...tensorSlices(tokens)].map((slice) => quantizeRows(slice, width));
    out.write("token_embd.weight", [rows, width], ...parts.map(({ quantized }) => quantized));
    out.write("token_embd.scale", [rows, 1], ...parts.map(({ scales }) => scales));
  }
  const positions = tensorValues(tensors.get("position_embd.weight"));
  const segments = tensorValues(tensors.get("token_types.weight"));
  const sums = positions.map((value, i) => value + segments[i % width]);
  out.write("position_embd.weight", [positions.length / width, width], sums);
}

function writeInt8(out, name, rows, width) {
  const { quantized, scales } = quantizeRows(rows, width);
  out.write(`${name}.weight`, [width, scales.length], transposed(quantized, width));
  out.writeVector(`${name}.scale`, scales);
}

/** Symmetric: the value of the greatest magnitude of a row becomes 127 or -127. */
function quantizeRows(values, width) {
  const scales = new Float32Array(values.length / width);
  const quantized = new Int8Array(values.length);
  for (let row = 0; row < scales.length; row++) {
    let most = 0;
    for (let i = row * width; i < (row + 1) * width; i++) most = Math.max(most, Math.abs(values[i]));
    scales[row] = most / 127;
    for (let i = row * width; i < (row + 1) * width; i++) quantized[i] = Math.round((values[i] * 127) / most);
  }
  return { quantized, scales };
}

/** Rows of `width` values, as columns. */
function transposed(rows, width) {
  const count = rows.length / width;
  const columns = new rows.constructor(rows.length);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < width; i++) columns[i * count + row] = rows[row * width + i];
  }
  return columns;
}

function concatenate(parts) {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

class DataFile {
  constants = [];
  #file;
  #end = 0;

  constructor(file) {
    this.#file = fs.openSync(file, "w");
  }

  writeVector(name, values) {
    this.write(name, [values.length], values);
  }

  write(name, dims, ...parts) {
    const offset = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    this.#end = offset;
    for (const part of parts) {
      const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      fs.writeSync(this.#file, bytes, 0, bytes.length, this.#end);
      this.#end += bytes.length;
    }
    const dataType = parts[0] instanceof Int8Array ? DATA_TYPE.INT8 : DATA_TYPE.FLOAT;
    this.constants.push({ name, dataType, dims, offset, bytes: this.#end - offset });
  }

  close() {
    fs.closeSync(this.#file);
  }
}
