/**
 * Pearson's statistic as a number of standard deviations above what chance gives (Wilson and Hilferty, 1931);
 * rare outcomes share a cell. Infinite when something impossible was drawn.
 */
export function surprise(counts: ArrayLike<number>, expected: Float64Array): number {
  const draws = Array.from(counts).reduce((a, b) => a + b, 0);
  let [statistic, cells, rareCount, rareExpected] = [0, 0, 0, 0];
  for (const [id, chance] of expected.entries()) {
    if (chance === 0 && counts[id]! > 0) return Number.POSITIVE_INFINITY;
    if (chance * draws < 5) {
      rareCount += counts[id]!;
      rareExpected += chance * draws;
      continue;
    }
    cells++;
    statistic += (counts[id]! - chance * draws) ** 2 / (chance * draws);
  }
  if (rareExpected >= 1) {
    cells++;
    statistic += (rareCount - rareExpected) ** 2 / rareExpected;
  }
  const freedom = cells - 1;
  if (freedom === 0) return 0;
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(statistic / freedom) - (1 - spread)) / Math.sqrt(spread);
}
