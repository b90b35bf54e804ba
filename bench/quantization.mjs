// What each weight type costs and saves: size, loading, speed and accuracy, all types turn by turn.
//   npm --prefix bench run bench:quantization -- [--rounds 5] [--threads 1] [--types Q8_0,Q4_K]
//     [--only encoder,decoder,trained]
import fs from "node:fs";
import { parseArgs } from "node:util";
import { Encoder, Generator, quantize } from "../dist/index.mjs";
import { interleaved, cosine, hardware, seconds } from "./measure.mjs";
import { CACHE, randomModel } from "./models.mjs";
import { printMachine, save } from "./report.mjs";
import { promptMaker, textMaker } from "./texts.mjs";
import { readPassages } from "../examples/passages.mjs";

const TYPES = ["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0"];
const MEGABYTE = 1e6;
/** Tokens of the texts whose vectors are compared. */
const LENGTHS = [8, 12, 20, 32, 48, 64, 96, 128, 160, 200];
const TEXTS = { count: 4, tokens: 128 };
const DECODED = 32;
/** Characters of the text whose perplexity is taken. */
const DOCUMENT = 16_000;
const PROMPT = 256;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "1" },
    types: { type: "string", default: TYPES.join(",") },
    only: { type: "string", default: "encoder,decoder,trained" },
  },
});
const rounds = Number(flags.rounds);
const threads = Number(flags.threads);
const types = ["F32", ...flags.types.split(",").filter((type) => type !== "F32")];

const PARTS = {
  encoder: ["bert-base shape", measureEncoders],
  decoder: ["GPT-2 124M shape", measureDecoders],
  trained: ["trained models of the package", measureTrained],
};

async function main() {
  const machine = hardware();
  printMachine(machine, {});
  const parts = {};
  for (const part of flags.only.split(",")) {
    const [title, measure] = PARTS[part];
    parts[part] = await measure();
    printTable(title, parts[part]);
  }
  save("quantization", { date: new Date().toISOString(), machine, threads, ...parts });
}

// ---- an encoder with random weights

async function measureEncoders() {
  const models = await load(Encoder, "bert-base");
  const makeText = await textMaker(1);
  const compared = LENGTHS.map(makeText);
  const texts = Array.from({ length: TEXTS.count }, () => makeText(TEXTS.tokens));
  const speed = await interleaved(models, rounds, ({ model }) =>
    perCpuSecond(TEXTS.count * TEXTS.tokens, () => model.embed(texts)),
  );
  const exact = await models[0].model.embed(compared);
  const rows = [];
  for (const each of models) {
    const vectors = await each.model.embed(compared);
    const cosines = vectors.map((vector, i) => cosine(vector, exact[i]));
    rows.push({
      type: each.name,
      ...sizes(each),
      "tokens/CPU s": Math.round(speed[each.name]),
      cosine: mean(cosines).toFixed(5),
      "least cosine": Math.min(...cosines).toFixed(5),
    });
  }
  await dispose(models);
  return rows;
}

// ---- a decoder with random weights

async function measureDecoders() {
  const models = await load(Generator, "gpt2", { promptCache: 0 });
  const makePrompt = promptMaker(1);
  const prompt = { ids: makePrompt(PROMPT) };
  const start = { ids: makePrompt(8) };
  const options = { maxTokens: DECODED, ignoreEos: true };
  const reading = await interleaved(models, rounds, ({ model }) =>
    perCpuSecond(PROMPT, () => model.generate(prompt, { maxTokens: 1, ignoreEos: true })),
  );
  const decoding = await interleaved(models, rounds, ({ model }) =>
    perCpuSecond(DECODED, () => model.generate(start, options)),
  );
  const exact = await models[0].model.logits(prompt);
  const rows = [];
  for (const each of models) {
    const { divergence, agreement } = compareLogits(exact, await each.model.logits(prompt));
    rows.push({
      type: each.name,
      ...sizes(each),
      "prompt tokens/CPU s": Math.round(reading[each.name]),
      "decoded tokens/CPU s": decoding[each.name].toFixed(1),
      "KL divergence": divergence.toExponential(1),
      "same best token": percent(agreement),
    });
  }
  await dispose(models);
  return rows;
}

