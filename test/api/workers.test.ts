/** The built package in worker threads and in processes of its own, ended at any moment. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";

const DIST = resolve(__dirname, "../../dist/index.js");

interface Outcome {
  exit: number | string | null;
  stdout: string;
  stderr: string;
}

/** Runs a program in a process of its own, with the package as `api`. */
function run(program: string): Promise<Outcome> {
  const source = `const api = require(${JSON.stringify(DIST)});\n${program}`;
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ["--trace-uncaught", "-e", source]);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    child.on("error", fail);
    child.on("close", (code, signal) => done({ exit: code ?? signal, stdout, stderr }));
  });
}

/** Work that keeps the engine busy until it is stopped. */
const BUSY_WORKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { Encoder, Generator } = require(workerData);
  (async () => {
    const encoder = await Encoder.load("mini-bert", { threads: 1 });
    const generator = await Generator.load("mini-gpt2", { threads: 1 });
    const texts = Array.from({ length: 300 }, (_, i) => "the whale and the sea ".repeat(1 + i % 20));
    const rounds = async () => {
      for (;;) await Promise.all([encoder.embed(texts), generator.generate("sea", { maxTokens: 400, ignoreEos: true })]);
    };
    rounds().catch(() => {});
    parentPort.postMessage("busy");
  })();
`;

describe("worker threads", () => {
  it("compute what the main thread computes, several at once", async () => {
    const { exit, stdout, stderr } = await run(`
      const { Worker } = require("node:worker_threads");
      const worker = \`
        const { parentPort, workerData } = require("node:worker_threads");
        const { Encoder } = require(workerData);
        Encoder.load("mini-embed", { threads: 1 }).then(async (encoder) => {
          parentPort.postMessage(await encoder.embed(["a whale", "the sea"]));
          await encoder.dispose();
        });
      \`;
      const inWorker = () => new Promise((done, fail) => {
        const thread = new Worker(worker, { eval: true, workerData: ${JSON.stringify(DIST)} });
        thread.once("message", done).once("error", fail);
      });
      (async () => {
        const encoder = await api.Encoder.load("mini-embed", { threads: 1 });
        const here = await encoder.embed(["a whale", "the sea"]);
        const there = await Promise.all([inWorker(), inWorker(), inWorker()]);
        for (const vectors of there) require("node:assert").deepStrictEqual(vectors, here);
        await encoder.dispose();
        console.log("equal");
      })();
    `);
    expect(stderr).toBe("");
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: "equal\n" });
  });

  it("can be terminated in the middle of loading and computing, again and again", async () => {
    const { exit, stdout, stderr } = await run(`
      const { Worker } = require("node:worker_threads");
      const busy = ${JSON.stringify(BUSY_WORKER)};
      const start = () => new Worker(busy, { eval: true, workerData: ${JSON.stringify(DIST)} });
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      (async () => {
        for (const ms of [0, 5, 20, 50, 100, 200]) {
          const workers = [start(), start()];
          await sleep(ms);
          await Promise.all(workers.map((worker) => worker.terminate()));
        }
        for (const ms of [0, 10, 100]) {
          const worker = start();
          await new Promise((resolve) => worker.once("message", resolve));
          await sleep(ms);
          await worker.terminate();
        }
        const encoder = await api.Encoder.load("mini-bert");
        console.log((await encoder.embed("still here")).length);
        await encoder.dispose();
      })();
    `);
    expect(stderr).toBe("");
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: "256\n" });
  });

  it("may exit by themselves in the middle of work", async () => {
    const { exit, stderr } = await run(`
      const { Worker } = require("node:worker_threads");
      const source = ${JSON.stringify(BUSY_WORKER.replace('parentPort.postMessage("busy")', "process.exit()"))};
      new Worker(source, { eval: true, workerData: ${JSON.stringify(DIST)} }).on("exit", (code) => {
        process.exitCode = code;
      });
    `);
    expect(stderr).toBe("");
    expect(exit).toBe(0);
  });
});

