/** Speculative decoding: tokens are guessed ahead, and the model checks several of them in one step. */
import { InvalidArgumentError } from "./errors.js";
import type { Generator, GeneratorCore } from "./generator.js";
import { coreOf } from "./generator-cores.js";
import type { Drafting, GenerateResult } from "./native.js";
import { checkOptions, expected, integer, isObject, oneOf, type Check } from "./options.js";

/**
 * Guesses that what followed the last tokens before follows again: for texts that quote their prompt (Saxena,
 * "Prompt Lookup Decoding", 2023). Costs no memory.
 */
export interface PromptLookup {
  /** Looks in the prompt and the text so far. */
  readonly method: "promptLookup";
  /** The longest sequence of last tokens that is looked for, at least 1. Default: 3. */
  readonly ngramSize?: number;
  /** Most tokens guessed at a time, 1 to 64; fewer while guesses prove wrong. Default: 8. */
  readonly draftTokens?: number;
}

/**
 * A smaller model of the same vocabulary guesses, greedily (Leviathan, Kalman and Matias, "Fast Inference from
 * Transformers via Speculative Decoding", 2023).
 */
export interface DraftModel {
  /** Asks a second model. */
  readonly method: "draftModel";
  /** Is only used: who loaded it disposes of it, after the generation. */
  readonly model: Generator;
  /** Most tokens guessed at a time, 1 to 64; fewer while guesses prove wrong. Default: 4. */
  readonly draftTokens?: number;
}

/** How tokens are guessed. The tokens that come out are the same as without, also sampled ones of the same seed. */
export type Speculation = PromptLookup | DraftModel;

/** How well tokens were guessed. */
export interface SpeculationReport {
  /** Tokens that were guessed and checked. */
  readonly draftedTokens: number;
  /** Those of them that were right, each a step less. */
  readonly acceptedTokens: number;
  /** acceptedTokens / draftedTokens; 0 when there are none. */
  readonly acceptanceRate: number;
}

const METHODS = oneOf("promptLookup", "draftModel");
const DRAFT_TOKENS = integer(1, 64);
/** Longer ones cost time to find and are no better. */
const NGRAM_SIZE = integer(1, 64);

/** Checks the option for a generation of this model, and says it in the engine's words. */
export function speculationCheck(target: GeneratorCore): Check<Drafting> {
  return (value, name) => {
    if (!isObject(value)) throw expected("an object", name, value);
    const method = METHODS(value.method, `${name}.method`);
    const any: Check<unknown> = (each) => each;
    if (method === "promptLookup") {
      const given = checkOptions(value, name, {
        method: any,
        ngramSize: NGRAM_SIZE,
        draftTokens: DRAFT_TOKENS,
      });
      return { tokens: given.draftTokens ?? 8, ngramSize: given.ngramSize ?? 3 };
    }
    const given = checkOptions(value, name, { method: any, model: any, draftTokens: DRAFT_TOKENS });
    const draft = isObject(given.model) ? coreOf(given.model) : undefined;
    if (draft === undefined) throw expected("a Generator", `${name}.model`, given.model);
    requireAlike(target, draft, `${name}.model`);
    return { tokens: given.draftTokens ?? 4, model: draft.model };
  };
}

/** Pairs of models whose vocabularies have been compared. */
const alike = new WeakMap<GeneratorCore, WeakSet<GeneratorCore>>();

function requireAlike(target: GeneratorCore, draft: GeneratorCore, name: string): void {
  if (draft === target) throw new InvalidArgumentError("Expected another model to guess", { name });
  if (!draft.info.languageModel) {
    const message = `Expected a model that predicts tokens for ${name} but ${draft.info.name} does not`;
    throw new InvalidArgumentError(message, { name });
  }
  const known = alike.get(target) ?? new WeakSet();
  if (known.has(draft)) return;
  const size = target.info.vocabSize;
  let same = draft.info.vocabSize === size;
  for (let id = 0; same && id < size; id++) {
    same = target.tokenizer.idToToken(id) === draft.tokenizer.idToToken(id);
  }
  if (!same) {
    throw new InvalidArgumentError(
      `Expected a model with the vocabulary of ${target.info.name} for ${name} but ${draft.info.name} has another`,
      { name },
    );
  }
  alike.set(target, known.add(draft));
}

export function speculationReport({ draftedTokens, acceptedTokens }: GenerateResult): SpeculationReport {
  return { draftedTokens, acceptedTokens, acceptanceRate: acceptedTokens / Math.max(1, draftedTokens) };
}
