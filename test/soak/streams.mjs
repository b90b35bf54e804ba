/**
 * Whether nothing is lost, doubled, reordered or leaked while many streams run, end and are given up at random.
 *
 *   node --expose-gc test/soak/streams.mjs [seconds] [streams] [seed]     (default 120, 200 and the time)
 *
 * Each of the streams takes one job after the other: a prompt and settings whose tokens were computed alone before. What
 * comes must be those tokens, or a beginning of them where the job was given up. Some are read so late that the engine
 * pauses, some are forgotten in the middle. After a warm-up of a quarter of the
 * time, resident memory may not grow by more than 32 MB. Exit code 1 when anything is wrong.
 */
import { Generator } from "../../dist/index.mjs";

const [seconds = 120, streams = 200, seed = Date.now() % 2 ** 32] = process.argv.slice(2).map(Number);
const TOLERANCE_MB = 32;
console.log(`${streams} streams, ${seconds} s, seed ${seed}`);

/** Mulberry32. */
let state = seed;
function uniform() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (limit) => Math.floor(uniform() * limit);

const PROMPTS = [
  "The sea was",
  "Call me",
  "My fellow citizens",
  "It was the",
  "The whale is large. The ship is",
];
const SETTINGS = [
  {},
  { temperature: 0.9, topK: 40 },
  { temperature: 1, topP: 0.9, repetitionPenalty: 1.1 },
  { mirostat: { version: 2 } },
  { speculation: { method: "promptLookup" } },
  { guidanceScale: 1.5, negativePrompt: "A tax" },
  { logitsProcessor: (logits) => void (logits[100] = Number.NEGATIVE_INFINITY) },
  { stop: ["."] },
];

async function makeJobs() {
  const alone = await Generator.load("mini-gpt2", { threads: 1, promptCache: 0 });
  const jobs = [];
  for (const prompt of PROMPTS) {
    for (const [i, settings] of SETTINGS.entries()) {
      const options = { ...settings, maxTokens: 1 + below(120), ignoreEos: true };
      if (i > 0 && i < 4) options.seed = below(2 ** 31);
      const { text, tokens } = await alone.generate(prompt, options);
      jobs.push({ prompt, options, text, tokens: tokens.join() });
    }
  }
  await alone.dispose();
  return jobs;
}

const jobs = await makeJobs();
const generator = await Generator.load("mini-gpt2");
const counts = { whole: 0, slow: 0, aborted: 0, left: 0, session: 0, abandoned: 0, dropped: 0 };
const wrong = (what, job, got) => {
  console.error(`WRONG ${what}: ${JSON.stringify(job.options)} after ${JSON.stringify(job.prompt)}: ${got}`);
  process.exitCode = 1;
};
const checkBeginning = (job, text, what) => {
  if (!job.text.startsWith(text)) wrong(what, job, JSON.stringify(text));
};

async function whole(job) {
  let text = "";
  const stream = generator.stream(job.prompt, job.options);
  for await (const chunk of stream) {
    text += chunk.text;
    // A consumer that is slow now and then.
    if (uniform() < 0.01) await new Promise((resolve) => setTimeout(resolve, below(30)));
  }
  const { tokens } = await stream.result;
  if (text !== job.text || tokens.join() !== job.tokens) wrong("a whole stream", job, JSON.stringify(text));
  counts.whole++;
}

/** Read late, so that the engine pauses; it is never further ahead than it may be. */
async function slow(job) {
  const highWaterMark = 1 + below(8);
  let told = 0;
  let read = 0;
  let text = "";
  const held = uniform() < 0.5 ? undefined : generator.createSession();
  await held?.append(job.prompt);
  const options = { ...job.options, highWaterMark, onToken: () => void told++ };
  const stream = held ? held.stream(options) : generator.stream(job.prompt, options);
  for await (const chunk of stream) {
    text += chunk.text;
    if (told > ++read + highWaterMark + 1) wrong("a slow stream's lead", job, `${told} tokens, ${read} read`);
    if (uniform() < 0.05) await new Promise((resolve) => setTimeout(resolve, below(100)));
  }
  const { tokens } = await stream.result;
  if (text !== job.text || tokens.join() !== job.tokens) wrong("a slow stream", job, JSON.stringify(text));
  held?.dispose();
  counts.slow++;
}

