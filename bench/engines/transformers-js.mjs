// @huggingface/transformers: its feature-extraction pipeline from text to mean vector, over the same ONNX weights.
import path from "node:path";
import { env, pipeline } from "@huggingface/transformers";

const BATCH_SIZES = [1, 8, 32];
const DTYPE = { fp32: "fp32", int8: "q8" };

export async function load({ file: folder, type, threads }) {
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(folder);
  const extract = await pipeline("feature-extraction", path.basename(folder), {
    device: "cpu",
    dtype: DTYPE[type],
    local_files_only: true,
    use_external_data_format: true,
    session_options: {
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    },
  });

  async function run(texts, batchSize) {
    const vectors = [];
    for (let i = 0; i < texts.length; i += batchSize) {
      const part = texts.slice(i, i + batchSize);
      const { data, dims } = await extract(part, { pooling: "mean", normalize: true });
      for (let j = 0; j < part.length; j++) vectors.push(data.slice(j * dims[1], (j + 1) * dims[1]));
    }
    return vectors;
  }

  return {
    prepare: async (texts, batchSize = Math.min(32, texts.length)) => ({ texts, batchSize }),
    async tune(job) {
      let most = 0;
      for (const batchSize of BATCH_SIZES.filter((size) => size <= job.texts.length)) {
        const texts = job.texts.slice(0, Math.max(batchSize, 4));
        const begin = performance.now();
        await run(texts, batchSize);
        const rate = texts.length / (performance.now() - begin);
        if (rate > most) [most, job.batchSize] = [rate, batchSize];
      }
      return `batches of ${job.batchSize}`;
    },
    embed: (job) => run(job.texts, job.batchSize),
    dispose: () => extract.dispose(),
  };
}
