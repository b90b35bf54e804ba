// BERT's embeddings in double precision, from the definition (Devlin et al., arXiv:1810.04805) and the F32 weights:
// what every engine's accuracy is measured against. Slow, so results are kept in cache/.
import fs from "node:fs";
import path from "node:path";
import { CACHE } from "./models.mjs";
import { modelTensors, SHAPES, tensorValues } from "./weights.mjs";

/** Part of the file's name: raise it when the weights or the texts change. */
const FORMAT = 1;
const EPSILON = 1e-12;

/** The mean vectors of sequences of token ids, of unit length. */
export function referenceEmbeddings(model, sequences) {
  const file = path.join(CACHE, `${model}-float64-${FORMAT}.json`);
  const known = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};
  const missing = sequences.filter((ids) => !known[ids.join()]);
  if (missing.length > 0) {
    console.error(`computing the float64 reference of ${missing.length} texts with ${model}`);
    const weights = loadWeights(SHAPES[model]);
    for (const ids of missing) known[ids.join()] = Array.from(embedding(SHAPES[model], weights, ids));
    fs.writeFileSync(file, JSON.stringify(known));
  }
  return sequences.map((ids) => known[ids.join()]);
}

/** All in double precision, so that products need no conversion; the token table, of which little is read, is not. */
function loadWeights(shape) {
  const load = (tensor) => {
    const values = tensorValues(tensor);
    return [tensor.name, tensor.name === "token_embd.weight" ? values : Float64Array.from(values)];
  };
  return new Map(modelTensors(shape).map(load));
}

function embedding({ L, H, A }, weights, ids) {
  let x = new Float64Array(ids.length * H);
  for (const [s, id] of ids.entries()) {
    for (let i = 0; i < H; i++) {
      const position = weights.get("position_embd.weight")[s * H + i];
      x[s * H + i] =
        weights.get("token_embd.weight")[id * H + i] + position + weights.get("token_types.weight")[i];
    }
  }
  x = layerNorm(weights, "token_embd_norm", x);
  for (let block = 0; block < L; block++) {
    const at = (name) => `blk.${block}.${name}`;
    const [q, k, v] = ["q", "k", "v"].map((part) => linear(weights, at(`attn_${part}`), x));
    const attended = linear(weights, at("attn_output"), attention({ q, k, v }, H, A));
    x = layerNorm(weights, at("attn_output_norm"), add(x, attended));
    const inner = linear(weights, at("ffn_up"), x).map(
      (value) => (value / 2) * (1 + erf(value / Math.SQRT2)),
    );
    x = layerNorm(weights, at("layer_output_norm"), add(x, linear(weights, at("ffn_down"), inner)));
  }
  return unitMean(x, H);
}

/** [S, in] to [S, out]; four rows at a time, since a weight read once then serves four products. */
function linear(weights, name, x) {
  const weight = weights.get(`${name}.weight`);
  const bias = weights.get(`${name}.bias`);
  const outputs = bias.length;
  const width = weight.length / outputs;
  const rows = x.length / width;
  const y = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row += 4) {
    // The last rows are computed more than once rather than having a loop of their own.
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => Math.min(row + i, rows - 1));
    for (let o = 0; o < outputs; o++) {
      const sums = [bias[o], bias[o], bias[o], bias[o]];
      let [s0, s1, s2, s3] = sums;
      for (let i = 0; i < width; i++) {
        const w = weight[o * width + i];
        s0 += w * x[a * width + i];
        s1 += w * x[b * width + i];
        s2 += w * x[c * width + i];
        s3 += w * x[d * width + i];
      }
      y[a * outputs + o] = s0;
      y[b * outputs + o] = s1;
      y[c * outputs + o] = s2;
      y[d * outputs + o] = s3;
    }
  }
  return y;
}

function attention({ q, k, v }, H, A) {
  const S = q.length / H;
  const D = H / A;
  const mixed = new Float64Array(S * H);
  const row = new Float64Array(S);
  for (let begin = 0; begin < H; begin += D) {
    for (let i = 0; i < S; i++) {
      for (let j = 0; j < S; j++) {
        let dot = 0;
        for (let d = begin; d < begin + D; d++) dot += q[i * H + d] * k[j * H + d];
        row[j] = dot / Math.sqrt(D);
      }
      const most = Math.max(...row);
      let sum = 0;
      for (let j = 0; j < S; j++) sum += row[j] = Math.exp(row[j] - most);
      for (let j = 0; j < S; j++) {
        for (let d = begin; d < begin + D; d++) mixed[i * H + d] += (row[j] / sum) * v[j * H + d];
      }
    }
  }
  return mixed;
}

function layerNorm(weights, name, x) {
  const scale = weights.get(`${name}.weight`);
  const shift = weights.get(`${name}.bias`);
  const H = scale.length;
  for (let begin = 0; begin < x.length; begin += H) {
    const row = x.subarray(begin, begin + H);
    const mean = row.reduce((sum, value) => sum + value, 0) / H;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / H;
    const factor = 1 / Math.sqrt(variance + EPSILON);
    for (let i = 0; i < H; i++) row[i] = (row[i] - mean) * factor * scale[i] + shift[i];
  }
  return x;
}

const add = (a, b) => a.map((value, i) => value + b[i]);

/** Abramowitz and Stegun: the series 7.1.6 near zero, the continued fraction 7.1.14 of erfc elsewhere. */
function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction));
}

function unitMean(x, H) {
  const mean = new Float64Array(H);
  for (let i = 0; i < x.length; i++) mean[i % H] += x[i];
  const length = Math.sqrt(mean.reduce((sum, value) => sum + value * value, 0));
  return mean.map((value) => value / length);
}
