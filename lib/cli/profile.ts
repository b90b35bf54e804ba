/** The table of `--profile`, on standard error. */
import type { Profile } from "../profile.js";
import { formatTable } from "./table.js";
import { formatCount, formatDuration } from "./text.js";

export function reportProfile(profile: Profile | undefined): void {
  if (profile !== undefined) process.stderr.write(formatProfile(profile));
}

function formatProfile(profile: Profile): string {
  const { isa, lowering, threads, kernelPeak, batches, milliseconds } = profile;
  const gops = (value: number) => formatCount(Math.round(value));
  const rows = profile.operations.map((operation) => [
    operation.name,
    formatCount(operation.count),
    operation.milliseconds.toFixed(2),
    percent(operation.share),
    operation.gops === undefined ? "" : gops(operation.gops),
    operation.fractionOfPeak === undefined ? "" : percent(operation.fractionOfPeak),
  ]);
  const header = ["operation", "count", "ms", "share", "GOPS", "of peak"];
  const title =
    `${isa}, ${lowering}, ${threads} threads: ${formatCount(batches)} ${batches === 1 ? "batch" : "batches"} in ${formatDuration(milliseconds)}; ` +
    `kernel peak ${gops(kernelPeak.int8)} GOPS int8, ${gops(kernelPeak.float32)} GOPS float32`;
  return `\n${title}\n${formatTable([header, ...rows], { right: [1, 2, 3, 4, 5] })}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
