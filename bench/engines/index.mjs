// Engines by name, each in a process of its own: "ours Q8_0", "ours Q8_0 avx2", "llama Q8_0", "ort int8",
// "transformers int8".
import { fork } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { randomModel } from "../models.mjs";
import { onnxModel } from "../onnx/index.mjs";
import { SHAPES } from "../weights.mjs";

const HOST = fileURLToPath(new URL("host.mjs", import.meta.url));

/** What may follow the type in a name. */
const VARIANTS = {
  generic: { options: { generic: true } },
  avx2: { env: { GGML_TRANSFORMERS_ISA: "avx2" } },
  "in arrival order": { options: { order: "arrival", batch: 32 } },
  "sorted by length": { options: { order: "sorted", batch: 32 } },
};

const PACKAGES = {
  ours: ["ggml-transformers", "../../package.json"],
  llama: ["node-llama-cpp", "../node_modules/node-llama-cpp/package.json"],
  ort: ["onnxruntime-node", "../node_modules/onnxruntime-node/package.json"],
  transformers: ["@huggingface/transformers", "../node_modules/@huggingface/transformers/package.json"],
};

/** The package behind an engine's kind, and its version. */
export function versions() {
  const entries = Object.entries(PACKAGES).map(([kind, [name, manifest]]) => {
    const { version } = JSON.parse(readFileSync(new URL(manifest, import.meta.url), "utf8"));
    return [kind, `${name} ${version}`];
  });
  return Object.fromEntries(entries);
}

function parse(name) {
  const [, kind, type, variant] = /^(\S+) (\S+) ?(.*)$/.exec(name);
  return { kind, type, ...(variant && VARIANTS[variant]) };
}

/** An engine with a model loaded; its methods are those of host.mjs. */
export class Engine {
  #process;
  #waiting = new Map();
  #next = 0;

  constructor(name, model, env) {
    this.name = name;
    this.model = model;
    this.#process = fork(HOST, [], {
      env: { ...process.env, ...env },
      execArgv: ["--expose-gc"],
      serialization: "advanced",
    });
    this.#process.on("message", ({ id, result, error }) => this.#settle(id, result, error));
    this.#process.on("exit", (code, signal) => {
      for (const id of this.#waiting.keys()) this.#settle(id, undefined, `ended with ${signal ?? code}`);
    });
  }

  static async start(name, model, threads) {
    const { kind, type, env, options } = parse(name);
    const onnx = kind === "ort" || kind === "transformers";
    const file = await (onnx ? onnxModel(model, type) : randomModel(model, type));
    const engine = new Engine(name, model, env);
    const { architecture } = SHAPES[model];
    // An ONNX model is a folder.
    if (!onnx) engine.fileBytes = statSync(file).size;
    try {
      engine.loadMs = await engine.call("load", { kind, file, type, architecture, threads, ...options });
    } catch (error) {
      engine.#process.kill();
      throw error;
    }
    return engine;
  }

  call(method, ...args) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send(
        { id, method, args },
        (error) => error && this.#settle(id, undefined, error.message),
      );
    });
  }

  async stop() {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    await this.call("stop").catch(() => this.#process.kill());
    await ended;
  }

  #settle(id, result, error) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(`${this.name}: ${error}`));
  }
}

/** The engines that are loaded; those that the next workload shares with the last stay. */
export class EnginePool {
  #engines = [];

  constructor(threads) {
    this.threads = threads;
  }

  /** Starts what is missing and stops what is not needed. One that cannot be started is reported and left out. */
  async use(names, model) {
    const isWanted = (engine) => engine.model === model && names.includes(engine.name);
    await Promise.all(this.#engines.filter((engine) => !isWanted(engine)).map((engine) => engine.stop()));
    this.#engines = this.#engines.filter(isWanted);
    const engines = [];
    for (const name of names) {
      const running = this.#engines.find((engine) => engine.name === name);
      try {
        engines.push(running ?? (await Engine.start(name, model, this.threads)));
      } catch (error) {
        console.error(`${name} is left out, since it cannot load ${model}: ${error.message}`);
      }
    }
    this.#engines = engines;
    return engines;
  }

  stop() {
    return this.use([]);
  }
}
