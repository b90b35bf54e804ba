/**
 * What a model of some hundred megabytes keeps in memory: loaded, at work, idle, disposed of. The weights are the
 * zeros of a file with a hole, which take no time to write. Prints JSON, in bytes.
 *
 *   node --expose-gc test/native/resident-memory.mjs FOLDER bert|gpt2 Q8_0|F32
 */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { native } from "../../dist/native.js";

const [folder, architecture, type] = process.argv.slice(2);
const isBert = architecture === "bert";
const [H, F, V, CONTEXT] = [768, 3072, 20_000, 512];
const L = type === "F32" ? 3 : 12;
const BLOCKS = { Q8_0: { values: 32, bytes: 34 }, F32: { values: 1, bytes: 4 } };

const tensors = [];
let bytes = 0;
function tensor(name, shape, tensorType = "F32") {
  const block = BLOCKS[tensorType];
  tensors.push({ name, type: tensorType, shape, offset: bytes });
  const size = (shape.reduce((a, b) => a * b) / block.values) * block.bytes;
  bytes += Math.ceil(size / 32) * 32;
}
function linear(name, width, rows) {
  tensor(`${name}.weight`, [width, rows], type);
  tensor(`${name}.bias`, [rows]);
}
function norm(name) {
  tensor(`${name}.weight`, [H]);
  tensor(`${name}.bias`, [H]);
}
tensor("token_embd.weight", [H, V], type);
tensor("position_embd.weight", [H, CONTEXT]);
norm(isBert ? "token_embd_norm" : "output_norm");
for (let i = 0; i < L; i++) {
  linear(`blk.${i}.attn_qkv`, H, 3 * H);
  linear(`blk.${i}.attn_output`, H, H);
  norm(`blk.${i}.${isBert ? "attn_output_norm" : "attn_norm"}`);
  linear(`blk.${i}.ffn_up`, H, F);
  linear(`blk.${i}.ffn_down`, F, H);
  norm(`blk.${i}.${isBert ? "layer_output_norm" : "ffn_norm"}`);
}
const path = join(folder, `${architecture}-${type}.weights`);
const file = openSync(path, "w");
ftruncateSync(file, bytes);
closeSync(file);

const hyperparameters = {
  vocabSize: V,
  contextLength: CONTEXT,
  embeddingLength: H,
  feedForwardLength: F,
  blockCount: L,
  headCount: 12,
  layerNormEpsilon: 1e-5,
  segmentCount: 0,
  activation: "gelu",
  poolerActivation: "tanh",
  scaleAttention: true,
  scaleAttentionByInverseLayer: false,
};

/** Long enough a text, or many, for full batches. */
function work(model) {
  const ids = new Int32Array(1024).map((_, i) => i % V);
  if (isBert) return model.encode({ ids, lengths: new Int32Array(8).fill(128), pooling: "mean" }).promise;
  const sampling = { temperature: 0, topK: 0, topP: 1, seed: 0 };
  const request = { maxTokens: 4, stopIds: new Int32Array(0), sampling, logprobs: false };
  return model.generate({ ids: ids.subarray(0, 400), ...request }).promise;
}

async function resident() {
  globalThis.gc();
  await sleep(20);
  return process.memoryUsage.rss();
}

/** The addon's own code and threads, before a model of any size counts. */
native().defaultThreads();
const before = await resident();
const spec = { path, architecture, hyperparameters, tensors };
const model = await native().loadModel(spec, { device: "cpu", threads: 2, maxMemory: 0 }).promise;
const loaded = (await resident()) - before;
await work(model);
const working = (await resident()) - before;
const busy = model.memory().activations;
await sleep(2500);
const idle = (await resident()) - before;
const { activations } = model.memory();
await model.dispose();
const disposed = (await resident()) - before;
console.log(JSON.stringify({ bytes, loaded, working, idle, disposed, busy, activations }));
