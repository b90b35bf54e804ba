// What constrained output costs: a token's processor time with a constraint beside one without, turn by turn, on GPT-2's
// shape with random weights and GPT-2's own vocabulary of 50,257 tokens. Processor time, of one thread, moves less than
// time on a busy machine, and sampling is work for one thread: with n of them its share is n times as large. Each
// turn generates from a constraint made anew, so that what it finds out of the vocabulary counts; "again" uses one that
// knows its way. A text that ends early is compared with one of as many tokens.
//   npm --prefix bench run bench:constraint -- [--rounds 7] [--tokens 64] [--type Q8_0]
import { parseArgs } from "node:util";
import ranks from "js-tiktoken/ranks/gpt2";
import { constraintSteps, planConstraint } from "../dist/constraint/constraint.js";
import { openModelFile } from "../dist/model-file.js";
import { createVocabulary, native } from "../dist/native.js";
import { runNow } from "../dist/tokenizer/time-slices.js";
import { hardware, median, samples } from "./measure.mjs";
import { randomModel } from "./models.mjs";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    tokens: { type: "string", default: "64" },
    type: { type: "string", default: "Q8_0" },
  },
});
const maxTokens = Number(flags.tokens);
const PROMPT = Int32Array.of(1000);
const END_OF_TEXT = 50256;

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string" },
    biography: { type: "string", maxLength: 400 },
    born: { type: "string", format: "date" },
    tags: { type: "array", items: { type: "string" } },
    height: { type: "number", minimum: 0, maximum: 3 },
  },
  required: ["name", "biography", "born", "tags", "height"],
};
const CONSTRAINTS = {
  "any text": { regex: "[\\s\\S]*" },
  "words of small letters": { regex: "[a-z]+( [a-z]+)*\\." },
  "letters, 100 to 400": { regex: "[\\p{L} ]{100,400}" },
  "a string, 400 at most": { jsonSchema: { type: "string", maxLength: 400 } },
  "any JSON": { jsonSchema: true },
  "JSON of a schema": { jsonSchema: PERSON },
  "one of 1,000 names": { regex: Array.from({ length: 1000 }, (_, i) => `name ${i * 7919}`).join("|") },
};

/** GPT-2's tokens as bytes: lines of a first rank and the tokens from there on, in base64. */
function vocabulary(model) {
  const tokens = Array.from({ length: END_OF_TEXT + 1 }, () => Buffer.alloc(0));
  for (const line of ranks.bpe_ranks.split("\n")) {
    const [, first, ...all] = line.split(" ");
    all.forEach((token, i) => (tokens[Number(first) + i] = Buffer.from(token, "base64")));
  }
  const offsets = new Int32Array(tokens.length + 1);
  tokens.forEach((token, i) => (offsets[i + 1] = offsets[i] + token.length));
  return createVocabulary(model, Buffer.concat(tokens), offsets);
}

const machine = hardware();
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`);
console.log(`load average before: ${machine.loadBefore.toFixed(2)}; medians of ${flags.rounds} rounds\n`);

const { spec } = await openModelFile(await randomModel("gpt2", flags.type));
const settings = { device: "cpu", threads: 1, maxMemory: 0 };
const model = await native().loadModel(spec, settings).promise;
const tokens = vocabulary(model);
const automata = Object.entries(CONSTRAINTS).map(([name, options]) => [
  name,
  runNow(constraintSteps(planConstraint(options))),
]);

/** Tokens of a text, and milliseconds of processor time for each, its share of the prompt included. */
async function decode(constraint, temperature, most = maxTokens) {
  const sampling = { temperature, topK: 0, topP: 1, seed: 1, ...(constraint && { constraint }) };
  // No end-of-text token: a text ends where nothing may follow.
  const request = { ids: PROMPT, maxTokens: most, stopIds: new Int32Array(0), sampling, logprobs: false };
  const before = process.cpuUsage();
  const { tokens: made } = await model.generate(request).promise;
  const { user, system } = process.cpuUsage(before);
  return { count: made.length, ms: (user + system) / 1000 / made.length };
}

for (const [kind, temperature] of [
  ["greedy", 0],
  ["sampled", 1],
]) {
  const engines = [];
  for (const [name, automaton] of automata) {
    const known = tokens.constrain(automaton);
    const { count } = await decode(known, temperature);
    if (!engines.some((each) => each.name === `none, ${count}`))
      engines.push({ name: `none, ${count}`, count });
    engines.push({ name, automaton, count }, { name: `${name}, again`, known, count });
  }
  const times = await samples(engines, Number(flags.rounds), async ({ automaton, known, count }) => {
    const constraint = automaton ? tokens.constrain(automaton) : known;
    return (await decode(constraint, temperature, count)).ms;
  });
  console.log(`${kind}, per token:`);
  for (const { name, count } of engines) {
    const each = times.get(name);
    const base = times.get(`none, ${count}`);
    const cost = median(each.map((value, i) => value / base[i])) - 1;
    const shown = each === base ? `${median(base).toFixed(2)} ms` : `${(100 * cost).toFixed(1)} %`;
    console.log(`  ${name.padEnd(34)} ${shown.padStart(9)}  of ${count} tokens`);
  }
}
await model.dispose();
