/** How likely a decoder finds a text, token by token. */
import { runConcurrently } from "./concurrent.js";
import { InputTooLongError, InvalidArgumentError } from "./errors.js";
import type { GeneratorCore } from "./generator.js";
import { oneOrManyTexts, type Progress } from "./inputs.js";
import { runTask, type ScoreResult } from "./native.js";
import { boolean, callback, checkOptions, integer, signal as abortSignal } from "./options.js";
import { breathe } from "./tokenizer/time-slices.js";

/** Options of {@link Generator.score}. */
export interface ScoreOptions {
  /** Report this many of the likeliest tokens at every place, up to 1000. Default: 0. */
  topK?: number;
  /**
   * Put the token that begins a text before it (the one that ends a text when there is no other), so that the
   * first token has a score as well. Default: false, and the first token has none.
   */
  beginningOfText?: boolean;
  /** Aborts the call, also in the middle of the computation; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
  /** Called whenever a text is finished. */
  onProgress?: (progress: Progress) => void;
}

/** One of the likeliest tokens at a place. */
export interface TokenAlternative {
  /** Token id. */
  readonly token: number;
  /** The vocabulary's form of the token. */
  readonly tokenString: string;
  /** Natural logarithm of its probability. */
  readonly logProbability: number;
}

/** How likely one token is, given those before it. */
export interface TokenScore {
  /** Token id. */
  readonly token: number;
  /** The vocabulary's form of the token. */
  readonly tokenString: string;
  /** Where it begins in the text, in UTF-16 units; tokens that share a character have the same. */
  readonly start: number;
  /** Where it ends: `text.slice(start, end)`. */
  readonly end: number;
  /** Natural logarithm of its probability; null for a first token that has nothing before it. */
  readonly logProbability: number | null;
  /** Its place among all tokens by probability, 1 for the likeliest; null like `logProbability`. */
  readonly rank: number | null;
  /** The likeliest tokens at its place, the first the likeliest; with `topK`. */
  readonly top?: readonly TokenAlternative[];
}

/** What {@link Generator.score} returns for one text. */
export interface TextScore {
  /** Sum of the tokens' log-probabilities; 0 when no token has one. */
  readonly logProbability: number;
  /** exp(-logProbability / scoredTokens); 1 when no token has a score. */
  readonly perplexity: number;
  /** Tokens that have a score. */
  readonly scoredTokens: number;
  /** All tokens of the text. */
  readonly tokens: readonly TokenScore[];
}

/** Bounds what a call copies on the JavaScript thread. */
const MOST_ALTERNATIVES = 1000;

/** Scores texts, several of them at a time. */
export async function score(
  core: GeneratorCore,
  texts: unknown,
  options: unknown,
): Promise<TextScore | TextScore[]> {
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "score", {
    topK: integer(0, Math.min(MOST_ALTERNATIVES, core.info.vocabSize)),
    beginningOfText: boolean,
    signal: abortSignal,
    onProgress: callback<(progress: Progress) => void>(),
  });
  const { topK = 0, beginningOfText = false } = checked;
  const scoreOne = async (index: number, signal: AbortSignal) => {
    const sequence = await scoredSequence(core, items[index]!, beginningOfText, signal);
    checkLength(core, sequence.ids.length, index);
    const result = await scoreTokens(core, sequence, topK, signal);
    const tokens = await describeTokens(core, sequence, result, topK, signal);
    return { ...sumUp(result.logprobs), tokens };
  };
  const results = await runConcurrently(items.length, scoreOne, checked);
  return isArray ? results : results[0]!;
}

/** A text's tokens as the engine gets them. */
export interface ScoredSequence {
  /** Token ids, [S]. */
  readonly ids: Int32Array;
  /** How many of these come before the text. */
  readonly added: number;
  /** The first token that has a score. */
  readonly first: number;
  /** Start and end of each of the text's tokens, [2 (S - added)]. */
  readonly offsets: Int32Array;
}

/** Tokenizes a text; its first token has a score when `withBeginning`. */
export async function scoredSequence(
  core: GeneratorCore,
  text: string,
  withBeginning: boolean,
  signal: AbortSignal,
): Promise<ScoredSequence> {
  const { ids, offsets } = await core.tokenizer.encodeAsync(text, { signal });
  const beginning = withBeginning ? beginningToken(core) : undefined;
  // Some tokenizers put it there themselves.
  if (beginning === undefined || ids[0] === beginning) return { ids, added: 0, first: 1, offsets };
  return { ids: Int32Array.of(beginning, ...ids), added: 1, first: 1, offsets };
}

function beginningToken({ info, tokenizer }: GeneratorCore): number {
  const token = tokenizer.specialIds.bos ?? tokenizer.specialIds.eos;
  if (token !== undefined) return token;
  throw new InvalidArgumentError(
    `Expected no beginningOfText: ${info.name} has no token for the beginning or end of a text`,
    { name: "beginningOfText", value: true },
  );
}

/** @throws InputTooLongError */
export function checkLength({ info }: GeneratorCore, length: number, index: number): void {
  const limit = info.contextLength;
  if (length <= limit) return;
  throw new InputTooLongError(
    `Expected at most ${limit} tokens, the context length, for text ${index} but it has ${length}: ` +
      "perplexity() takes longer ones",
    { length, limit },
  );
}

const NOTHING: ScoreResult = {
  logprobs: new Float32Array(0),
  ranks: new Int32Array(0),
  topIds: new Int32Array(0),
  topLogprobs: new Float32Array(0),
};

/** Scores the tokens from `first` on; there may be none. */
export async function scoreTokens(
  { model }: Pick<GeneratorCore, "model">,
  { ids, first }: Pick<ScoredSequence, "ids" | "first">,
  topK: number,
  signal: AbortSignal,
  sharePrompt = false,
): Promise<ScoreResult> {
  if (ids.length <= first) return NOTHING;
  return runTask(() => model.score({ ids, first, topK, sharePrompt }), signal);
}

/** Sum and perplexity of log-probabilities. */
export function sumUp(logprobs: Float32Array): Omit<TextScore, "tokens"> {
  const logProbability = logprobs.reduce((sum, each) => sum + each, 0);
  const scoredTokens = logprobs.length;
  return {
    logProbability,
    perplexity: Math.exp(-logProbability / Math.max(1, scoredTokens)),
    scoredTokens,
  };
}

/** The text's tokens from `from` on, with what is known of each. */
export async function describeTokens(
  { tokenizer }: Pick<GeneratorCore, "tokenizer">,
  { ids, added, first, offsets }: ScoredSequence,
  { logprobs, ranks, topIds, topLogprobs }: ScoreResult,
  topK: number,
  signal: AbortSignal,
  from = added,
): Promise<TokenScore[]> {
  const tokenString = (id: number) => tokenizer.idToToken(id) ?? "";
  const tokens: TokenScore[] = [];
  for (let i = from; i < ids.length; i++) {
    const row = i - first;
    const alternatives = Array.from({ length: row < 0 ? 0 : topK }, (_, k) => ({
      token: topIds[row * topK + k]!,
      tokenString: tokenString(topIds[row * topK + k]!),
      logProbability: topLogprobs[row * topK + k]!,
    }));
    tokens.push({
      token: ids[i]!,
      tokenString: tokenString(ids[i]!),
      start: offsets[2 * (i - added)]!,
      end: offsets[2 * (i - added) + 1]!,
      logProbability: row < 0 ? null : logprobs[row]!,
      rank: row < 0 ? null : ranks[row]!,
      ...(topK > 0 && { top: alternatives }),
    });
    await breathe(signal);
  }
  return tokens;
}