/** Mean Kullback-Leibler divergence of the distributions, and how often the best token is the same. */
function compareLogits(exact, other) {
  const [S, V] = exact.shape;
  let divergence = 0;
  let same = 0;
  for (let s = 0; s < S; s++) {
    const p = logSoftmax(exact.data.subarray(s * V, (s + 1) * V));
    const q = logSoftmax(other.data.subarray(s * V, (s + 1) * V));
    divergence += p.reduce((sum, logP, i) => sum + Math.exp(logP) * (logP - q[i]), 0);
    if (best(p) === best(q)) same++;
  }
  return { divergence: Math.max(0, divergence / S), agreement: same / S };
}

function logSoftmax(row) {
  const largest = row.reduce((a, b) => Math.max(a, b));
  const logSum = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  return Float64Array.from(row, (value) => value - logSum);
}

function best(values) {
  return values.reduce((at, value, i) => (value > values[at] ? i : at), 0);
}

// ---- trained models, on the paragraphs of the documentation

async function measureTrained() {
  const passages = (await readPassages(new URL("..", import.meta.url), ["README.md", "docs"])).map(
    ({ body }) => body,
  );
  const document = passages.join("\n\n").slice(0, DOCUMENT);
  const rows = [];
  let exact;
  for (const type of types) {
    const encoder = await Encoder.load(await requantized("mini-embed", type), { threads });
    const generator = await Generator.load(await requantized("mini-gpt2", type), { threads });
    const vectors = await encoder.embed(passages, { truncate: true });
    const { perplexity } = await generator.perplexity(document);
    exact ??= vectors;
    const cosines = vectors.map((vector, i) => cosine(vector, exact[i]));
    rows.push({
      type,
      "mini-embed cosine": mean(cosines).toFixed(5),
      least: Math.min(...cosines).toFixed(5),
      "mini-gpt2 perplexity": perplexity.toFixed(2),
    });
    await Promise.all([encoder.dispose(), generator.dispose()]);
  }
  return rows;
}

/** The package's model with its weights, which are Q8_0, in another type: `F32` has the same values. */
async function requantized(name, type) {
  const source = new URL(`../models/${name}.gguf`, import.meta.url);
  const target = `${CACHE}/${name}-${type}.gguf`;
  fs.mkdirSync(CACHE, { recursive: true });
  const { path } = await quantize(source.pathname, target, { type });
  return path;
}

// ---- shared

/** The model in every type, loaded: `{ name, path, model, loadMs }`. */
async function load(kind, name, options = {}) {
  const models = [];
  for (const type of types) {
    const path = await randomModel(name, type);
    await kind.load(path, { threads, ...options }).then((model) => model.dispose()); // into the file cache
    let model;
    const loadMs =
      1000 * (await seconds(async () => (model = await kind.load(path, { threads, ...options }))));
    models.push({ name: type, path, model, loadMs });
  }
  return models;
}

async function dispose(models) {
  await Promise.all(models.map(({ model }) => model.dispose()));
}

function sizes({ path, loadMs }) {
  return {
    "file MB": Math.round(fs.statSync(path).size / MEGABYTE),
    "load ms": Math.round(loadMs),
  };
}

/** `count` per second of processor time: other work on the machine counts less than on the clock. */
async function perCpuSecond(count, work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1e6);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function printTable(title, rows) {
  const heads = Object.keys(rows[0]);
  console.log(`\n### ${title}\n`);
  console.log(`| ${heads.join(" | ")} |`);
  console.log(`| ${heads.map((_, i) => (i === 0 ? "---" : "---:")).join(" | ")} |`);
  for (const row of rows) console.log(`| ${heads.map((head) => row[head]).join(" | ")} |`);
}

await main();
