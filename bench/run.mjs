// Speed, memory and accuracy of this package and its peers on the same weights, in one run, turn by turn, beside what
// the machine can do and the bars that are to be reached.
//   npm run bench -- [--quick] [--only minilm] [--engines "ours|ort"] [--rounds 5] [--threads 2]
import { parseArgs } from "node:util";
import { checkBars } from "./bars.mjs";
import { EnginePool, versions } from "./engines/index.mjs";
import { hardware } from "./measure.mjs";
import { greaterPeaks, measurePeaks } from "./peaks.mjs";
import { printMachine, printPeaks, printSummary, printWorkload, save } from "./report.mjs";
import { WORKLOADS } from "./workloads/index.mjs";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    engines: { type: "string", default: "" },
    rounds: { type: "string" },
    threads: { type: "string", default: "2" },
  },
});
const threads = Number(flags.threads);
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5));

async function main() {
  const machine = hardware();
  printMachine(machine, versions());
  console.log(`${threads} threads, medians of ${rounds} rounds${flags.quick ? ", few texts" : ""}`);
  const peaksBefore = measurePeaks(threads);
  const pool = new EnginePool(threads);
  const measured = [];
  try {
    for (const workload of WORKLOADS.filter(({ id }) => new RegExp(flags.only).test(id))) {
      const results = await run(workload, pool).catch((error) => failed(workload, error));
      if (Object.keys(results).length === 0) continue;
      measured.push({ workload, results });
      printWorkload(workload, results, checkBars(workload, results, peaksBefore));
    }
  } finally {
    await pool.stop();
  }

  // Measured again, since a disturbed peak flatters; the greater counts.
  const peaks = greaterPeaks(peaksBefore, measurePeaks(threads));
  const rows = measured.map(({ workload, results }) => {
    const { id, title, unit } = workload;
    return { id, title, unit, results, bars: checkBars(workload, results, peaks) };
  });
  console.log("");
  printPeaks(peaks);
  printSummary(rows);
  const settings = { threads, rounds, quick: flags.quick };
  save("bench", { date: new Date().toISOString(), machine, versions: versions(), settings, peaks, rows });
}

/** The other workloads go on. */
function failed({ id }, error) {
  console.error(`\n${id} failed: ${error.message}`);
  process.exitCode = 1;
  return {};
}

async function run(workload, pool) {
  const names = workload.engines.filter((name) => new RegExp(flags.engines).test(name));
  if (!workload.fresh)
    return workload.measure(await pool.use(names, workload.model), workload, { rounds, quick: flags.quick });
  // One after another, each in a process that did nothing before.
  const results = {};
  for (const name of names) {
    await pool.stop();
    Object.assign(results, await workload.measure(await pool.use([name], workload.model), workload, {}));
  }
  return results;
}

await main();
