// Random-weight models of real sizes, as GGUF files that this package and llama.cpp both load. They are written once
// to cache/, some megabytes at a time.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { native } from "../dist/native.js";
import { readGguf } from "../dist/gguf/reader.js";
import { FILE_TYPE, ggmlType } from "../dist/gguf/types.js";
import { writeGguf } from "../dist/gguf/writer.js";
import { modelTensors, SHAPES, tensorSlices } from "./weights.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
export const CACHE = path.join(HERE, "cache");
/** Part of each file's name: raise it when what is written changes. */
const FORMAT = 1;

/** The path of the model `name` with its matrices in `type`; written when it is not there yet. */
export async function randomModel(name, type) {
  const file = path.join(CACHE, `${name}-${type}-${FORMAT}.gguf`);
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(CACHE, { recursive: true });
  console.error(`writing ${path.relative(HERE, file)}`);
  const shape = SHAPES[name];
  const metadata = [...sizeKeys(name, shape, type), ...(await tokenizerKeys(shape))];
  const tensors = modelTensors(shape).map((tensor) =>
    Object.assign(tensor, { type: ggmlType(tensor.keep ? "F32" : type) }),
  );
  await writeGguf(file, { metadata, tensors }, writeTensor);
  return file;
}

async function writeTensor(tensor, write) {
  for (const values of tensorSlices(tensor)) {
    await write(
      tensor.type.name === "F32"
        ? new Uint8Array(values.buffer)
        : await native().quantizeRows(tensor.type.name, values, tensor.shape[0]).promise,
    );
  }
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

/** The entries of the embedded model of that architecture that describe its tokenizer. */
export async function donorKeys(architecture) {
  const donor = architecture === "bert" ? "mini-bert" : "mini-gpt2";
  const { metadata } = await readGguf(path.join(HERE, "..", "models", `${donor}.gguf`));
  return metadata;
}

/** The vocabulary of the embedded model of that architecture, filled up with unused tokens to V. */
async function tokenizerKeys({ architecture, V }) {
  const keys = [];
  for (const [key, { type, itemType, value }] of await donorKeys(architecture)) {
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
