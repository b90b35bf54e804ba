// This package, through its public interface.
import { Encoder, Generator } from "../../dist/index.mjs";
import { native } from "../../dist/native.js";

export async function load({ file, architecture, threads, generic }) {
  if (generic) chooseGenericLowering();
  return architecture === "bert" ? encoder(file, threads) : decoder(file, threads);
}

/** There is no public option for GGML's plain operations: they are there to compare with. */
function chooseGenericLowering() {
  const addon = native();
  const loadModel = addon.loadModel.bind(addon);
  addon.loadModel = (spec, options, onProgress) => loadModel(spec, { ...options, generic: true }, onProgress);
}

async function encoder(file, threads) {
  const model = await Encoder.load(file, { threads, device: "cpu" });
  return {
    prepare: async (texts) => texts,
    embed: (texts) => model.embed(texts, { maxLength: 512 }),
    memory: () => model.memory(),
    dispose: () => model.dispose(),
  };
}

async function decoder(file, threads) {
  const model = await Generator.load(file, { threads, device: "cpu", promptCache: 0 });
  const generate = async (ids, maxTokens) => {
    const result = await model.generate({ ids }, { maxTokens });
    if (result.tokens.length !== maxTokens) throw new Error("The generation stopped early");
    return result;
  };
  return {
    async prompt(ids) {
      const begin = performance.now();
      await generate(ids, 1);
      return performance.now() - begin;
    },
    async decode(ids, count, streams) {
      const results = await Promise.all(Array.from({ length: streams }, () => generate(ids, count + 1)));
      return Math.max(...results.map(({ timings }) => timings.decodeMs));
    },
    memory: () => model.memory(),
    dispose: () => model.dispose(),
  };
}
