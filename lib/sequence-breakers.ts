/** Which tokens end a repetition: those whose text has one of the given strings in it. */
import type { GeneratorCore } from "./generator.js";
import type { Tokenizer } from "./tokenizer/index.js";
import { BYTE_CHARACTERS } from "./tokenizer/byte-alphabet.js";

const known = new WeakMap<Tokenizer, Map<string, Int32Array>>();

/** The ids of all tokens that have one of `breakers` in them; for one that spans tokens, its last token. */
export function breakerTokens(core: GeneratorCore, breakers: readonly string[]): Int32Array {
  const ids = new Set(breakers.flatMap((breaker) => [...tokensWith(core, breaker)]));
  return Int32Array.from(ids).sort();
}

function tokensWith({ tokenizer, info }: GeneratorCore, breaker: string): Int32Array {
  let found = known.get(tokenizer);
  if (found === undefined) known.set(tokenizer, (found = new Map<string, Int32Array>()));
  let ids = found.get(breaker);
  if (ids === undefined) found.set(breaker, (ids = search(tokenizer, info.vocabSize, breaker)));
  return ids;
}

function search(tokenizer: Tokenizer, vocabSize: number, breaker: string): Int32Array {
  const spelled = Array.from(Buffer.from(breaker), (byte) => BYTE_CHARACTERS[byte]!).join("");
  const ids: number[] = [];
  for (let id = 0; id < vocabSize; id++) {
    const token = tokenizer.idToToken(id);
    if (token !== undefined && (token.includes(spelled) || token.includes(breaker))) ids.push(id);
  }
  if (ids.length === 0) ids.push(tokenizer.encode(`a${breaker}`, { addSpecialTokens: false }).ids.at(-1)!);
  return Int32Array.from(ids);
}