/** Begun and forgotten: it ends by itself, or when it is collected. */
const forgotten = new Set();
async function dropped(job) {
  const stream = generator.stream(job.prompt, { ...job.options, highWaterMark: 2 });
  for (let i = below(4); i >= 0; i--) await stream.next();
  forgotten.add(stream.result);
  void checkDropped(job, stream.result);
}

/** Holds the result alone, which does not keep the stream. */
async function checkDropped(job, result) {
  const { text } = await result;
  checkBeginning(job, text, "a stream that was dropped");
  forgotten.delete(result);
  counts.dropped++;
}

async function aborted(job) {
  const stop = new AbortController();
  const after = below(job.options.maxTokens);
  let text = "";
  let seen = 0;
  const onToken = (chunk) => {
    text += chunk.text;
    if (seen++ === after) stop.abort();
  };
  if (uniform() < 0.2) setTimeout(() => stop.abort(), below(20));
  try {
    await generator.generate(job.prompt, { ...job.options, signal: stop.signal, onToken });
  } catch (error) {
    if (error.code !== "ABORTED") wrong("an aborted call", job, error);
  }
  checkBeginning(job, text, "an aborted call");
  counts.aborted++;
}

async function left(job) {
  const after = below(job.options.maxTokens);
  let text = "";
  let seen = 0;
  const stream = generator.stream(job.prompt, job.options);
  for await (const chunk of stream) {
    text += chunk.text;
    if (seen++ === after) break;
  }
  await stream.result;
  checkBeginning(job, text, "a stream that was left");
  counts.left++;
}

async function session(job) {
  const held = generator.createSession();
  await held.append(job.prompt);
  const fork = await held.fork();
  const results = await Promise.all([held.generate(job.options), fork.generate(job.options)]);
  for (const { tokens } of results) if (tokens.join() !== job.tokens) wrong("a session", job, tokens.join());
  held.dispose();
  if (uniform() < 0.5) fork.dispose(); // else it is garbage
  counts.session++;
}

/** Begun, and never read to its end. */
async function abandoned(job) {
  const iterator = generator.stream(job.prompt, job.options)[Symbol.asyncIterator]();
  const { value } = await iterator.next();
  checkBeginning(job, value?.text ?? "", "an abandoned stream");
  await iterator.return?.();
  counts.abandoned++;
}

const KINDS = [whole, whole, slow, slow, aborted, left, session, abandoned, dropped];
const end = performance.now() + seconds * 1000;

async function work() {
  while (performance.now() < end) await KINDS[below(KINDS.length)](jobs[below(jobs.length)]);
}

const samples = [];
const sampler = setInterval(() => {
  globalThis.gc();
  samples.push(process.memoryUsage.rss() / 2 ** 20);
}, 1000);
await Promise.all(Array.from({ length: streams }, work));
// Those that nobody holds any more are still collected, one and all.
while (forgotten.size > 0) await new Promise((resolve) => setTimeout(resolve, 50));
clearInterval(sampler);

const settled = samples.slice(Math.ceil(samples.length / 4));
const middle = settled.slice(0, Math.ceil(settled.length / 3)).toSorted((a, b) => a - b);
const last = settled.slice(-Math.ceil(settled.length / 3)).toSorted((a, b) => a - b);
const growth = last[last.length >> 1] - middle[middle.length >> 1];
console.log(
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", "),
);
console.log(
  `${growth <= TOLERANCE_MB ? "flat" : "GROWS"}: resident MB ${samples.map((each) => each.toFixed(0)).join(" ")}`,
);
if (growth > TOLERANCE_MB) process.exitCode = 1;
const { kvCache } = generator.memory();
await generator.dispose();
const after = generator.memory().kvCache;
console.log(
  `keys and values: ${(kvCache / 2 ** 20).toFixed(1)} MB at the end, ${after} bytes after disposal`,
);
