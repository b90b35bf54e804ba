// Prints what the package's models put out for a few fixed inputs: one line of JSON, embeddings as arrays of
// floats. scripts/test-arm.mjs runs it on two architectures and compares.
import { Encoder, Generator, devices } from "../../dist/index.mjs";

const TEXTS = [
  "In the fiscal year ending June 30 the revenue was two hundred million dollars.",
  "A boat.",
  "The harpooneer stood up in the boat and darted his iron at the whale. ".repeat(6),
];
const PROMPT = "It is our duty to";

async function withModel(type, name, work) {
  const model = await type.load(name, { threads: 2 });
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

const embeddings = await withModel(Encoder, "mini-embed", (encoder) => encoder.embed(TEXTS));
const generated = await withModel(Generator, "mini-gpt2", (generator) =>
  generator.generate(PROMPT, { maxTokens: 16, temperature: 0, logprobs: true }),
);
console.log(
  JSON.stringify({
    arch: process.arch,
    features: devices().find(({ kind }) => kind === "cpu")?.features,
    embeddings: embeddings.map((vector) => Array.from(vector)),
    text: generated.text,
    logprobs: generated.logprobs,
  }),
);
