import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import {
  inputOptions,
  lengthPolicy,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask } from "../native.js";
import { checkOptions, expected, string, type Check } from "../options.js";
import { requireHead } from "./heads.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.nextSentence}. */
export type NextSentenceOptions = InputOptions;

/** What {@link Encoder.nextSentence} returns for one pair. */
export interface NextSentenceResult {
  /** Probability that the second text follows the first, from 0 to 1. */
  readonly probability: number;
  /** The head's two logits: is next, not next. */
  readonly logits: readonly [isNext: number, notNext: number];
}

type Pair = { text: string; pair: string };

/** Judges one pair, or many given as `pairs`. */
export async function nextSentence(
  core: EncoderCore,
  pairs: readonly Pair[],
  options: unknown,
): Promise<NextSentenceResult[]> {
  const { info } = core;
  const checked = checkOptions(options, "nextSentence", inputOptions(core, true));
  requireHead(core, "nextSentence", "nextSentence");
  const policy = lengthPolicy(checked, info.contextLength);

  return runBatches<TokenizedInput, NextSentenceResult>(
    {
      total: pairs.length,
      prepare: (begin, end, signal) => tokenizeInputs(core, pairs.slice(begin, end), begin, policy, signal),
      outputSize: () => 2,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { nextSentence: true });
        const { nextSentenceLogits: logits } = await runTask(() => core.model.encode(request), signal);
        return batch.map((_, i) => readResult(logits![2 * i]!, logits![2 * i + 1]!));
      },
    },
    checked,
  );
}

/** Softmax over the two logits, which is the logistic function of their difference. */
function readResult(isNext: number, notNext: number): NextSentenceResult {
  return { probability: 1 / (1 + Math.exp(notNext - isNext)), logits: [isNext, notNext] };
}

/** The two sentences of a pair. */
export const sentencePair: Check<Pair> = (value, name) => {
  if (!Array.isArray(value) || value.length !== 2) throw expected("a pair of strings", name, value);
  return { text: string(value[0], `${name}[0]`), pair: string(value[1], `${name}[1]`) };
};
