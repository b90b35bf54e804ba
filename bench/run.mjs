// Speed and accuracy of this package and of node-llama-cpp, on the same files, in one run, turn by turn.
//   npm run bench -- [--threads 2] [--rounds 5] [--models minilm-l6,bert-base,gpt2] [--type Q8_0]
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { nodeLlamaCpp, ours, versions } from "./engines.mjs";
import { hardware, interleaved, leastCosine, median, seconds } from "./measure.mjs";
import { randomModel, SHAPES } from "./models.mjs";
import { promptMaker, textMaker } from "./texts.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

const { values: flags } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    models: { type: "string", default: Object.keys(SHAPES).join(",") },
    type: { type: "string", default: "Q8_0" },
  },
});
const threads = Number(flags.threads);
const rounds = Number(flags.rounds);

async function main() {
  const machine = hardware();
  const names = Object.entries(versions()).map(([name, version]) => `${name} ${version}`);
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`);
  console.log(`${names.join(", ")}; ${flags.type}, ${threads} threads, medians of ${rounds} rounds`);
  console.log(`load average before: ${machine.loadBefore.toFixed(2)}\n`);
  const rows = [];
  for (const name of flags.models.split(",")) {
    const { architecture } = SHAPES[name];
    const file = await randomModel(name, flags.type);
    const engines = [];
    for (const create of [ours, nodeLlamaCpp]) engines.push(await create(file, architecture, threads));
    const measure = architecture === "bert" ? encoder : decoder;
    for await (const row of measure(name, engines)) {
      rows.push(row);
      print(row, rows.length === 1);
    }
    for (const engine of engines) await engine.dispose();
  }
  const settings = { threads, rounds, type: flags.type };
  save({ date: new Date().toISOString(), machine, versions: versions(), settings, rows });
}

// ---- encoders

async function* encoder(name, engines) {
  const shape = SHAPES[name];
  const text = await textMaker();
  const texts = (count, length) => Array.from({ length: count }, () => text(length));
  yield await accuracy(name, engines, [8, 16, 16, 33, 128, 512].map(text));

  const small = shape.H < 512;
  const sizes = small ? [1000, 200, 40] : [200, 40, 10];
  for (const [i, length] of [16, 128, 512].entries()) {
    const batch = texts(sizes[i], length);
    const value = await interleaved(engines, rounds, async (engine) => {
      return batch.length / (await seconds(() => engine.embed(batch)));
    });
    const gops = perEngine(value, (speed) => (speed * operations(shape, length)) / 1e9);
    yield {
      case: `${name}, ${batch.length} texts of ${length} tokens`,
      unit: "texts/s",
      higher: true,
      value,
      gops,
    };
  }

  const query = [text(16)];
  const value = await interleaved(engines, rounds, async (engine) => {
    const times = [];
    for (let i = 0; i < 50; i++) times.push(1000 * (await seconds(() => engine.embed(query))));
    return median(times);
  });
  yield { case: `${name}, one query of 16 tokens`, unit: "ms", higher: false, value };
}

/** The least cosine to this package's result for the same weights in F32, which the tests hold to float64. */
async function accuracy(name, engines, texts) {
  const exact = await ours(await randomModel(name, "F32"), "bert", threads);
  const expected = await exact.embed(texts);
  await exact.dispose();
  const value = {};
  for (const engine of engines) value[engine.name] = leastCosine(await engine.embed(texts), expected);
  return { case: `${name}, least cosine to F32`, unit: "", value };
}

/** Multiplications and additions of the matrix products for one text of S tokens. */
function operations({ L, H, F }, S) {
  return 2 * L * S * (4 * H * H + 2 * H * F + 2 * S * H);
}

// ---- decoders

async function* decoder(name, engines) {
  const shape = SHAPES[name];
  const prompt = promptMaker();
  const long = prompt(512);
  const value = await interleaved(engines, rounds, async (engine) => 512e3 / (await engine.prompt(long)));
  const gops = perEngine(value, (speed) => (speed * operations(shape, 512)) / 512 / 1e9);
  yield { case: `${name}, prompt of 512 tokens`, unit: "tokens/s", higher: true, value, gops };

  const short = prompt(16);
  for (const streams of [1, 8]) {
    const speeds = await interleaved(engines, rounds, async (engine) => {
      return (64e3 * streams) / (await engine.decode(short, 64, streams));
    });
    const title = `${name}, decoding ${streams} stream${streams > 1 ? "s" : ""}`;
    yield { case: title, unit: "tokens/s", higher: true, value: speeds };
  }
}

// ---- report

function perEngine(value, change) {
  return Object.fromEntries(Object.entries(value).map(([name, number]) => [name, change(number)]));
}

function print({ case: title, unit, higher, value, gops }, first) {
  const names = Object.keys(value);
  const line = (...cells) => console.log(`| ${cells.join(" | ")} |`);
  if (first) {
    line("case", ...names, "ratio");
    line("---", ...names.map(() => "---:"), "---:");
  }
  const shown = (name) => {
    const work = gops ? ` (${gops[name].toFixed(0)} GOPS)` : "";
    return `${value[name].toPrecision(unit === "" ? 6 : 4)} ${unit}${work}`.trim();
  };
  const [mine, theirs] = names.map((name) => value[name]);
  const ratio = unit === "" ? "" : `${(higher ? mine / theirs : theirs / mine).toFixed(2)}x`;
  line(title, ...names.map(shown), ratio);
}

function save(result) {
  const folder = path.join(HERE, "results");
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${result.date.replaceAll(":", "-")}.json`);
  fs.writeFileSync(file, JSON.stringify(result, undefined, 2));
  console.log(`\nsaved as ${path.relative(HERE, file)}`);
}

await main();
