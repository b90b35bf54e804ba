/**
 * The likeliest spans of a window, as Hugging Face's question-answering pipeline defines them (Devlin et al.,
 * arXiv:1810.04805, sections 4.2 and 4.3; no answer is the span of `[CLS]` alone).
 */
import type { Encoding } from "../tokenizer/index.js";
import { topIndices } from "../top-k.js";
import { softmaxInPlace } from "./label-scores.js";

/** A stretch of the context, in UTF-16 units, with its probability. */
export interface AnswerSpan {
  readonly start: number;
  readonly end: number;
  readonly score: number;
}

/** What one window says. */
export interface WindowAnswers {
  /** The best first. */
  readonly spans: readonly AnswerSpan[];
  /** Probability that the window holds no answer. */
  readonly noAnswer: number;
}

export interface SpanOptions {
  /** Tokens of the longest answer. */
  readonly maxAnswerLength: number;
  /** Widen answers to whole words. */
  readonly alignToWords: boolean;
  /** Answers wanted in the end. */
  readonly topK: number;
}

/** The spans of one window from its logits, [S, 2]. */
export function findSpans(encoding: Encoding, logits: Float32Array, options: SpanOptions): WindowAnswers {
  const { topK, alignToWords } = options;
  const { from, to } = contextOf(encoding);
  const start = probabilities(logits, 0, from, to);
  const end = probabilities(logits, 1, from, to);
  const candidates = bestSpans(start, end, alignToWords ? 2 * topK + 10 : topK, options.maxAnswerLength);

  // Tokens of one word stand for the same words: their probabilities add up.
  const byPlace = new Map<string, AnswerSpan>();
  for (const { first, last, score } of candidates) {
    const place = textOf(encoding, from + first, from + last, { from, to }, alignToWords);
    const key = `${place.start} ${place.end}`;
    byPlace.set(key, { ...place, score: score + (byPlace.get(key)?.score ?? 0) });
  }
  return { spans: [...byPlace.values()].sort(byScore), noAnswer: start.cls * end.cls };
}

export const byScore = (a: AnswerSpan, b: AnswerSpan) =>
  b.score - a.score || a.start - b.start || a.end - b.end;

/** Tokens from `from` to `to` (exclusive). */
interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/** The tokens of the second text, which lie together. */
function contextOf({ sequenceIds }: Encoding): TokenRange {
  const from = sequenceIds.indexOf(1);
  return from < 0 ? { from: 0, to: 0 } : { from, to: sequenceIds.lastIndexOf(1) + 1 };
}

interface Probabilities {
  readonly context: Float64Array;
  readonly cls: number;
}

/** The softmax over the context and `[CLS]`, the first token; `column` 0 is the start, 1 the end. */
function probabilities(logits: Float32Array, column: number, from: number, to: number): Probabilities {
  const row = new Float64Array(1 + to - from);
  row[0] = logits[column]!;
  for (let i = from; i < to; i++) row[1 + i - from] = logits[2 * i + column]!;
  softmaxInPlace(row);
  return { context: row.subarray(1), cls: row[0]! };
}

interface TokenSpan {
  /** Index among the tokens of the context. */
  readonly first: number;
  readonly last: number;
  readonly score: number;
}

/** The `count` spans of at most `longest` tokens for which start times end is largest. */
function bestSpans(start: Probabilities, end: Probabilities, count: number, longest: number): TokenSpan[] {
  const { length } = start.context;
  const width = Math.min(longest, length);
  // Spans that would reach beyond the end stay below all others.
  const scores = new Float64Array(length * width).fill(-1);
  for (let first = 0; first < length; first++) {
    for (let extra = 0; extra < width && first + extra < length; extra++) {
      scores[first * width + extra] = start.context[first]! * end.context[first + extra]!;
    }
  }
  return Array.from(topIndices(scores, count), (index) => {
    const first = Math.floor(index / width);
    return { first, last: first + (index % width), score: scores[index]! };
  }).filter(({ score }) => score >= 0);
}

/** Where tokens `first` to `last` stand in the context, or the words they belong to. */
function textOf(
  { offsets, wordIds }: Encoding,
  first: number,
  last: number,
  { from, to }: TokenRange,
  alignToWords: boolean,
): { start: number; end: number } {
  if (alignToWords) {
    while (first > from && wordIds[first - 1] === wordIds[first]) first--;
    while (last < to - 1 && wordIds[last + 1] === wordIds[last]) last++;
  }
  return { start: offsets[2 * first]!, end: offsets[2 * last + 1]! };
}