describe("a process", () => {
  const load = `const loaded = Promise.all([api.Encoder.load("mini-bert"), api.Generator.load("mini-gpt2")]);`;

  it("ends by itself when models are left open with nothing to do", async () => {
    const { exit, stderr } = await run(`${load} loaded.then(([encoder]) => encoder.embed("a"));`);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  });

  it("ends by itself when a stream is left paused, and not before it is", async () => {
    const { exit, stdout, stderr } = await run(`
      ${load}
      loaded.then(async ([, generator]) => {
        const short = generator.stream("a", { maxTokens: 5, ignoreEos: true });
        await short.next();
        console.log((await short.result).finishReason);
        const long = generator.stream("a", { maxTokens: 400, ignoreEos: true });
        await long.next();
        await long.result; // never: nobody reads
        console.log("unreachable");
      });
    `);
    expect(stderr).toBe("");
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: "length\n" });
  });

  it("stays alive until a stream that was paused has ended, however it is ended", async () => {
    const { exit, stdout, stderr } = await run(`
      ${load}
      const options = { maxTokens: 400, ignoreEos: true };
      const began = async (stream) => (await stream.next(), stream);
      loaded.then(async ([, generator]) => {
        // Left before the engine pauses, as it does, and after.
        for (let i = 0; i < 20; i++) {
          const stream = await began(generator.stream("a", options));
          await new Promise((resolve) => setTimeout(resolve, i % 4));
          await stream.return();
        }
        const stop = new AbortController();
        const aborted = await began(generator.stream("a", { ...options, signal: stop.signal }));
        const session = generator.createSession();
        const disposed = await began(session.stream(options));
        const closed = await began(generator.stream("a", options));
        await generator.generate("a", { maxTokens: 60, ignoreEos: true }); // all are paused by now
        stop.abort();
        console.log((await aborted.result.catch((error) => error)).code);
        session.dispose();
        const left = await disposed.result.catch((error) => error);
        console.log(left.finishReason ?? left.code);
        const end = generator.dispose();
        console.log((await closed.result.catch((error) => error)).code);
        await end;
      });
    `);
    expect(stderr).toBe("");
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: "ABORTED\nDISPOSED\nDISPOSED\n" });
  });

  it("ends although it is stopped with streams that are paused", async () => {
    const { exit, stderr } = await run(`
      const { Worker } = require("node:worker_threads");
      const source = \`
        const { parentPort, workerData } = require("node:worker_threads");
        const { Generator } = require(workerData);
        Generator.load("mini-gpt2", { threads: 1 }).then(async (generator) => {
          const streams = Array.from({ length: 5 }, () => generator.stream("a", { maxTokens: 400, ignoreEos: true }));
          await Promise.all(streams.map((stream) => stream.next()));
          await generator.generate("a", { maxTokens: 40, ignoreEos: true });
          parentPort.postMessage("paused");
          setInterval(() => streams, 1000);
        });
      \`;
      const worker = new Worker(source, { eval: true, workerData: ${JSON.stringify(DIST)} });
      worker.once("message", () => void worker.terminate());
    `);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  });

  it("stays alive while work is going on", async () => {
    const { stdout } = await run(
      `${load} loaded.then(([, generator]) => generator.generate("a", { maxTokens: 30, ignoreEos: true }))
         .then(({ tokens }) => console.log(tokens.length));`,
    );
    expect(stdout).toBe("30\n");
  });

  it.each([
    ["while loading", "setTimeout(() => process.exit(7), 5);"],
    ["in the middle of work", "loaded.then(work).then(() => setTimeout(() => process.exit(7), 50));"],
    ["from a callback", "loaded.then(([, g]) => g.generate('a', { onToken: () => process.exit(7) }));"],
  ])("exits at once %s", async (_, program) => {
    const { exit, stderr } = await run(`
      ${load}
      const work = async ([encoder, generator]) => {
        encoder.embed(Array(2000).fill("the whale and the sea ".repeat(20))).catch(() => {});
        generator.generate("a", { maxTokens: 500, ignoreEos: true }).catch(() => {});
      };
      ${program}
    `);
    expect({ exit, stderr }).toEqual({ exit: 7, stderr: "" });
  });

  it("reports an error nobody caught, with work going on, as any other", async () => {
    const { exit, stderr } = await run(`
      ${load}
      loaded.then(async ([encoder]) => {
        encoder.embed(Array(2000).fill("the whale and the sea ")).catch(() => {});
        await encoder.embed("a", { pooling: "none" });
      });
    `);
    expect(exit).toBe(1);
    expect(stderr).toContain('Expected "mean" or "cls" or "max" or "last" for pooling but received "none"');
  });
});
