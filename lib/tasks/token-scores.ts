/** How likely tokens are in their place: each is masked, and the model asked for it. */
import type { EncoderCore } from "../encoder.js";
import type { InputOptions, TokenizedInput } from "../inputs.js";
import { runParts } from "../parts.js";
import { breathe } from "../tokenizer/time-slices.js";
import { logProbability, maskLogits, requireMaskToken, type MaskedSequence } from "./mask-logits.js";

/** Tokens of a text whose probability is wanted. */
export interface ScoredText {
  readonly text: TokenizedInput;
  /** Their positions. */
  readonly positions: readonly number[];
}

/** A token and the logarithm of its probability, given all others of its text. */
export interface TokenScore {
  readonly text: TokenizedInput;
  readonly position: number;
  readonly logProbability: number;
}

export interface ScoringJob<R> {
  /** Number of inputs. */
  readonly total: number;
  /** The texts of the inputs from `begin` to `end` (exclusive), perhaps several per input. */
  prepare(begin: number, end: number, signal: AbortSignal): Promise<ScoredText[][]>;
  /** The result of an input from its tokens, in their order. */
  merge(scores: readonly TokenScore[], index: number): R;
}

/** A text with one token masked. */
interface MaskedVariant extends MaskedSequence {
  readonly text: TokenizedInput;
}

/** Every text becomes as many as it has tokens. */
const INPUTS_AT_ONCE = 16;

/** All maskings of a call share batches. */
export function scoreTokens<R>(
  core: EncoderCore,
  job: ScoringJob<R>,
  user: string,
  options: Pick<InputOptions, "signal" | "onProgress">,
): Promise<R[]> {
  const maskToken = requireMaskToken(core, user);
  return runParts<MaskedVariant, TokenScore, R>(
    {
      total: job.total,
      inputsAtOnce: INPUTS_AT_ONCE,
      async prepare(begin, end, signal) {
        const prepared = await job.prepare(begin, end, signal);
        return prepared.map((texts, i) => texts.flatMap((text) => variantsOf(text, maskToken, begin + i)));
      },
      outputSize: () => core.info.vocabSize,
      async compute(batch, signal) {
        const logits = await maskLogits(core, batch, signal);
        const scores: TokenScore[] = [];
        for (const [i, { text, masks }] of batch.entries()) {
          const position = masks[0]!;
          scores.push({
            text,
            position,
            logProbability: logProbability(logits[i]![0]!, text.ids[position]!),
          });
          await breathe(signal);
        }
        return scores;
      },
      merge: (scores, index) => job.merge(scores, index),
    },
    options,
  );
}

function variantsOf({ text, positions }: ScoredText, maskToken: number, index: number): MaskedVariant[] {
  return positions.map((position) => ({
    index,
    ids: text.ids.with(position, maskToken),
    segments: text.segments,
    masks: [position],
    text,
  }));
}

/** Positions of the tokens that are not special ones. */
export function ownPositions({ encoding }: TokenizedInput): number[] {
  const { specialTokensMask } = encoding!;
  return Array.from(specialTokensMask.keys()).filter((position) => specialTokensMask[position] === 0);
}
