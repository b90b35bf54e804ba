import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyTexts,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask } from "../native.js";
import { checkOptions } from "../options.js";
import { breathe } from "../tokenizer/time-slices.js";
import { requireHead } from "./heads.js";
import { encodeRequest } from "./request.js";
import { ownPositions } from "./token-scores.js";

/** Options of {@link Encoder.detectReplaced}. */
export type DetectReplacedOptions = InputOptions;

/** How much one token looks as if it had been put in another's place. */
export interface TokenReplacement {
  /** Token id. */
  readonly token: number;
  /** The vocabulary's form of the token. */
  readonly tokenString: string;
  /** Probability that it replaces the original one, from 0 to 1: the logistic function of `logit`. */
  readonly probability: number;
  /** The head's own number. */
  readonly logit: number;
  /** Where it begins in the text, in UTF-16 units. */
  readonly start: number;
  /** Where it ends: `text.slice(start, end)`. */
  readonly end: number;
}

/** Tells replaced tokens as ELECTRA's discriminator does (Clark et al., arXiv:2003.10555). */
export async function detectReplaced(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<TokenReplacement[] | TokenReplacement[][]> {
  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "detectReplaced", inputOptions(core));
  requireHead(core, "replacedTokens", "detectReplaced");
  const policy = lengthPolicy(checked, core.info.contextLength);

  const results = await runBatches<TokenizedInput, TokenReplacement[]>(
    {
      total: items.length,
      prepare: (begin, end, signal) => {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        return tokenizeInputs(core, inputs, begin, policy, signal);
      },
      outputSize: ({ ids }) => ids.length,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { replacedLogits: true });
        const { replacedLogits } = await runTask(() => core.model.encode(request), signal);
        const all: TokenReplacement[][] = [];
        let begin = 0;
        for (const text of batch) {
          all.push(describe(core, text, replacedLogits!.subarray(begin, (begin += text.ids.length))));
          await breathe(signal);
        }
        return all;
      },
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

/** The text's own tokens, without special ones. */
function describe(
  { tokenizer }: EncoderCore,
  text: TokenizedInput,
  logits: Float32Array,
): TokenReplacement[] {
  const { offsets } = text.encoding!;
  return ownPositions(text).map((position) => ({
    token: text.ids[position]!,
    tokenString: tokenizer.idToToken(text.ids[position]!) ?? "",
    probability: 1 / (1 + Math.exp(-logits[position]!)),
    logit: logits[position]!,
    start: offsets[2 * position]!,
    end: offsets[2 * position + 1]!,
  }));
}
