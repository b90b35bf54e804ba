// How speed depends on the length of texts, their number, the threads and the size of the model.
//   npm run bench:scaling -- [--models minilm-l6,bert-base] [--sizes minilm-l6,gpt2] [--llama]
import { parseArgs } from "node:util";
import { Engine, versions } from "./engines/index.mjs";
import { hardware, median } from "./measure.mjs";
import { printMachine, save } from "./report.mjs";
import { promptMaker, textMaker } from "./texts.mjs";
import { operations, SHAPES } from "./weights.mjs";

const LENGTHS = [8, 16, 32, 64, 128, 256, 512];
const BATCHES = [1, 4, 16, 64, 256];
const THREADS = [1, 2];
const SIZES = ["minilm-l6", "bert-base", "bert-large", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"];
/** Cells that would take longer than some seconds are left out. */
const MOST_OPERATIONS = 2e12;
const LEAST_MS = 250;

const { values: flags } = parseArgs({
  options: {
    models: { type: "string", default: "minilm-l6,bert-base" },
    sizes: { type: "string", default: SIZES.join(",") },
    llama: { type: "boolean", default: false },
  },
});
const list = (text) => text.split(",").filter((name) => name !== "");

async function main() {
  const machine = hardware();
  printMachine(machine, versions());
  const lengths = [];
  for (const model of list(flags.models)) {
    for (const threads of THREADS) lengths.push(await lengthTable(model, threads));
  }
  const sizes = await sizeTable();
  save("scaling", { date: new Date().toISOString(), machine, versions: versions(), lengths, sizes });
}

// ---- length, batch, threads

/** Tokens per second: a row per length, a column per number of texts. */
async function lengthTable(model, threads) {
  console.log(`\n### ${model} Q8_0, ${threads} thread${threads > 1 ? "s" : ""}: tokens/s (GOPS)\n`);
  const ours = await Engine.start("ours Q8_0", model, threads);
  const llama = flags.llama ? await Engine.start("llama Q8_0", model, threads) : undefined;
  const line = (cells) => console.log(`| ${cells.join(" | ")} |`);
  const heads = [
    ...BATCHES.map((batch) => `${batch} text${batch > 1 ? "s" : ""}`),
    ...(llama ? ["llama"] : []),
  ];
  line(["tokens per text", ...heads]);
  line(["", ...heads].map((_, i) => (i === 0 ? "---" : "---:")));
  const rows = [];
  for (const length of LENGTHS) {
    const cells = [];
    for (const batch of BATCHES) cells.push(await embeddingSpeed(ours, length, batch));
    if (llama) cells.push(await embeddingSpeed(llama, length, 1));
    line([
      length,
      ...cells.map((cell) => (cell ? `${cell.tokens.toFixed(0)} (${cell.gops.toFixed(0)})` : "-")),
    ]);
    rows.push({ length, cells });
  }
  await ours.stop();
  await llama?.stop();
  return { model, threads, heads, rows };
}

async function embeddingSpeed(engine, length, batch) {
  const work = batch * operations(SHAPES[engine.model], length);
  if (work > MOST_OPERATIONS) return undefined;
  const text = await textMaker();
  const key = `${length} ${batch}`;
  await engine.call(
    "prepare",
    key,
    Array.from({ length: batch }, () => text(length)),
  );
  const ms = await steady(() => engine.call("embed", key));
  return { tokens: (1000 * batch * length) / ms, gops: work / (ms * 1e6) };
}

/** The median time of as many runs as are needed to see one; the first only warms up. */
async function steady(work) {
  await work();
  const times = [];
  let spent = 0;
  while (times.length < 2 || (spent < LEAST_MS && times.length < 50)) {
    times.push(await work());
    spent += times.at(-1);
  }
  return median(times);
}

// ---- size

async function sizeTable() {
  console.log("\n### Sizes, 2 threads: texts of 128 tokens in batches of 16, or prompts of 512 tokens\n");
  const line = (cells) => console.log(`| ${cells.join(" | ")} |`);
  const heads = ["load s", "resident MB", "tokens/s", "GOPS", "decoding tokens/s"];
  line(["engine", ...heads]);
  line(["---", ...heads.map(() => "---:")]);
  const rows = [];
  for (const model of list(flags.sizes)) {
    const types = SHAPES[model].architecture === "bert" ? ["Q8_0"] : ["Q8_0", "Q4_0"];
    const kinds = flags.llama ? ["ours", "llama"] : ["ours"];
    for (const name of types.flatMap((type) => kinds.map((kind) => `${kind} ${type}`))) {
      const row = await measureSize(name, model);
      const { loadMs, residentMB, tokens, gops, decoding } = row;
      const numbers = [(loadMs / 1000).toFixed(2), residentMB.toFixed(0), tokens.toFixed(0), gops.toFixed(0)];
      line([`${model} ${name}`, ...numbers, decoding?.toFixed(1) ?? ""]);
      rows.push({ model, name, ...row });
    }
  }
  return rows;
}

async function measureSize(name, model) {
  const engine = await Engine.start(name, model, 2);
  const { loadMs } = engine;
  try {
    const measured = await (SHAPES[model].architecture === "bert" ? encoder(engine) : decoder(engine));
    return { loadMs, ...measured };
  } finally {
    await engine.stop();
  }
}

async function encoder(engine) {
  const speed = await embeddingSpeed(engine, 128, 16);
  return { ...speed, residentMB: (await engine.call("residentBytes")) / 1e6 };
}

async function decoder(engine) {
  const prompt = promptMaker();
  const long = prompt(512);
  const ms = await steady(() => engine.call("prompt", long));
  const count = 32;
  const short = prompt(16);
  const decodeMs = await steady(() => engine.call("decode", short, count, 1));
  return {
    tokens: (1000 * long.length) / ms,
    gops: operations(SHAPES[engine.model], long.length) / (ms * 1e6),
    decoding: (1000 * count) / decodeMs,
    residentMB: (await engine.call("residentBytes")) / 1e6,
  };
}

await main();
