// What the package does, on real text: this repository's own documentation. Run it with `npm run demo`.
import { Encoder, Generator } from "../dist/index.mjs";
import { readPassages } from "./passages.mjs";
import { bold, dim, excerpt, line, progressBar, wrapped } from "./terminal.mjs";

const QUERIES = [
  "what happens if a file is corrupt",
  "interrupt a long task",
  "how many threads should I use",
];
const MASKED = "In the fiscal [MASK] ending June 30 the revenue was two hundred million dollars.";
const PAIRS = [
  [
    "The revenue of the last year was larger than the expenditures.",
    "The surplus has been used to reduce the public debt.",
  ],
  [
    "The revenue of the last year was larger than the expenditures.",
    "The harpooneer stood up in the boat and darted his iron at the whale.",
  ],
];
const PROMPT = "It is our duty to";

async function main() {
  line(
    bold("ggml-transformers"),
    dim("  on this machine, with the models of the package; nothing is sent anywhere"),
  );
  await withModel(Encoder, "mini-embed", search);
  await withModel(Encoder, "mini-bert", async (encoder) => {
    await fillMask(encoder);
    await judgePairs(encoder);
  });
  await withModel(Generator, "mini-gpt2", generate);
  line();
  line(dim("The models in the package have 5 to 11 million weights and have read a few old books and a"));
  line(dim("dictionary: judge the machinery by them, not the meaning. docs/models.md says how to bring"));
  line(dim("a better one."));
}

/** Loads a model by name, hands it to `work`, and lets go of it. */
async function withModel(type, name, work) {
  const model = await type.load(name);
  try {
    await work(model);
  } finally {
    await model.dispose();
  }
}

// ---- 1. search by meaning

async function search(encoder) {
  heading("1  Search by meaning", "mini-embed");
  const passages = await readPassages(new URL("..", import.meta.url), [
    "README.md",
    "docs",
    "models/README.md",
  ]);
  const texts = passages.map(({ text }) => text);
  const files = new Set(passages.map(({ file }) => file)).size;
  line(`Reading ${files} files: ${texts.length} passages`);

  const bar = progressBar("Embedding", texts.length);
  let cut = 0;
  const [vectors, seconds] = await timed(() =>
    encoder.embed(texts, {
      truncate: true,
      onTruncate: () => cut++,
      onProgress: ({ done }) => bar.update(done),
    }),
  );
  bar.stop();
  const tokens = await countTokens(encoder, texts);
  line(
    `Embedded ${texts.length} passages of ${tokens.toLocaleString("en-US")} tokens in ${seconds.toFixed(2)} s`,
  );
  if (cut > 0) line(dim(`(${cut} were cut to the ${encoder.info.maxLength} tokens this model reads)`));
  rate(`${perSecond(texts.length, seconds)} passages/s, ${perSecond(tokens, seconds)} tokens/s`);

  for (const query of QUERIES) {
    line();
    line(`"${bold(query)}"`);
    for (const { score, file, title, body } of (await find(encoder, query, passages, vectors)).slice(0, 3)) {
      line(`  ${score.toFixed(2)}  ${file}, ${title}`);
      line(dim(`        ${excerpt(body, 90)}`));
    }
  }
  rate(`${await medianTime(() => find(encoder, QUERIES[0], passages, vectors))} per query`);
}

/** The passages, the most similar first. */
async function find(encoder, query, passages, vectors) {
  const wanted = await encoder.embed(query);
  // Vectors have length 1: the dot product is the cosine of the angle between them.
  const scores = vectors.map((vector) => vector.reduce((sum, value, i) => sum + value * wanted[i], 0));
  const scored = passages.map(({ file, title, body }, i) => ({ file, title, body, score: scores[i] }));
  return scored.sort((a, b) => b.score - a.score);
}

/** Tokens as the model reads them. */
async function countTokens({ tokenizer, info }, texts) {
  let tokens = 0;
  for (const text of texts)
    tokens += Math.min((await tokenizer.encodeAsync(text)).ids.length, info.maxLength);
  return tokens;
}

// ---- 2. a missing word, 3. two sentences

async function fillMask(encoder) {
  heading("2  Fill in the missing word", "mini-bert");
  line(`"${bold(MASKED)}"`);
  const { masks } = await encoder.fillMask(MASKED, { topK: 5 });
  for (const { score, tokenString } of masks[0].predictions) {
    line(`  ${`${(100 * score).toFixed(1)} %`.padStart(6)}  ${tokenString}`);
  }
  rate(`${await medianTime(() => encoder.fillMask(MASKED, { topK: 5 }))} per text`);
}

async function judgePairs(encoder) {
  heading("3  Does one sentence follow the other?", "mini-bert");
  const results = await encoder.nextSentence(PAIRS);
  for (const [i, { probability }] of results.entries()) {
    const verdict = probability >= 0.5 ? "follows" : "does not follow";
    line(`  "${PAIRS[i][0]}"`);
    line(`  "${PAIRS[i][1]}"`);
    line(`    ${bold(verdict)}, probability ${probability.toFixed(3)}`);
  }
  rate(`${await medianTime(() => encoder.nextSentence(...PAIRS[0]))} per pair`);
}

// ---- 4. text

async function generate(generator) {
  heading("4  Go on from a few words", "mini-gpt2");
  const stream = generator.stream(PROMPT, { maxTokens: 110, temperature: 0.7, topK: 40, seed: 1 });
  const paragraph = wrapped(96);
  paragraph.write(PROMPT);
  for await (const { text } of stream) paragraph.write(text);
  paragraph.end();
  const { timings } = await stream.result;
  rate(
    `${timings.generatedTokens} tokens at ${timings.generatedTokensPerSecond.toFixed(0)} tokens/s, ` +
      `the first after ${timings.promptMs.toFixed(1)} ms`,
  );
}

// ---- shared

function heading(title, model) {
  line();
  line(bold(title), dim(`  ${model}`));
}

function rate(text) {
  line(dim(`  -> ${text}`));
}

function perSecond(count, seconds) {
  return Math.round(count / seconds).toLocaleString("en-US");
}

async function timed(work) {
  const begin = performance.now();
  const result = await work();
  return [result, (performance.now() - begin) / 1000];
}

/** How long `work` takes once it is warm: the median of some runs. */
async function medianTime(work) {
  const times = [];
  for (let i = 0; i < 9; i++) times.push((await timed(work))[1]);
  return `${(1000 * times.sort((a, b) => a - b)[4]).toFixed(1)} ms`;
}

await main();
