// onnxruntime-node, as its documentation tunes it: all optimizations, one operator at a time on all threads. Token ids
// are made beforehand, since it has no tokenizer; pooling happens in the graph.
import path from "node:path";
import ort from "onnxruntime-node";
import { Tokenizer } from "../../dist/tokenizer/index.js";
import { onnxGraph } from "../onnx/index.mjs";
import { unit } from "./unit.mjs";

const BATCH_SIZES = [1, 4, 8, 16, 32, 64];

/**
 * `order`: "sorted" sorts texts by length before they are batched, "arrival" leaves them; a `batch` size, where it is
 * given, is not searched.
 */
export async function load({ file: folder, threads, batch, order = "sorted" }) {
  const tokenizer = await Tokenizer.load(path.join(folder, "tokenizer.json"));
  const sessions = new Map();
  /** Spinning: whether idle threads burn the processor while they wait for the next operator. */
  const session = async (padding, spinning) => {
    const key = `${padding} ${spinning}`;
    if (!sessions.has(key)) {
      const options = {
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        extra: { session: { intra_op: { allow_spinning: spinning ? "1" : "0" } } },
      };
      sessions.set(key, await ort.InferenceSession.create(onnxGraph(folder, padding), options));
    }
    return sessions.get(key);
  };

  async function run(texts, { batchSize, spinning }) {
    const vectors = Array.from({ length: texts.length });
    for (let i = 0; i < texts.length; i += batchSize) {
      const part = texts.slice(i, i + batchSize);
      const longest = Math.max(...part.map(({ ids }) => ids.length));
      const padding = part.some(({ ids }) => ids.length < longest);
      const results = await (await session(padding, spinning)).run(feeds(part, longest, padding));
      const [{ data }] = Object.values(results);
      const H = data.length / part.length;
      part.forEach(({ index }, j) => (vectors[index] = unit(data.subarray(j * H, (j + 1) * H))));
    }
    return vectors;
  }

  return {
    async prepare(texts, batchSize = batch ?? Math.min(32, texts.length)) {
      const encoded = texts.map((text, index) => ({ index, ids: tokenizer.encode(text).ids }));
      if (order === "sorted") encoded.sort((a, b) => b.ids.length - a.ids.length);
      return { texts: encoded, how: { batchSize, spinning: true } };
    },
    /** Finds the fastest batch size and way to wait. */
    async tune(job) {
      const equal = job.texts.every(({ ids }) => ids.length === job.texts[0].ids.length);
      const rate = async (how) => {
        // A few texts of mixed lengths would tell nothing of the padding.
        const texts = equal ? job.texts.slice(0, Math.max(how.batchSize, 4)) : job.texts;
        const begin = performance.now();
        await run(texts, how);
        return texts.length / (performance.now() - begin);
      };
      // The better of two turns each: the first also warms up.
      const best = async (candidates) => {
        const rates = candidates.map(() => 0);
        for (let turn = 0; turn < 2; turn++) {
          for (const [i, how] of candidates.entries()) rates[i] = Math.max(rates[i], await rate(how));
        }
        return candidates[rates.indexOf(Math.max(...rates))];
      };
      if (batch === undefined) {
        const sizes = BATCH_SIZES.filter((size) => size <= job.texts.length);
        job.how = await best(sizes.map((batchSize) => ({ batchSize, spinning: true })));
      }
      const { batchSize } = job.how;
      job.how = await best([true, false].map((spinning) => ({ batchSize, spinning })));
      return `batches of ${job.how.batchSize}${job.how.spinning ? "" : ", no spinning"}`;
    },
    embed: (job) => run(job.texts, job.how),
    async dispose() {
      for (const each of sessions.values()) await each.release();
    },
  };
}

function feeds(texts, longest, padding) {
  const B = texts.length;
  const ids = new Int32Array(B * longest);
  texts.forEach((text, i) => ids.set(text.ids, i * longest));
  const inputs = { ids: new ort.Tensor("int32", ids, [B, longest]) };
  if (!padding) return inputs;
  const lengths = Int32Array.from(texts, (text) => text.ids.length);
  const pool = new Float32Array(B * longest);
  lengths.forEach((length, i) => pool.fill(1 / length, i * longest, i * longest + length));
  inputs.lengths = new ort.Tensor("int32", lengths, [B]);
  inputs.pool = new ort.Tensor("float32", pool, [B, 1, longest]);
  return inputs;
}
