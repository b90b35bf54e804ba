// How results are shown, and where they are kept.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describeBar } from "./bars.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

export function printMachine(machine, versions) {
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`);
  console.log(
    Object.entries(versions)
      .map(([kind, version]) => `${kind}: ${version}`)
      .join("; "),
  );
  console.log(`load average before: ${machine.loadBefore.toFixed(2)}`);
}

export function printPeaks(peaks) {
  for (const [isa, { int8, f32, read }] of Object.entries(peaks)) {
    const bandwidth = read === undefined ? "" : `, reads ${read.toFixed(1)} GB/s`;
    console.log(`peak of ${isa}: int8 ${int8.toFixed(0)} GOPS, F32 ${f32.toFixed(0)} GOPS${bandwidth}`);
  }
}

/** One workload: a table of its engines, and its bars. */
export function printWorkload({ title, unit }, results, bars) {
  console.log(`\n### ${title}\n`);
  const columns = [
    ["engine", (name) => name],
    [unit || "value", (_, result) => shown(result.value, unit)],
  ];
  const optional = (head, key, digits) => {
    if (Object.values(results).some((result) => result[key] !== undefined)) {
      columns.push([head, (_, result) => result[key]?.toFixed(digits) ?? ""]);
    }
  };
  optional("tokens/s", "tokensPerSecond", 0);
  optional("GOPS", "gops", 0);
  optional("GOPS per CPU", "gopsPerCpu", 0);
  optional("load ms", "loadMs", 0);
  optional("GB/s", "gbPerSecond", 1);
  if (Object.values(results).some(({ note }) => note)) columns.push(["", (_, result) => result.note ?? ""]);
  const line = (cells) => console.log(`| ${cells.join(" | ")} |`);
  line(columns.map(([head]) => head));
  line(columns.map((_, i) => (i === 0 ? "---" : "---:")));
  for (const [name, result] of Object.entries(results)) line(columns.map(([, cell]) => cell(name, result)));
  if (bars.length > 0) console.log("");
  for (const bar of bars) console.log(`- ${describeBar(bar)}`);
}

function shown(value, unit) {
  return unit === "" ? value.toFixed(6) : value.toPrecision(4);
}

export function printSummary(rows) {
  const bars = rows.flatMap(({ id, bars }) => bars.map((bar) => ({ id, ...bar })));
  const checked = bars.filter(({ passed }) => passed !== undefined);
  console.log(`\n### ${checked.filter(({ passed }) => passed).length} of ${checked.length} bars reached\n`);
  for (const bar of checked) console.log(`- ${bar.id}: ${describeBar(bar)}`);
}

/** Keeps a run in results/. */
export function save(name, result) {
  const folder = path.join(HERE, "results");
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}-${result.date.replaceAll(":", "-")}.json`);
  fs.writeFileSync(file, JSON.stringify(result, undefined, 2));
  console.log(`\nsaved as ${path.relative(HERE, file)}`);
}
