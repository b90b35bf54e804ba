/**
 * How a model fares when the processor is wanted elsewhere: beside a second model, beside busy processes, and what
 * it uses when idle. Prints JSON: ratios of speeds, each the best of some rounds that take turns with the speed
 * alone, and processor time used per second of idleness.
 *
 *   node test/native/oversubscription.mjs [rounds]     (default 3)
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Encoder, Generator } from "../../dist/index.mjs";

const ROUNDS = Number(process.argv[2] ?? 3);
const MILLISECONDS = 400;
const cores = availableParallelism();
const texts = Array.from(
  { length: 32 },
  (_, i) => `the sea and the ship ${i} were in the storm of that year`,
);

/** Calls per second, in work that goes on for a while. */
async function speed(call) {
  const begin = performance.now();
  let calls = 0;
  do {
    await call();
    calls++;
  } while (performance.now() - begin < MILLISECONDS);
  return (1000 * calls) / (performance.now() - begin);
}

/** The best ratio of `work` to `reference`, measured in turns. */
async function bestRatio(reference, work) {
  let best = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const alone = await reference();
    best = Math.max(best, (await work(alone)) / alone);
  }
  return best;
}

/** Runs `work` beside processes that do nothing but compute. */
async function besideBusyProcesses(count, work) {
  // They end by themselves if this program does not live to end them.
  const code = "const end = Date.now() + 20000; console.log(); while (Date.now() < end);";
  const busy = Array.from({ length: count }, () =>
    spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  try {
    await Promise.all(busy.map((child) => once(child.stdout, "data")));
    return await work();
  } finally {
    for (const child of busy) child.kill("SIGKILL");
    await Promise.all(busy.map((child) => child.exitCode ?? child.signalCode ?? once(child, "exit")));
  }
}

const first = await Encoder.load("mini-embed", { threads: cores });
const second = await Encoder.load("mini-embed", { threads: cores });
const generator = await Generator.load("mini-gpt2", { threads: cores });
const embedFirst = () => first.embed(texts);
const embedSecond = () => second.embed(texts);
const generate = () => generator.generate("The sea", { maxTokens: 20, ignoreEos: true });
for (const call of [embedFirst, embedSecond, generate]) await call();

const report = { cores };
report.twoEncoders = await bestRatio(
  () => speed(embedFirst),
  async () => (await Promise.all([speed(embedFirst), speed(embedSecond)])).reduce((a, b) => a + b),
);
report.encoderBesideBusy = await bestRatio(
  () => speed(embedFirst),
  () => besideBusyProcesses(2 * cores, () => speed(embedFirst)),
);
report.generatorBesideBusy = await bestRatio(
  () => speed(generate),
  () => besideBusyProcesses(2 * cores, () => speed(generate)),
);

await sleep(300);
const before = process.cpuUsage();
const begin = performance.now();
await sleep(2000);
const { user, system } = process.cpuUsage(before);
report.idle = (user + system) / 1000 / (performance.now() - begin);

await Promise.all([first, second, generator].map((model) => model.dispose()));
console.log(JSON.stringify(report));
