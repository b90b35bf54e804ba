// The engines under one interface, each as its own documentation says to use it.
//   embed(texts) -> vectors of unit length; prompt(ids) and decode(ids, count, streams) -> milliseconds
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Encoder, Generator } from "../dist/index.mjs";

const require = createRequire(import.meta.url);

/** This package. */
export async function ours(file, architecture, threads) {
  const name = "ggml-transformers";
  if (architecture === "bert") {
    const encoder = await Encoder.load(file, { threads });
    return {
      name,
      embed: (texts) => encoder.embed(texts, { maxLength: 512 }),
      dispose: () => encoder.dispose(),
    };
  }
  const generator = await Generator.load(file, { threads });
  const generate = async (ids, maxTokens) => {
    const result = await generator.generate({ ids }, { maxTokens });
    if (result.tokens.length !== maxTokens) throw new Error(`${name} stopped early`);
    return result;
  };
  return {
    name,
    async prompt(ids) {
      const begin = performance.now();
      await generate(ids, 1);
      return performance.now() - begin;
    },
    async decode(ids, count, streams) {
      const results = await Promise.all(Array.from({ length: streams }, () => generate(ids, count + 1)));
      return Math.max(...results.map(({ timings }) => timings.decodeMs));
    },
    dispose: () => generator.dispose(),
  };
}

/**
 * node-llama-cpp, on the same file: CPU only, its own choice of instruction set, all defaults but the number of
 * threads and of tokens in a context.
 */
export async function nodeLlamaCpp(file, architecture, threads) {
  const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: file });
  const name = "node-llama-cpp";
  const dispose = async () => {
    await model.dispose();
    await llama.dispose();
  };
  if (architecture === "bert") {
    // The context must be longer than the longest text.
    const context = await model.createEmbeddingContext({ contextSize: 1024, batchSize: 1024, threads });
    // A second call waits for the first: there is no way to give it several texts at once.
    const embed = async (texts) => {
      const vectors = [];
      for (const text of texts) vectors.push(unit((await context.getEmbeddingFor(text)).vector));
      return vectors;
    };
    return { name, embed, dispose };
  }
  const options = { contextSize: 1024, batchSize: 512, sequences: 8, threads };
  const context = await model.createContext(options);
  const sequences = Array.from({ length: options.sequences }, () => context.getSequence());
  const evaluate = async (index, ids) => {
    await sequences[index].clearHistory();
    return sequences[index].evaluate(ids, { temperature: 0, yieldEogToken: true });
  };
  return {
    name,
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
    dispose,
  };
}

/** Versions of what is compared. */
export function versions() {
  const version = (file) => JSON.parse(readFileSync(require.resolve(file), "utf8")).version;
  return {
    "ggml-transformers": version("../package.json"),
    "node-llama-cpp": version("./node_modules/node-llama-cpp/package.json"),
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

function unit(vector) {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(vector, (value) => value / length);
}
