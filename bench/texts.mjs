// Texts with a known number of tokens.
import { donorKeys } from "./models.mjs";
import { random } from "./weights.mjs";

/**
 * A maker of texts of random words that are one token each, so that a text of S tokens, `[CLS]` and `[SEP]`
 * included, has S - 2 words in every tokenizer.
 */
export async function textMaker(seed = 1) {
  const metadata = await donorKeys("bert");
  const words = [];
  for (const token of metadata.get("tokenizer.ggml.tokens").value) {
    if (/^▁[a-z]{2,}$/.test(token)) words.push(token.slice(1));
  }
  const next = random(seed);
  const word = () => words[Math.floor(next() * words.length)];
  return (length) => Array.from({ length: length - 2 }, word).join(" ");
}

/** Lengths as paragraphs have them: log-normal, half of them below 90 tokens, from 8 to 512. */
export function paragraphLengths(count, seed = 1) {
  const next = random(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const length = () => Math.round(90 * Math.exp(0.8 * normal()));
  return Array.from({ length: count }, () => Math.min(512, Math.max(8, length())));
}

/** Token ids for a GPT-2 prompt. */
export function promptMaker(seed = 1) {
  const next = random(seed);
  return (length) => Array.from({ length }, () => Math.floor(next() * 8000));
}
