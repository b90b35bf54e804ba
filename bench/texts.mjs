// Texts with a known number of tokens.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readGguf } from "../dist/gguf/reader.js";
import { random } from "./models.mjs";

const MODELS = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "models");

/**
 * A maker of texts of random words that are one token each, so that a text of S tokens, `[CLS]` and `[SEP]`
 * included, has S - 2 words in every tokenizer.
 */
export async function textMaker(seed = 1) {
  const { metadata } = await readGguf(path.join(MODELS, "mini-bert.gguf"));
  const words = [];
  for (const token of metadata.get("tokenizer.ggml.tokens").value) {
    if (/^▁[a-z]{2,}$/.test(token)) words.push(token.slice(1));
  }
  const next = random(seed);
  const word = () => words[Math.floor(next() * words.length)];
  return (length) => Array.from({ length: length - 2 }, word).join(" ");
}

/** Token ids for a GPT-2 prompt. */
export function promptMaker(seed = 1) {
  const next = random(seed);
  return (length) => Array.from({ length }, () => Math.floor(next() * 8000));
}
