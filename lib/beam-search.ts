/** Beam search: the likeliest whole continuations, instead of the likeliest token at each place. */
import type { GeneratorCore } from "./generator.js";
import { generatorInput, promptIds } from "./prompt.js";
import type { Progress } from "./inputs.js";
import { InvalidArgumentError } from "./errors.js";
import { runTask } from "./native.js";
import {
  boolean,
  callback,
  checkOptions,
  expected,
  integer,
  number,
  signal as abortSignal,
  type Check,
} from "./options.js";
import {
  CONSTRAINT_CHECKS,
  constraintFor,
  planConstraint,
  type ConstraintOptions,
} from "./constraint/constraint.js";
import { adjustingChecks, planSampling, type AdjustingSettings } from "./sampling.js";

/** Options of {@link Generator.beamSearch}. Those that adjust logits work on log-probabilities here. */
export interface BeamSearchOptions extends AdjustingSettings, ConstraintOptions {
  /** Sequences that are followed at a time, 1 to 256. Default: 4. */
  numBeams?: number;
  /** Sequences that are returned, at most `numBeams`. Default: 1. */
  numReturnSequences?: number;
  /**
   * A sequence's score is the sum of its log-probabilities divided by its number of tokens, the end-of-text token
   * included, to this power: above 0 it favours long sequences, below 0 short ones. Default: 1.
   */
  lengthPenalty?: number;
  /**
   * When to end, once `numBeams` sequences are finished: at once (`true`), when no running one looks better by its
   * present length (`false`), or when none can become better (`"never"`). Default: false.
   */
  earlyStopping?: boolean | "never";
  /** Groups of beams that are searched one after the other in each step, a divisor of `numBeams`. Default: 1. */
  numBeamGroups?: number;
  /**
   * What a token's log-probability loses for each beam of an earlier group that has taken it in the same step
   * (arXiv:1610.02424). Default: 0.
   */
  diversityPenalty?: number;
  /** At most this many new tokens; at least 1. Default: 128. */
  maxTokens?: number;
  /** Continue past the model's end-of-text token. Default: false. */
  ignoreEos?: boolean;
  /** Aborts the search; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
  /** Called after each step, with the number of tokens the sequences have. */
  onProgress?: (progress: Progress) => void;
}

/** One continuation that a beam search has found. */
export interface BeamSequence {
  /** Without the prompt. */
  readonly text: string;
  /** The new token ids, without the end-of-text token. */
  readonly tokens: Int32Array;
  /** The sum of the tokens' log-probabilities, divided as `lengthPenalty` says. */
  readonly score: number;
  /** As of {@link Generation}. */
  readonly finishReason: "stop" | "length" | "context";
}

/** What {@link Generator.beamSearch} returns. */
export interface BeamSearchResult {
  /** The best first. */
  readonly sequences: readonly BeamSequence[];
  /** Where the time went. */
  readonly timings: BeamSearchTimings;
}

/** Where the time of a beam search went. */
export interface BeamSearchTimings {
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** How many of these the prompt cache had. */
  readonly cachedTokens: number;
  /** Milliseconds waiting for other work on the model. */
  readonly queuedMs: number;
  /** Milliseconds for the prompt. */
  readonly promptMs: number;
  /** Milliseconds for the search. */
  readonly searchMs: number;
}

const MOST_BEAMS = 256;
const DEFAULT_MAX_TOKENS = 128;
const finite = number("a finite number", Number.isFinite);

const earlyStopping: Check<boolean | "never"> = (value, name) =>
  value === "never" ? value : boolean(value, name);

const CHECKS = {
  numBeams: integer(1, MOST_BEAMS),
  numReturnSequences: integer(1, MOST_BEAMS),
  lengthPenalty: finite,
  earlyStopping,
  numBeamGroups: integer(1, MOST_BEAMS),
  diversityPenalty: finite,
  maxTokens: integer(1, 2 ** 31 - 1),
  ignoreEos: boolean,
  signal: abortSignal,
  onProgress: callback<(progress: Progress) => void>(),
};

export async function beamSearch(
  core: GeneratorCore,
  prompt: unknown,
  options: unknown,
): Promise<BeamSearchResult> {
  // Arguments
  const checkedPrompt = generatorInput(core)(prompt, "prompt");
  const checked = checkOptions(options, "beamSearch", {
    ...CHECKS,
    ...adjustingChecks(core),
    ...CONSTRAINT_CHECKS,
  });
  const { numBeams = 4, numReturnSequences = 1, numBeamGroups = 1 } = checked;
  const { maxTokens = DEFAULT_MAX_TOKENS, ignoreEos = false, signal, onProgress } = checked;
  const { lengthPenalty = 1, diversityPenalty = 0 } = checked;
  if (numReturnSequences > numBeams) {
    throw expected(`at most numBeams (${numBeams})`, "numReturnSequences", numReturnSequences);
  }
  if (numBeams % numBeamGroups !== 0) {
    throw expected(`a divisor of numBeams (${numBeams})`, "numBeamGroups", numBeamGroups);
  }
  if (diversityPenalty !== 0 && numBeamGroups === 1) {
    throw expected("0 without numBeamGroups", "diversityPenalty", diversityPenalty);
  }
  if (diversityPenalty === 0 && numBeamGroups > 1) {
    throw expected("another number than 0 with numBeamGroups", "diversityPenalty", diversityPenalty);
  }
  const { eosToken } = core.info;
  const constraint = planConstraint(checked);
  if (constraint && (ignoreEos || eosToken === undefined)) {
    throw new InvalidArgumentError("Expected an end-of-text token where a constraint's text may end", {
      name: "ignoreEos",
    });
  }
  const request = {
    maxTokens,
    stopIds: ignoreEos || eosToken === undefined ? new Int32Array(0) : Int32Array.of(eosToken),
    beams: numBeams,
    groups: numBeamGroups,
    returned: numReturnSequences,
    lengthPenalty,
    diversityPenalty,
    earlyStopping: ({ true: "on", false: "off", never: "never" } as const)[
      `${checked.earlyStopping ?? false}`
    ],
  };

  const ids = await promptIds(core, checkedPrompt, signal);
  const sampling = {
    ...planSampling(core, checked),
    ...(constraint && { constraint: await constraintFor(core, constraint, signal) }),
  };
  const total = Math.min(maxTokens, Math.max(1, core.info.contextLength - ids.length));
  const report = onProgress && ((done: number) => onProgress({ done, total }));
  const { sequences, evaluatedTokens, timings } = await runTask(
    () => core.model.beamSearch({ ids, sampling, ...request }, report),
    signal,
  );
  return {
    sequences: sequences.map(({ tokens, score, finishReason }) => ({
      text: core.tokenizer.decode(tokens, { skipSpecialTokens: true }),
      tokens,
      score,
      finishReason,
    })),
    timings: {
      promptTokens: ids.length,
      cachedTokens: ids.length - evaluatedTokens,
      queuedMs: timings.queuedMs,
      promptMs: timings.promptMs,
      searchMs: timings.decodeMs,
    },
  };
}
