/** What `../shared/golden` records, and the message when it is not there. */
import { goldenInputs, hasGolden } from "../support/golden.js";

export interface BertCase {
  text: string | [string, string];
  input_ids: number[];
  token_type_ids: number[];
  mask_position?: number;
  mlm_top10?: [token: number, probability: number][];
}

export interface EmbedCase {
  text: string;
  input_ids: number[];
}

export interface Gpt2Golden {
  cases: { prompt: string; input_ids: number[]; greedy_ids: number[]; greedy_margins: number[] }[];
  score: { input_ids: number[]; perplexity: number };
}

/** Where the two best logits are closer than this, rounding may choose either. */
export const MARGIN = 1e-3;

if (!hasGolden)
  console.warn(
    "Skipped: the folder shared/ with checkpoints and their outputs is not beside this repository.",
  );

export const bertCases = hasGolden ? goldenInputs<{ cases: BertCase[] }>("mini-bert").cases : [];
export const embedCases = hasGolden ? goldenInputs<{ cases: EmbedCase[] }>("mini-embed").cases : [];
export const gpt2Golden: Gpt2Golden = hasGolden
  ? goldenInputs<Gpt2Golden>("mini-gpt2")
  : { cases: [], score: { input_ids: [], perplexity: 0 } };

/** How many greedy tokens are beyond doubt. */
export function certainTokens(margins: readonly number[]): number {
  const doubtful = margins.findIndex((margin) => margin < MARGIN);
  return doubtful < 0 ? margins.length : doubtful;
}
