/**
 * Beam search as Hugging Face's generate() does it, in its own terms: arrays of fixed size in which what does not count
 * has a score of -1e9. Over any function that gives log-probabilities.
 */

export interface ReferenceBeamOptions {
  numBeams: number;
  numBeamGroups?: number;
  lengthPenalty?: number;
  diversityPenalty?: number;
  earlyStopping?: boolean | "never";
  maxTokens: number;
  eos?: number;
}

/** Log-probabilities [V] of what follows, after the processors. */
export type NextLogProbs = (generated: readonly number[]) => Promise<Float64Array>;

const NOTHING = -1e9;

interface Group {
  running: { tokens: number[]; score: number }[];
  finished: { tokens: number[]; score: number; isFinished: boolean }[];
  unsatisfied: boolean;
  done: boolean;
}

/** Finished sequences, their end-of-text token included, the best first. */
export async function referenceBeamSearch(
  next: NextLogProbs,
  options: ReferenceBeamOptions,
): Promise<{ tokens: number[]; score: number }[]> {
  const { numBeams, numBeamGroups = 1, diversityPenalty = 0, maxTokens } = options;
  const size = numBeams / numBeamGroups;
  const groups: Group[] = Array.from({ length: numBeamGroups }, () => ({
    running: Array.from({ length: size }, (_, i) => ({ tokens: [], score: i === 0 ? 0 : NOTHING })),
    finished: Array.from({ length: size }, () => ({ tokens: [], score: NOTHING, isFinished: false })),
    unsatisfied: true,
    done: false,
  }));
  for (let length = 0; length < maxTokens && groups.some(({ done }) => !done); length++) {
    const taken = new Map<number, number>();
    for (const group of groups) {
      if (group.done) continue;
      await step(group, next, options, size, length, (token) => (taken.get(token) ?? 0) * diversityPenalty);
      for (const { tokens, score } of group.running) {
        if (score > NOTHING / 2) taken.set(tokens.at(-1)!, (taken.get(tokens.at(-1)!) ?? 0) + 1);
      }
    }
  }
  return groups
    .flatMap(({ finished }) => finished)
    .filter(({ isFinished }) => isFinished)
    .sort((a, b) => b.score - a.score);
}

async function step(
  group: Group,
  next: NextLogProbs,
  { lengthPenalty = 1, earlyStopping = false, maxTokens, eos }: ReferenceBeamOptions,
  size: number,
  length: number,
  penalty: (token: number) => number,
): Promise<void> {
  const all: { beam: number; token: number; score: number }[] = [];
  for (const [beam, { tokens, score }] of group.running.entries()) {
    if (score <= NOTHING / 2) continue;
    const logProbs = await next(tokens);
    for (const [token, logProb] of logProbs.entries()) {
      if (logProb > Number.NEGATIVE_INFINITY)
        all.push({ beam, token, score: score + logProb - penalty(token) });
    }
  }
  all.sort((a, b) => b.score - a.score);
  const kept = all
    .slice(0, Math.max(2, 1 + (eos === undefined ? 0 : 1)) * size)
    .map(({ beam, token, score }) => ({
      tokens: [...group.running[beam]!.tokens, token],
      score,
      hits: token === eos || length + 1 >= maxTokens,
    }));
  const full = group.finished.every(({ isFinished }) => isFinished) && earlyStopping === true;
  const ended = kept.map(({ tokens, score, hits }, i) => {
    const counts = hits && i < size && !full && group.unsatisfied;
    return {
      tokens,
      score: counts ? score / (length + 1) ** lengthPenalty : 2 * NOTHING,
      isFinished: counts,
    };
  });
  group.finished = [...group.finished, ...ended].sort((a, b) => b.score - a.score).slice(0, size);
  const open = kept.filter(({ hits }) => !hits).slice(0, size);
  group.running = open.map(({ tokens, score }) => ({ tokens, score }));
  const hypothetical = earlyStopping === "never" && lengthPenalty > 0 ? maxTokens : length + 1;
  const best = (group.running[0]?.score ?? NOTHING) / hypothetical ** lengthPenalty;
  const areFinished = group.finished.every(({ isFinished }) => isFinished);
  const worst = areFinished ? Math.min(...group.finished.map(({ score }) => score)) : NOTHING;
  group.unsatisfied &&= best > worst;
  group.done = !group.unsatisfied || group.running.length === 0 || (areFinished && earlyStopping === true);
}
