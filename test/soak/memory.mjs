/**
 * Whether resident memory stays flat: loads and disposals, short embeddings, generations, aborted calls.
 *
 *   node --expose-gc test/soak/memory.mjs [loads] [embeddings]     (default 1000 and 100000)
 *
 * Each part runs in ten equal stretches. The first three are the warm-up, after which the resident memory at the
 * end of a stretch may not grow by more than 8 MB. Exit code 1 when it does.
 */
import { Encoder, Generator } from "../../dist/index.mjs";

const [loads = 1000, embeddings = 100_000] = process.argv.slice(2).map(Number);
const STRETCHES = 10;
const WARM_UP = 3;
const TOLERANCE_MB = 8;

async function residentMegabytes() {
  // Twice, with turns of the event loop between: finalizers of the first free what the second collects.
  for (let i = 0; i < 2; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

async function soak(name, total, run) {
  const samples = [];
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    await run(Math.ceil(total / STRETCHES));
    samples.push(await residentMegabytes());
  }
  const settled = samples.slice(WARM_UP);
  const growth = settled.at(-1) - Math.min(...settled);
  const isFlat = growth <= TOLERANCE_MB;
  const shown = samples.map((sample) => sample.toFixed(0)).join(" ");
  console.log(`${isFlat ? "flat" : "GROWS"}  ${name}: ${total}, resident MB ${shown}`);
  if (!isFlat) process.exitCode = 1;
}

await soak("loads and disposals", loads, async (count) => {
  for (let i = 0; i < count; i++) {
    const model = i % 2 ? await Encoder.load("mini-embed") : await Generator.load("mini-gpt2");
    await model.dispose();
  }
});

await soak("loads left to the garbage collector", loads / 10, async (count) => {
  for (let i = 0; i < count; i++) {
    const encoder = await Encoder.load("mini-embed", { threads: 1 });
    await encoder.embed("a whale");
    globalThis.gc();
  }
});

const encoder = await Encoder.load("mini-embed");
await soak("short embeddings, one call each", embeddings / 10, async (count) => {
  for (let i = 0; i < count; i++) await encoder.embed(`the sea and ${i}`);
});
await soak("short embeddings, 500 a call", embeddings, async (count) => {
  for (let i = 0; i < count; i += 500) {
    await encoder.embed(Array.from({ length: 500 }, (_, k) => `the sea and ${i + k}`));
  }
});
await soak("aborted calls", embeddings / 100, async (count) => {
  const texts = Array.from({ length: 200 }, (_, k) => `the sea and ${k}`);
  for (let i = 0; i < count; i++) {
    const controller = new AbortController();
    const call = encoder.embed(texts, { signal: controller.signal }).catch(() => {});
    setTimeout(() => controller.abort(), i % 5);
    await call;
  }
});
await encoder.dispose();

const generator = await Generator.load("mini-gpt2");
await soak("generations and streams left early", embeddings / 100, async (count) => {
  for (let i = 0; i < count; i++) {
    await generator.generate("The sea", { maxTokens: 8, temperature: 1, stop: "the" });
    for await (const { token } of generator.stream("War", { maxTokens: 100 })) if (token) break;
  }
});
await generator.dispose();
