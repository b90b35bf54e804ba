// Speed on a GPU: embeddings by number and length of texts, decoding by number of streams, on random weights of real
// sizes. Any device will do: `--device cpu --quick` tries the script where there is no GPU.
//   npm run bench:gpu -- [--device cuda] [--types F16,Q8_0] [--quick] [--peak-tflops 790] [--peak-gb 4800]
import { parseArgs } from "node:util";
import { devices, Encoder, Generator } from "../dist/index.mjs";
import { hardware, median, seconds } from "./measure.mjs";
import { randomModel } from "./models.mjs";
import { save } from "./report.mjs";
import { textMaker } from "./texts.mjs";
import { operations, SHAPES } from "./weights.mjs";

const { values: flags } = parseArgs({
  options: {
    device: { type: "string", default: "cuda" },
    types: { type: "string", default: "F16,Q8_0" },
    quick: { type: "boolean", default: false },
    // What the GPU can do at most, as its maker says or as was measured: for the fractions of it.
    "peak-tflops": { type: "string" },
    "peak-gb": { type: "string" },
  },
});

const ENCODERS = flags.quick ? ["minilm-l6"] : ["minilm-l6", "bert-base"];
const LENGTHS = flags.quick ? [16] : [16, 128, 512];
const BATCHES = flags.quick ? [1, 32] : [1, 32, 256];
const DECODERS = flags.quick ? ["gpt2"] : ["gpt2", "gpt2-xl"];
const STREAMS = flags.quick ? [1, 4] : [1, 64];
const NEW_TOKENS = flags.quick ? 16 : 128;
const ROUNDS = flags.quick ? 1 : 7;

const line = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const fraction = (value, peak) =>
  peak === undefined ? "" : ` (${((100 * value) / Number(peak)).toFixed(0)} %)`;

/** The median of some rounds after one to warm up, in seconds. */
async function steady(work) {
  await work();
  const times = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await seconds(work));
  return median(times);
}

async function embeddings(model, type) {
  const encoder = await Encoder.load(await randomModel(model, type), { device: flags.device });
  const text = await textMaker();
  const rows = [];
  for (const length of LENGTHS) {
    for (const batch of BATCHES) {
      const texts = Array.from({ length: batch }, () => text(length));
      const time = await steady(() => encoder.embed(texts, { maxLength: 512 }));
      const teraflops = (batch * operations(SHAPES[model], length)) / time / 1e12;
      const share = fraction(teraflops, flags["peak-tflops"]);
      rows.push({
        model,
        type,
        length,
        batch,
        seconds: time,
        tokensPerSecond: (batch * length) / time,
        teraflops,
      });
      line(
        model,
        type,
        length,
        batch,
        (1000 * time).toFixed(2),
        (batch / time).toFixed(0),
        `${teraflops.toFixed(2)}${share}`,
      );
    }
  }
  await encoder.dispose();
  return rows;
}

async function decoding(model, type) {
  const generator = await Generator.load(await randomModel(model, type), {
    device: flags.device,
    promptCache: 0,
  });
  const { L, H, F, V } = SHAPES[model];
  const weights = (L * (4 * H * H + 2 * H * F) + V * H) * (type === "F16" ? 2 : 34 / 32);
  const rows = [];
  for (const streams of STREAMS) {
    const one = (seed) =>
      generator.generate("The", { maxTokens: NEW_TOKENS, minNewTokens: NEW_TOKENS, temperature: 1, seed });
    const time = await steady(() => Promise.all(Array.from({ length: streams }, (_, seed) => one(seed))));
    const tokens = (streams * NEW_TOKENS) / time;
    const gigabytes = ((tokens / streams) * weights) / 1e9;
    rows.push({
      model,
      type,
      streams,
      seconds: time,
      tokensPerSecond: tokens,
      gigabytesPerSecond: gigabytes,
    });
    line(
      model,
      type,
      streams,
      tokens.toFixed(0),
      `${gigabytes.toFixed(1)}${fraction(gigabytes, flags["peak-gb"])}`,
    );
  }
  await generator.dispose();
  return rows;
}

async function main() {
  const device = devices().find(({ id, kind }) => id === flags.device || kind === flags.device);
  if (device === undefined) throw new Error(`There is no device ${flags.device} here.`);
  console.log(`${device.id}: ${device.name}, ${device.features.join(", ")}\n`);
  const types = flags.types.split(",");
  const results = { embeddings: [], decoding: [] };

  line("model", "type", "tokens", "texts", "ms", "texts/s", "TFLOP/s");
  line("---", "---", "---:", "---:", "---:", "---:", "---:");
  for (const model of ENCODERS) {
    for (const type of types) results.embeddings.push(...(await embeddings(model, type)));
  }
  console.log(`\n${NEW_TOKENS} tokens of each stream, weights read once a step:\n`);
  line("model", "type", "streams", "tokens/s", "weights GB/s");
  line("---", "---", "---:", "---:", "---:");
  for (const model of DECODERS) {
    for (const type of types) results.decoding.push(...(await decoding(model, type)));
  }
  save("gpu", { date: new Date().toISOString(), machine: hardware(), device, ...results });
}

await main();
