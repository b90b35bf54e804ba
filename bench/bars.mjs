// Whether what was measured reaches what the project promises.

/** The bars of a workload with their ratios; those without a limit are only told. */
export function checkBars({ bars }, results, peaks) {
  return bars.flatMap((bar) => {
    const against = comparison(bar, results, peaks);
    // An engine or a peak is missing in this run.
    if (!against || !Number.isFinite(against.ratio)) return [];
    const { ratio } = against;
    const limit = bar.atLeast ?? bar.atMost;
    const passed =
      limit === undefined ? undefined : bar.atLeast === undefined ? isAtMost(ratio, bar) : ratio >= limit;
    return [{ of: bar.of, ...against, limit, most: bar.atMost !== undefined, passed }];
  });
}

const isAtMost = (ratio, { atMost, strict }) => (strict ? ratio < atMost : ratio <= atMost);

function comparison(bar, results, peaks) {
  const mine = results[bar.of];
  const other = (name) => results[name];
  if (!mine) return undefined;
  if (bar.over) {
    const theirs = other(bar.over);
    const perCpu = mine.gopsPerCpu / theirs?.gopsPerCpu;
    return { to: bar.over, ratio: mine.value / theirs?.value, ...(perCpu && { perCpu }) };
  }
  if (bar.errorOver) {
    return { to: `${bar.errorOver}'s error`, ratio: (1 - mine.value) / (1 - other(bar.errorOver)?.value) };
  }
  if (bar.weightsOver) {
    const ratio = mine.memory?.weights / other(bar.weightsOver)?.memory?.weights;
    return { to: `${bar.weightsOver}'s weights`, ratio };
  }
  if (bar.residentOverFile)
    return { to: "the file", ratio: (mine.value * 1e6 - (mine.memory?.activations ?? 0)) / mine.fileBytes };
  if (bar.loading)
    return { to: "a second per 100 MB of loading", ratio: mine.loadMs / 1000 / (mine.fileBytes / 1e8) };
  const peak = peaks[isaOf(bar.of, peaks)];
  if (bar.peak) return { to: `the ${bar.peak} peak`, ratio: mine.gops / peak?.[bar.peak] };
  return { to: "the read bandwidth", ratio: mine.gbPerSecond / peak?.read };
}

/** The instruction set that an engine runs on: what it is told, else the first, which is the best. */
function isaOf(name, peaks) {
  const forced = Object.keys(peaks).find((isa) => name.toLowerCase().endsWith(` ${isa.toLowerCase()}`));
  return forced ?? Object.keys(peaks)[0];
}

/** "bar 1.25x ort int8: 1.41x ok" */
export function describeBar({ of, to, ratio, perCpu, limit, most, passed }) {
  const processorTime = perCpu ? ` (${perCpu.toFixed(2)}x per CPU second)` : "";
  const shown = `${ratio.toFixed(ratio < 0.1 ? 3 : 2)}x${processorTime}`;
  if (limit === undefined) return `${of}: ${to}: ${shown}`;
  return `${of}: bar ${most ? "at most " : ""}${limit}x ${to}: ${shown} ${passed ? "ok" : "MISSED"}`;
}
