import type { EncoderCore } from "../encoder.js";
import { inputOptions, lengthPolicy, oneOrManyTexts, tokenizeInputs, type InputOptions } from "../inputs.js";
import { checkOptions } from "../options.js";
import { requireHead } from "./heads.js";
import { ownPositions, scoreTokens, type TokenScore } from "./token-scores.js";

/** Options of {@link Encoder.pseudoLogLikelihood}. */
export type PseudoLogLikelihoodOptions = InputOptions;

/** How likely one token is, given all others of its text. */
export interface TokenLikelihood {
  /** Token id. */
  readonly token: number;
  /** The vocabulary's form of the token. */
  readonly tokenString: string;
  /** Natural logarithm of its probability. */
  readonly logProbability: number;
  /** Where it begins in the text, in UTF-16 units. */
  readonly start: number;
  /** Where it ends: `text.slice(start, end)`. */
  readonly end: number;
}

/** What {@link Encoder.pseudoLogLikelihood} returns for one text. */
export interface PseudoLogLikelihood {
  /** Sum of the tokens' log-probabilities; 0 for a text without tokens. */
  readonly score: number;
  /** exp(-score / tokens); 1 for a text without tokens. */
  readonly pseudoPerplexity: number;
  /** The tokens of the text, without special ones. */
  readonly tokens: readonly TokenLikelihood[];
}

/** Scores texts (Salazar et al., arXiv:1910.14659); the method's own limit is the context length. */
export async function pseudoLogLikelihood(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<PseudoLogLikelihood | PseudoLogLikelihood[]> {
  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "pseudoLogLikelihood", inputOptions(core));
  requireHead(core, "mlm", "pseudoLogLikelihood");
  const policy = lengthPolicy(checked, core.info.contextLength);

  const results = await scoreTokens<PseudoLogLikelihood>(
    core,
    {
      total: items.length,
      async prepare(begin, end, signal) {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        const tokenized = await tokenizeInputs(core, inputs, begin, policy, signal);
        return tokenized.map((text) => [{ text, positions: ownPositions(text) }]);
      },
      merge: (scores) => sumUp(core, scores),
    },
    "pseudoLogLikelihood",
    checked,
  );
  return isArray ? results : results[0]!;
}

function sumUp({ tokenizer }: EncoderCore, scores: readonly TokenScore[]): PseudoLogLikelihood {
  const score = scores.reduce((sum, { logProbability }) => sum + logProbability, 0);
  const tokens = scores.map(({ text, position, logProbability }) => {
    const token = text.ids[position]!;
    const { offsets } = text.encoding!;
    return {
      token,
      tokenString: tokenizer.idToToken(token) ?? "",
      logProbability,
      start: offsets[2 * position]!,
      end: offsets[2 * position + 1]!,
    };
  });
  return { score, pseudoPerplexity: Math.exp(-score / Math.max(1, tokens.length)), tokens };
}
