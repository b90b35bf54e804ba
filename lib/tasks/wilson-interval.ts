/**
 * Confidence interval of a share that was observed in `count` trials. Wilson, "Probable inference, the law of
 * succession, and statistical inference", 1927.
 */
export function wilsonInterval(
  share: number,
  count: number,
  confidence: number,
): [low: number, high: number] {
  const z = normalQuantile((1 + confidence) / 2);
  const square = (z * z) / count;
  const center = share + square / 2;
  const margin = z * Math.sqrt((share * (1 - share)) / count + square / (4 * count));
  const low = (center - margin) / (1 + square);
  const high = (center + margin) / (1 + square);
  return [Math.max(0, low), Math.min(1, high)];
}

/** Where the standard normal distribution reaches `probability`, which is at least a half; by bisection. */
function normalQuantile(probability: number): number {
  let [low, high] = [0, 9];
  for (let i = 0; i < 64; i++) {
    const middle = (low + high) / 2;
    if (normalDistribution(middle) < probability) low = middle;
    else high = middle;
  }
  return low;
}

/** 1/2 + phi(x) (x + x^3 / 3 + x^5 / (3 5) + ...), for x >= 0: Abramowitz and Stegun, 26.2.11. */
function normalDistribution(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 3; term > 1e-17 * sum; n += 2) sum += term *= (x * x) / n;
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
