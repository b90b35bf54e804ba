import type { EncoderCore } from "../encoder.js";
import { checkEach } from "../inputs.js";
import { runTask } from "../native.js";
import { boolean, checkOptions, expected, integer, isObject, string, type Check } from "../options.js";
import { runParts } from "../parts.js";
import { breathe } from "../tokenizer/time-slices.js";
import { tokenizeWindows, windowOptions, windowPolicy, type Window, type WindowOptions } from "../windows.js";
import { byScore, findSpans, type AnswerSpan, type SpanOptions, type WindowAnswers } from "./answer-spans.js";
import { requireHead } from "./heads.js";
import { encodeRequest } from "./request.js";

/** A question and the text that may hold its answer. */
export interface QuestionInput {
  /** What to answer. */
  readonly question: string;
  /** The text that may hold the answer, of any length. */
  readonly context: string;
}

/** Options of {@link Encoder.answer}. Windows are those of the context, each with the whole question. */
export interface AnswerOptions extends WindowOptions {
  /** Most tokens per window, special tokens included. Default: 384, or `info.contextLength` where that is less. */
  maxLength?: number;
  /** Tokens that each window shares with the one before it. Default: half a window, at most 128. */
  stride?: number;
  /** At most this many answers, the best first. Default: 1. */
  topK?: number;
  /** Tokens of the longest answer. Default: 15. */
  maxAnswerLength?: number;
  /** Widen answers to whole words. Default: true. */
  alignToWords?: boolean;
  /**
   * Whether there may be no answer, as in SQuAD 2: an empty answer with `noAnswerScore` then stands among the others.
   * Only models trained for it tell. Default: false.
   */
  noAnswer?: boolean;
}

/** A stretch of the context. */
export interface Answer {
  /** `context.slice(start, end)`. */
  readonly text: string;
  /** Probability that it begins and ends the answer, of the window it stands in. */
  readonly score: number;
  /** Where it begins, in UTF-16 units. */
  readonly start: number;
  /** Where it ends. */
  readonly end: number;
}

/** What {@link Encoder.answer} returns for one question. */
export interface AnswerResult {
  /** The best first; none when the context has no tokens. */
  readonly answers: readonly Answer[];
  /** Probability that there is no answer: the least of all windows. */
  readonly noAnswerScore: number;
}

const MAX_LENGTH = 384;
const MAX_STRIDE = 128;

/** Answers one question or many. */
export async function answer(
  core: EncoderCore,
  inputs: unknown,
  options: unknown,
): Promise<AnswerResult | AnswerResult[]> {
  const { model } = core;

  // Arguments
  const isArray = Array.isArray(inputs);
  const items = isArray ? await checkEach(inputs, "inputs", questionInput) : [questionInput(inputs, "input")];
  const checked = checkOptions(options, "answer", {
    ...windowOptions(core, true),
    topK: integer(1, Number.MAX_SAFE_INTEGER),
    maxAnswerLength: integer(1, Number.MAX_SAFE_INTEGER),
    alignToWords: boolean,
    noAnswer: boolean,
  });
  requireHead(core, "questionAnswering", "answer");
  const { topK = 1, maxAnswerLength = 15, alignToWords = true, noAnswer = false } = checked;
  const spanOptions: SpanOptions = { topK, maxAnswerLength, alignToWords };
  const policy = answerPolicy(core, checked);

  const results = await runParts<Window, WindowAnswers, AnswerResult>(
    {
      total: items.length,
      prepare: (begin, end, signal) => {
        const pairs = items.slice(begin, end).map(({ question, context }) => {
          return { text: question, pair: context };
        });
        return tokenizeWindows(core, pairs, begin, policy, signal);
      },
      outputSize: ({ ids }) => 2 * ids.length,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { answerLogits: true });
        const { answerLogits } = await runTask(() => model.encode(request), signal);
        const found: WindowAnswers[] = [];
        let start = 0;
        for (const { encoding } of batch) {
          const logits = answerLogits!.subarray(start, (start += 2 * encoding.length));
          found.push(findSpans(encoding, logits, spanOptions));
          await breathe(signal);
        }
        return found;
      },
      merge: (windows, index) => mergeWindows(windows, items[index]!.context, topK, noAnswer),
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

const questionInput: Check<QuestionInput> = (value, name) => {
  if (!isObject(value)) throw expected("{ question, context }", name, value);
  const unknown = Object.keys(value).find((key) => key !== "question" && key !== "context");
  if (unknown !== undefined) throw expected("only question and context", name, unknown);
  return {
    question: string(value["question"], `${name}.question`),
    context: string(value["context"], `${name}.context`),
  };
};

function answerPolicy(core: EncoderCore, options: WindowOptions) {
  const limit = options.maxLength ?? Math.min(MAX_LENGTH, core.info.contextLength);
  const room = limit - core.tokenizer.countSpecialTokens(true);
  const stride = options.stride ?? Math.max(0, Math.min(MAX_STRIDE, limit >> 1, room - 1));
  return windowPolicy(core, { ...options, stride }, limit, true);
}

/** The best of all windows. What two of them found in their overlap counts once, with the higher score. */
function mergeWindows(
  windows: readonly WindowAnswers[],
  context: string,
  topK: number,
  noAnswer: boolean,
): AnswerResult {
  const byPlace = new Map<string, AnswerSpan>();
  for (const span of windows.flatMap(({ spans }) => spans)) {
    const key = `${span.start} ${span.end}`;
    const other = byPlace.get(key);
    if (other === undefined || other.score < span.score) byPlace.set(key, span);
  }
  const noAnswerScore = windows.reduce((least, window) => Math.min(least, window.noAnswer), 1);
  const candidates = [...byPlace.values()];
  if (noAnswer) candidates.push({ start: 0, end: 0, score: noAnswerScore });
  const best = candidates.sort(byScore).slice(0, topK);
  return {
    answers: best.map(({ start, end, score }) => ({ text: context.slice(start, end), score, start, end })),
    noAnswerScore,
  };
}
