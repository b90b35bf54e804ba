/** What a generator continues or looks at: a text, or token ids. */
import { InputTooLongError, InvalidArgumentError } from "./errors.js";
import type { GeneratorCore } from "./generator.js";
import { expected, isObject, tokenIds, type Check } from "./options.js";

/** A prompt: a text, or token ids used exactly as they are. */
export type GeneratorInput =
  | string
  | {
      /** Token ids, [S]: from 0 and below V. */
      readonly ids: ArrayLike<number>;
    };

/** A prompt whose types are right, with ids in range. */
export type CheckedPrompt = string | Int32Array;

/** Checks a {@link GeneratorInput}. */
export function generatorInput({ info }: GeneratorCore): Check<CheckedPrompt> {
  const ids = tokenIds(info.vocabSize);
  return (value, name) => {
    if (typeof value === "string") return value;
    if (!isObject(value) || Object.keys(value).join() !== "ids")
      throw expected("a string or { ids }", name, value);
    return ids(value.ids, `${name}.ids`);
  };
}

/** Token ids of a prompt: at least one, and no more than the context holds. */
export async function promptIds(
  { info, tokenizer }: Pick<GeneratorCore, "info" | "tokenizer">,
  prompt: CheckedPrompt,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  const given = typeof prompt === "string" ? (await tokenizer.encodeAsync(prompt, { signal })).ids : prompt;
  const ids = given.length > 0 ? given : beginningOfText({ info, tokenizer });
  if (ids.length <= info.contextLength) return ids;
  throw new InputTooLongError(
    `Expected at most ${info.contextLength} tokens, the context length, but the prompt has ${ids.length}`,
    { length: ids.length, limit: info.contextLength },
  );
}

/** What stands for an empty prompt: the token that begins a text, else the one that ends the text before it. */
function beginningOfText({ info, tokenizer }: Pick<GeneratorCore, "info" | "tokenizer">): Int32Array {
  const token = tokenizer.specialIds.bos ?? tokenizer.specialIds.eos;
  if (token !== undefined) return Int32Array.of(token);
  throw new InvalidArgumentError(
    `Expected a prompt that is not empty: ${info.name} has no token for the beginning or end of a text`,
    { name: "prompt", value: "" },
  );
}
