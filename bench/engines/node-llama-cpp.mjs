// node-llama-cpp, on the same file: CPU only, its own choice of instruction set, all defaults but the number of
// threads and of tokens in a context.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { unit } from "./unit.mjs";

export async function load({ file, architecture, threads }) {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: file });
  const methods = await (architecture === "bert" ? encoder(model, threads) : decoder(model, threads));
  return {
    ...methods,
    async dispose() {
      await model.dispose();
      await llama.dispose();
    },
  };
}

async function encoder(model, threads) {
  // The context must be longer than the longest text.
  const context = await model.createEmbeddingContext({ contextSize: 1024, batchSize: 1024, threads });
  return {
    prepare: async (texts) => texts,
    // A second call waits for the first: there is no way to give it several texts at once.
    async embed(texts) {
      const vectors = [];
      for (const text of texts) vectors.push(unit((await context.getEmbeddingFor(text)).vector));
      return vectors;
    },
  };
}

async function decoder(model, threads) {
  const options = { contextSize: 1024, batchSize: 512, sequences: 8, threads };
  const context = await model.createContext(options);
  const sequences = Array.from({ length: options.sequences }, () => context.getSequence());
  const evaluate = async (index, ids) => {
    await sequences[index].clearHistory();
    return sequences[index].evaluate(ids, { temperature: 0, yieldEogToken: true });
  };
  return {
    async prompt(ids) {
      const begin = performance.now();
      await take(await evaluate(0, ids), 1);
      return performance.now() - begin;
    },
    async decode(ids, count, streams) {
      const began = [];
      const stream = async (_, index) => {
        await take(await evaluate(index, ids), count + 1, () => began.push(performance.now()));
      };
      await Promise.all(Array.from({ length: streams }, stream));
      return performance.now() - Math.max(...began);
    },
  };
}

/** Takes `count` values; `onFirst` is called after the first. */
async function take(values, count, onFirst) {
  let taken = 0;
  for await (const _ of values) {
    if (++taken === 1) onFirst?.();
    if (taken === count) return;
  }
  throw new Error(`Expected ${count} tokens but the engine stopped after ${taken}`);
}
