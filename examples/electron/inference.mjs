// The utility process: has the models, and a crash here closes no window.
import { Encoder, Generator } from "ggml-transformers";

const models = new Map();

/** Each model is loaded once, when it is first needed. */
function load(type, name) {
  if (!models.has(name)) models.set(name, type.load(name));
  return models.get(name);
}

const running = new Map();

const methods = {
  async search({ query, passages }) {
    const encoder = await load(Encoder, "mini-embed");
    const [queryVector, ...vectors] = await encoder.embed([query, ...passages]);
    // The vectors have length 1, so that the dot product is the cosine similarity.
    const score = (vector) => vector.reduce((sum, value, i) => sum + value * queryVector[i], 0);
    return passages.map((text, i) => ({ text, score: score(vectors[i]) })).sort((a, b) => b.score - a.score);
  },

  async write({ prompt, seed }, { signal, send }) {
    const generator = await load(Generator, "mini-gpt2");
    let written = "";
    try {
      const options = { maxTokens: 80, temperature: 0.8, topK: 40, seed, signal };
      for await (const { text } of generator.stream(prompt, options)) {
        written += text;
        send(text);
      }
    } catch (error) {
      if (error.code !== "ABORTED") throw error;
    }
    return written;
  },
};

async function answer({ id, method, parameters }) {
  const controller = new AbortController();
  running.set(id, controller);
  const send = (text) => process.parentPort.postMessage({ id, text });
  try {
    const result = await methods[method](parameters, { signal: controller.signal, send });
    process.parentPort.postMessage({ id, result });
  } catch (error) {
    process.parentPort.postMessage({ id, error: { message: error.message, code: error.code } });
  } finally {
    running.delete(id);
  }
}

process.parentPort.on("message", ({ data }) => {
  if (data.method === "stop") running.get(data.id)?.abort();
  else void answer(data);
});
