/** Which of several continuations a decoder finds the likeliest: multiple choice. */
import { runConcurrently } from "./concurrent.js";
import type { GeneratorCore } from "./generator.js";
import { checkEach, type Progress } from "./inputs.js";
import {
  callback,
  checkOptions,
  expected,
  nonEmptyString,
  oneOf,
  signal as abortSignal,
  string,
} from "./options.js";
import {
  checkLength,
  describeTokens,
  scoredSequence,
  scoreTokens,
  sumUp,
  type ScoredSequence,
  type TokenScore,
} from "./score.js";

const NORMALIZATIONS = ["none", "tokens", "characters"] as const;

/** What a continuation's log-probability is divided by before continuations are compared. */
export type ContinuationNormalization = (typeof NORMALIZATIONS)[number];

/** Options of {@link Generator.scoreContinuations}. */
export interface ContinuationOptions {
  /**
   * What `ranking` compares: the log-probabilities (`"none"`), or these per token or per character, which do
   * not favour short continuations. Default: `"none"`.
   */
  normalization?: ContinuationNormalization;
  /** Aborts the call, also in the middle of the computation; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
  /** Called whenever a continuation is finished. */
  onProgress?: (progress: Progress) => void;
}

/** How likely one continuation is. */
export interface ContinuationScore {
  /** As given. */
  readonly continuation: string;
  /** Sum of its tokens' log-probabilities. */
  readonly logProbability: number;
  /** The mean over its tokens. */
  readonly logProbabilityPerToken: number;
  /** Per character, that is per Unicode code point. */
  readonly logProbabilityPerCharacter: number;
  /** Its tokens; offsets are into the prompt with the continuation behind it. */
  readonly tokens: readonly TokenScore[];
}

/** What {@link Generator.scoreContinuations} returns. */
export interface ContinuationScores {
  /** In the order of the call. */
  readonly scores: readonly ContinuationScore[];
  /** Indices into `scores`, the likeliest first; equal ones in the order of the call. */
  readonly ranking: readonly number[];
}

export async function scoreContinuations(
  core: GeneratorCore,
  prompt: unknown,
  continuations: unknown,
  options: unknown,
): Promise<ContinuationScores> {
  // Arguments
  const checkedPrompt = string(prompt, "prompt");
  if (!Array.isArray(continuations)) throw expected("an array of strings", "continuations", continuations);
  const endings = await checkEach(continuations, "continuations", nonEmptyString);
  const checked = checkOptions(options, "scoreContinuations", {
    normalization: oneOf(...NORMALIZATIONS),
    signal: abortSignal,
    onProgress: callback<(progress: Progress) => void>(),
  });

  const { onProgress } = checked;
  const total = endings.length;
  const scoreOne = async (index: number, signal: AbortSignal) => {
    const sequence = await promptAndEnding(core, checkedPrompt, endings[index]!, signal);
    checkLength(core, sequence.ids.length, index);
    const result = await scoreTokens(core, sequence, 0, signal, true);
    const tokens = await describeTokens(core, sequence, result, 0, signal, sequence.first);
    return scoreOf(endings[index]!, sumUp(result.logprobs).logProbability, tokens);
  };
  // The first one leaves the prompt's keys and values for the others.
  const ahead = Math.min(1, total);
  const head = await runConcurrently(ahead, scoreOne, {
    signal: checked.signal,
    onProgress: () => onProgress?.({ done: 1, total }),
  });
  const rest = await runConcurrently(total - ahead, (i, signal) => scoreOne(i + ahead, signal), {
    signal: checked.signal,
    onProgress: ({ done }) => onProgress?.({ done: done + ahead, total }),
  });
  const scores = [...head, ...rest];
  return { scores, ranking: rank(scores, checked.normalization ?? "none") };
}

/** Scored from the first token that reaches beyond the prompt: one may be of both. */
async function promptAndEnding(
  core: GeneratorCore,
  prompt: string,
  ending: string,
  signal: AbortSignal,
): Promise<ScoredSequence> {
  const text = prompt + ending;
  const plain = await scoredSequence(core, text, false, signal);
  const count = plain.ids.length;
  let index = 0;
  while (index < count && plain.offsets[2 * index + 1]! <= prompt.length) index++;
  if (index > 0) return { ...plain, first: index };
  // Nothing comes before it but the beginning of the text.
  return scoredSequence(core, text, true, signal);
}

function scoreOf(
  continuation: string,
  logProbability: number,
  tokens: readonly TokenScore[],
): ContinuationScore {
  let characters = 0;
  for (const _ of continuation) characters++;
  return {
    continuation,
    logProbability,
    logProbabilityPerToken: logProbability / Math.max(1, tokens.length),
    logProbabilityPerCharacter: logProbability / characters,
    tokens,
  };
}

function rank(scores: readonly ContinuationScore[], normalization: ContinuationNormalization): number[] {
  const measure = {
    none: (each: ContinuationScore) => each.logProbability,
    tokens: (each: ContinuationScore) => each.logProbabilityPerToken,
    characters: (each: ContinuationScore) => each.logProbabilityPerCharacter,
  }[normalization];
  return scores.map((_, i) => i).sort((a, b) => measure(scores[b]!) - measure(scores[a]!));
}
