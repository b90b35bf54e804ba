/** Every sampler as plainly as it can be written: what the engine's should do to the candidates. */

export interface Choice {
  id: number;
  logit: number;
}

const probabilities = (choices: readonly Choice[]): number[] => {
  const most = Math.max(...choices.map(({ logit }) => logit));
  const weights = choices.map(({ logit }) => (logit === most ? 1 : Math.exp(logit - most)));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
};

/** The probability of each token of the vocabulary; 0 for those that are no choice. */
export function distribution(choices: readonly Choice[], V: number): Float64Array {
  const result = new Float64Array(V);
  for (const [i, chance] of probabilities(choices).entries()) result[choices[i]!.id] = chance;
  return result;
}

const sorted = (choices: readonly Choice[]) => choices.toSorted((a, b) => b.logit - a.logit || a.id - b.id);
const entropy = (choices: readonly Choice[]) =>
  -probabilities(choices).reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);
const change = (choices: readonly Choice[], to: (choice: Choice) => number): Choice[] =>
  choices.map((choice) => ({ id: choice.id, logit: Math.fround(to(choice)) }));
const forbid = (choices: readonly Choice[], ids: ReadonlySet<number>): Choice[] =>
  change(choices, ({ id, logit }) => (ids.has(id) ? -Infinity : logit));

export const temperature = (choices: Choice[], t: number) => change(choices, ({ logit }) => logit / t);

export function dynamicTemperature(choices: Choice[], t: number, range: number, exponent: number): Choice[] {
  const low = Math.max(0, t - range);
  const relative = entropy(choices) / Math.log(choices.length);
  return temperature(choices, low + (t + range - low) * relative ** exponent);
}

export const topK = (choices: Choice[], k: number) => sorted(choices).slice(0, k);

export function topP(choices: Choice[], p: number): Choice[] {
  const best = sorted(choices);
  let reached = 0;
  const last = probabilities(best).findIndex((each) => (reached += each) >= p);
  return last < 0 ? best : best.slice(0, last + 1);
}

export function minP(choices: Choice[], p: number): Choice[] {
  const chances = probabilities(choices);
  return choices.filter((_, i) => chances[i]! >= p * Math.max(...chances));
}

export function typicalP(choices: Choice[], p: number): Choice[] {
  const h = entropy(choices);
  const chances = probabilities(choices);
  const ranked = choices
    .map((choice, i) => ({ choice, chance: chances[i]!, distance: Math.abs(-Math.log(chances[i]!) - h) }))
    .toSorted((a, b) => a.distance - b.distance);
  let reached = 0;
  const last = ranked.findIndex(({ chance }) => (reached += chance) >= p);
  return ranked.slice(0, last < 0 ? undefined : last + 1).map(({ choice }) => choice);
}

export function topNSigma(choices: Choice[], n: number): Choice[] {
  const logits = choices.map(({ logit }) => logit).filter(Number.isFinite);
  const mean = logits.reduce((a, b) => a + b, 0) / logits.length;
  const sigma = Math.sqrt(logits.reduce((sum, each) => sum + (each - mean) ** 2, 0) / logits.length);
  return choices.filter(({ logit }) => logit >= Math.max(...logits) - n * sigma);
}

/** When the exclusion happens. */
export function xtc(choices: Choice[], threshold: number): Choice[] {
  const best = sorted(choices);
  const reaching = probabilities(best).filter((each) => each >= threshold).length;
  return reaching < 2 ? best : best.slice(reaching - 1);
}

export function repetitionPenalty(choices: Choice[], text: readonly number[], penalty: number): Choice[] {
  const by = Math.fround(penalty);
  return change(choices, ({ id, logit }) => {
    if (!text.includes(id)) return logit;
    return logit < 0 ? logit * by : logit / by;
  });
}

export function frequencyPenalty(choices: Choice[], text: readonly number[], penalty: number): Choice[] {
  const by = Math.fround(penalty);
  return change(
    choices,
    ({ id, logit }) => logit - Math.fround(by * text.filter((each) => each === id).length),
  );
}

export function presencePenalty(choices: Choice[], text: readonly number[], penalty: number): Choice[] {
  return change(choices, ({ id, logit }) => (text.includes(id) ? logit - Math.fround(penalty) : logit));
}

export const logitBias = (choices: Choice[], biases: ReadonlyMap<number, number>) =>
  change(choices, ({ id, logit }) => logit + Math.fround(biases.get(id) ?? 0));

export function noRepeatNgram(choices: Choice[], text: readonly number[], n: number): Choice[] {
  const known = new Set<string>();
  for (let i = 0; i + n <= text.length; i++) known.add(text.slice(i, i + n).join());
  const latest = n === 1 ? [] : text.slice(-(n - 1));
  const repeats = choices.filter(({ id }) => text.length >= n - 1 && known.has([...latest, id].join()));
  return forbid(choices, new Set(repeats.map(({ id }) => id)));
}

export function badWords(choices: Choice[], text: readonly number[], words: readonly number[][]): Choice[] {
  const ends = (before: readonly number[]) =>
    before.length <= text.length && before.every((id, i) => id === text[text.length - before.length + i]);
  const banned = words.filter((word) => ends(word.slice(0, -1)));
  return forbid(choices, new Set(banned.map((word) => word.at(-1)!)));
}

export const suppressTokens = (choices: Choice[], ids: readonly number[]) => forbid(choices, new Set(ids));

export interface DryOptions {
  multiplier: number;
  base: number;
  allowedLength: number;
  breakers: readonly number[];
}

/** Tries every token and every length. */
export function dry(choices: Choice[], text: readonly number[], options: DryOptions): Choice[] {
  const { multiplier, base, allowedLength, breakers } = options;
  const longest = (id: number): number => {
    let most = 0;
    for (let i = 1; i < text.length; i++) {
      if (text[i] !== id || breakers.includes(id)) continue;
      let length = 0;
      while (length < i && text[i - 1 - length] === text[text.length - 1 - length]) {
        if (breakers.includes(text[i - 1 - length]!)) break;
        length++;
      }
      most = Math.max(most, length);
    }
    return most;
  };
  return change(choices, ({ id, logit }) => {
    const length = longest(id);
    return length > 0 && length >= allowedLength
      ? logit - Math.fround(multiplier * base ** (length - allowedLength))
      : logit;
  });
}

/** One step of Mirostat: what is left to draw from, and the bound after `id` was drawn. */
export function mirostat(
  version: 1 | 2,
  choices: Choice[],
  mu: number,
  V: number,
): { kept: Choice[]; next: (id: number, tau: number, eta: number) => number } {
  const best = sorted(choices);
  const bits = probabilities(best).map((p) => -Math.log2(p));
  let count = bits.filter((each) => each <= mu).length;
  if (version === 1) {
    let [products, squares] = [0, 0];
    for (let i = 0; i < Math.min(100, best.length) - 1; i++) {
      const t = Math.log((i + 2) / (i + 1));
      products += t * Math.log(2 ** (bits[i + 1]! - bits[i]!));
      squares += t * t;
    }
    const s = products / squares;
    count = Math.round((((s - 1) * 2 ** mu) / (1 - V ** (1 - s))) ** (1 / s));
  }
  return {
    kept: best.slice(0, Math.max(1, count)),
    next: (id, tau, eta) => mu - eta * (bits[best.findIndex((each) => each.id === id)]! - tau),
  };
}
