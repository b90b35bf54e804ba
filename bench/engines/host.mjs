// The process of one engine: loads it, and does what its parent asks. One process each keeps the engines' threads,
// memory and environment apart.
//   load(options) -> ms, prepare(key, texts, batchSize), tune(key), embed(key) -> ms, embedTimed(key) -> { ms, cpuMs }, vectors(key), latencies(key, count) -> [ms]
//   prompt(ids) -> ms, decode(ids, count, streams) -> ms, residentBytes(), memory()
const MODULES = {
  ours: "./ours.mjs",
  llama: "./node-llama-cpp.mjs",
  ort: "./onnxruntime.mjs",
  transformers: "./transformers-js.mjs",
};

const jobs = new Map();
let engine;
/** Resident bytes before the engine is even imported. */
let baseline;

const methods = {
  async load({ kind, ...options }) {
    baseline = resident();
    const { load } = await import(MODULES[kind]);
    return milliseconds(async () => (engine = await load(options)));
  },
  async prepare(key, texts, batchSize) {
    if (!jobs.has(key)) jobs.set(key, await engine.prepare(texts, batchSize));
  },
  tune: async (key) => engine.tune?.(jobs.get(key)),
  embed: (key) => milliseconds(() => engine.embed(jobs.get(key))),
  async embedTimed(key) {
    const before = process.cpuUsage();
    const ms = await methods.embed(key);
    const { user, system } = process.cpuUsage(before);
    return { ms, cpuMs: (user + system) / 1000 };
  },
  vectors: (key) => engine.embed(jobs.get(key)),
  async latencies(key, count) {
    const times = [];
    for (let i = 0; i < count; i++) times.push(await methods.embed(key));
    return times;
  },
  prompt: (ids) => engine.prompt(ids),
  decode: (ids, count, streams) => engine.decode(ids, count, streams),
  residentBytes: () => resident() - baseline,
  memory: () => engine.memory?.(),
  async stop() {
    await engine?.dispose();
    setImmediate(() => process.exit());
  },
};

async function milliseconds(work) {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function resident() {
  globalThis.gc();
  return process.memoryUsage.rss();
}

process.on("message", async ({ id, method, args }) => {
  try {
    process.send({ id, result: await methods[method](...args) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
