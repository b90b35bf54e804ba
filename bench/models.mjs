// Random-weight models of real sizes, as GGUF files that this package and llama.cpp both load. They are written
// once to cache/; the same shape gives the same weights in every type.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { native } from "../dist/native.js";
import { readGguf } from "../dist/gguf/reader.js";
import { FILE_TYPE, ggmlType } from "../dist/gguf/types.js";
import { writeGguf } from "../dist/gguf/writer.js";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const CACHE = path.join(HERE, "cache");
/** Part of each file's name: raise it when what is written changes. */
const FORMAT = 1;

export const SHAPES = {
  "minilm-l6": { architecture: "bert", L: 6, H: 384, A: 12, F: 1536, V: 30522, context: 512 },
  "bert-base": { architecture: "bert", L: 12, H: 768, A: 12, F: 3072, V: 30522, context: 512 },
  gpt2: { architecture: "gpt2", L: 12, H: 768, A: 12, F: 3072, V: 50257, context: 1024 },
};

/** The path of the model `name` with its matrices in `type`; written when it is not there yet. */
export async function randomModel(name, type) {
  const shape = SHAPES[name];
  const file = path.join(CACHE, `${name}-${type}-${FORMAT}.gguf`);
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(CACHE, { recursive: true });
  console.error(`writing ${path.relative(HERE, file)}`);
  const metadata = [...sizeKeys(name, shape, type), ...(await tokenizerKeys(shape))];
  const tensors = shape.architecture === "bert" ? bertTensors(shape, type) : gpt2Tensors(shape, type);
  await writeGguf(file, { metadata, tensors }, writeRandomTensor);
  return file;
}

// ---- tensors

function bertTensors({ L, H, F, V, context }, type) {
  const tensors = [
    matrix("token_embd", H, V, type),
    matrix("position_embd", H, context, "F32"),
    matrix("token_types", H, 2, "F32"),
    ...norm("token_embd_norm", H),
  ];
  for (let i = 0; i < L; i++) {
    for (const part of ["q", "k", "v"]) tensors.push(...linear(`blk.${i}.attn_${part}`, H, H, type));
    tensors.push(...linear(`blk.${i}.attn_output`, H, H, type), ...norm(`blk.${i}.attn_output_norm`, H));
    tensors.push(...linear(`blk.${i}.ffn_up`, H, F, type), ...linear(`blk.${i}.ffn_down`, F, H, type));
    tensors.push(...norm(`blk.${i}.layer_output_norm`, H));
  }
  return tensors;
}

function gpt2Tensors({ L, H, F, V, context }, type) {
  const tensors = [matrix("token_embd", H, V, type), matrix("position_embd", H, context, "F32")];
  for (let i = 0; i < L; i++) {
    tensors.push(...norm(`blk.${i}.attn_norm`, H), ...linear(`blk.${i}.attn_qkv`, H, 3 * H, type));
    tensors.push(...linear(`blk.${i}.attn_output`, H, H, type), ...norm(`blk.${i}.ffn_norm`, H));
    tensors.push(...linear(`blk.${i}.ffn_up`, H, F, type), ...linear(`blk.${i}.ffn_down`, F, H, type));
  }
  return [...tensors, ...norm("output_norm", H)];
}

// Spreads that keep attention and feed-forward parts of the size a trained model's have: the outputs of both are
// about as large as the residual they are added to.
const matrix = (name, width, rows, type) => tensor(`${name}.weight`, [width, rows], type, 0, 0.05);
const linear = (name, width, rows, type) => [
  matrix(name, width, rows, type),
  tensor(`${name}.bias`, [rows], "F32", 0, 0.05),
];
const norm = (name, size) => [
  tensor(`${name}.weight`, [size], "F32", 1, 0.1),
  tensor(`${name}.bias`, [size], "F32", 0, 0.05),
];

function tensor(name, shape, type, mean, deviation) {
  return { name, shape, type: ggmlType(type), mean, deviation };
}

/** Values that depend on the tensor's name and not on its type, some megabytes at a time. */
async function writeRandomTensor({ name, shape, type, mean, deviation }, write) {
  const normal = gaussian(hash(name));
  const [width, rows = 1] = shape;
  const step = Math.max(1, Math.floor(2 ** 20 / width));
  for (let row = 0; row < rows; row += step) {
    const values = new Float32Array(width * Math.min(step, rows - row));
    for (let i = 0; i < values.length; i++) values[i] = mean + deviation * normal();
    await write(
      type.name === "F32"
        ? new Uint8Array(values.buffer)
        : await native().quantizeRows(type.name, values, width).promise,
    );
  }
}

/** FNV-1a. */
function hash(text) {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return value >>> 0;
}

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal numbers: the sum of four uniform ones, scaled. */
function gaussian(seed) {
  const next = random(seed);
  const scale = Math.sqrt(3);
  return () => (next() + next() + next() + next() - 2) * scale;
}

// ---- keys

function sizeKeys(name, { architecture, L, H, A, F, context }, type) {
  const u32 = (key, value) => ({ key, type: "u32", value });
  const keys = [
    { key: "general.architecture", type: "string", value: architecture },
    { key: "general.name", type: "string", value: `${name} with random weights` },
    u32("general.file_type", FILE_TYPE[type]),
    u32("general.quantization_version", 2),
    u32(`${architecture}.context_length`, context),
    u32(`${architecture}.embedding_length`, H),
    u32(`${architecture}.feed_forward_length`, F),
    u32(`${architecture}.block_count`, L),
    u32(`${architecture}.attention.head_count`, A),
    {
      key: `${architecture}.attention.layer_norm_epsilon`,
      type: "f32",
      value: architecture === "bert" ? 1e-12 : 1e-5,
    },
  ];
  if (architecture === "bert") {
    keys.push({ key: "bert.attention.causal", type: "bool", value: false });
    keys.push(u32("bert.pooling_type", 1));
  }
  return keys;
}

/** The vocabulary of the embedded model of that architecture, filled up with unused tokens to V. */
async function tokenizerKeys({ architecture, V }) {
  const donor = architecture === "bert" ? "mini-bert" : "mini-gpt2";
  const { metadata } = await readGguf(path.join(HERE, "..", "models", `${donor}.gguf`));
  const keys = [];
  for (const [key, { type, itemType, value }] of metadata) {
    // Ours is left out: it would say that there are fewer tokens.
    if (!key.startsWith("tokenizer.") || key === "tokenizer.huggingface.json") continue;
    keys.push({ key, type, itemType, value: fillUp(key, value, V) });
  }
  return keys;
}

const UNUSED = 5; // llama.cpp's token type

function fillUp(key, value, V) {
  if (key === "tokenizer.ggml.tokens") {
    const tokens = [...value];
    while (tokens.length < V) tokens.push(`[unused token ${tokens.length}]`);
    return tokens;
  }
  if (key === "tokenizer.ggml.token_type") {
    const types = new value.constructor(V).fill(UNUSED);
    types.set(value);
    return types;
  }
  return value;
}
