/** Ways to fill all masks of a text at once. */
import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import { breathe } from "../tokenizer/time-slices.js";
import { bestTokens, maskLogits, type MaskedSequence, type ScoredId, type Selection } from "./mask-logits.js";

/** Tokens for the first masks of a text, and how likely they are together. */
export interface Filling {
  readonly tokens: readonly number[];
  readonly score: number;
}

/** More than anyone reads; without a bound there are as many as the product of the candidates. */
const MOST = 1000;

/** No mask filled. */
export const NOTHING_FILLED: Filling = { tokens: [], score: 1 };

/**
 * The likeliest fillings when every mask is filled by itself: a filling's probability is the product of its
 * tokens'. `candidates` are those of each mask, the likeliest first.
 */
export function independentFillings(candidates: readonly (readonly ScoredId[])[], topK: number): Filling[] {
  let fillings: Filling[] = [NOTHING_FILLED];
  for (const next of candidates) {
    const longer: Filling[] = [];
    const most = Math.min(topK, MOST);
    // Both lists being sorted, the pair (i, j) has (i + 1) (j + 1) - 1 pairs before it.
    for (const [i, filling] of fillings.entries()) {
      for (let j = 0; j < next.length && (i + 1) * (j + 1) <= most; j++)
        longer.push(extend(filling, next[j]!));
    }
    fillings = likeliest(longer, topK);
  }
  return fillings;
}

/** A text whose masks are filled one after another. */
export interface FillingText {
  readonly sequence: MaskedSequence;
  /** Candidates of its first mask, the likeliest first. */
  readonly first: readonly ScoredId[];
}

/** A text with some of its masks filled. */
interface FilledSequence extends MaskedSequence {
  readonly filling: Filling;
  /** Which text. */
  readonly text: number;
}

/**
 * Fillings by beam search: each mask sees the tokens chosen for those before it, `topK` fillings of a text going on
 * at a time. `onStep` is told how many texts are finished.
 */
export async function sequentialFillings(
  core: EncoderCore,
  texts: readonly FillingText[],
  selection: Selection,
  signal: AbortSignal | undefined,
  onStep: (finished: number) => void,
): Promise<Filling[][]> {
  const fillings = texts.map(({ first }) => independentFillings([first], selection.topK));
  const tellFinished = (step: number) => {
    const finished = texts.filter(({ sequence }) => sequence.masks.length <= step).length;
    if (finished > 0) onStep(finished);
  };
  tellFinished(1);
  const longest = texts.reduce((most, { sequence }) => Math.max(most, sequence.masks.length), 0);
  for (let step = 1; step < longest; step++) {
    const begun = texts.flatMap(({ sequence }, text): FilledSequence[] => {
      return sequence.masks.length <= step
        ? []
        : fillings[text]!.map((filling) => fill(sequence, filling, text));
    });
    const extended = await extendAll(core, begun, selection, signal);
    const byText = new Map<number, Filling[]>();
    for (const [i, { text }] of begun.entries()) {
      byText.set(text, [...(byText.get(text) ?? []), ...extended[i]!]);
    }
    for (const [text, longer] of byText) fillings[text] = likeliest(longer, selection.topK);
    tellFinished(step + 1);
  }
  return fillings;
}

/** The next mask of each sequence, filled in every likely way. */
function extendAll(
  core: EncoderCore,
  sequences: readonly FilledSequence[],
  selection: Selection,
  signal: AbortSignal | undefined,
): Promise<Filling[][]> {
  return runBatches<FilledSequence, Filling[]>(
    {
      total: sequences.length,
      prepare: async (begin, end) => {
        return sequences
          .slice(begin, end)
          .map((sequence, i) => Object.assign(sequence, { index: begin + i }));
      },
      outputSize: () => core.info.vocabSize,
      async compute(batch, stop) {
        const logits = await maskLogits(core, batch, stop);
        const extended: Filling[][] = [];
        for (const [i, { filling }] of batch.entries()) {
          extended.push(bestTokens(logits[i]![0]!, selection).map((next) => extend(filling, next)));
          await breathe(stop);
        }
        return extended;
      },
    },
    { signal },
  );
}

function fill(sequence: MaskedSequence, filling: Filling, text: number): FilledSequence {
  const ids = sequence.ids.slice();
  for (const [i, token] of filling.tokens.entries()) ids[sequence.masks[i]!] = token;
  return { ...sequence, ids, masks: [sequence.masks[filling.tokens.length]!], filling, text };
}

function extend({ tokens, score }: Filling, next: ScoredId): Filling {
  return { tokens: [...tokens, next.token], score: score * next.score };
}

function likeliest(fillings: Filling[], topK: number): Filling[] {
  return fillings.sort((a, b) => b.score - a.score).slice(0, Math.min(topK, MOST));
}
