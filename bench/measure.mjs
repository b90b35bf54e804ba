// Interleaved runs and their medians, and the machine they were measured on.
import os from "node:os";
import { setTimeout as pause } from "node:timers/promises";

/** Some engines' threads spin for a while after their last work: they must not slow the next engine down. */
const REST_MS = 300;

/**
 * Runs `work(engine)` for every engine in turn, `rounds` times after one to warm up. Returns the results of each, by
 * the engines' names.
 */
export async function samples(engines, rounds, work) {
  const results = new Map(engines.map((engine) => [engine.name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const engine of engines) {
      await pause(REST_MS);
      const value = await work(engine);
      if (round >= 0) results.get(engine.name).push(value);
    }
  }
  return results;
}

/** The same for work that returns a number: the medians, by the engines' names. */
export async function interleaved(engines, rounds, work) {
  const results = await samples(engines, rounds, work);
  return Object.fromEntries([...results].map(([name, values]) => [name, median(values)]));
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest value that at least `p` percent of the values do not exceed. */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)];
}

/** Seconds that `work` takes. */
export async function seconds(work) {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

/** The cosine of two vectors of unit length. */
export function cosine(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

export function hardware() {
  const [cpu] = os.cpus();
  return {
    cpu: cpu.model,
    cores: os.cpus().length,
    memoryGB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.platform()} ${os.arch()}`,
    node: process.version,
    loadBefore: os.loadavg()[0],
  };
}
