/** How tokens are chosen: the options, their checks, and what the engine is told. */
import { InvalidArgumentError } from "./errors.js";
import type { GeneratorCore } from "./generator.js";
import type { SamplingOptions } from "./native.js";
import {
  arrayOf,
  checkOptions,
  expected,
  integer,
  isObject,
  nonEmptyString,
  number,
  oneOf,
  tokenIds,
  type Check,
  type Checked,
} from "./options.js";
import { breakerTokens } from "./sequence-breakers.js";

/** The samplers, by the options that ask for them, in the order in which they are applied by default. */
export const SAMPLERS = [
  "logitBias",
  "repetitionPenalty",
  "frequencyPenalty",
  "presencePenalty",
  "dry",
  "noRepeatNgramSize",
  "badWords",
  "minNewTokens",
  "suppressTokens",
  "temperature",
  "topNSigma",
  "topK",
  "topP",
  "minP",
  "typicalP",
  "xtc",
  "mirostat",
] as const;

/** The name of a sampler: the option that asks for it. */
export type SamplerName = (typeof SAMPLERS)[number];

/**
 * Options that say how tokens are chosen. Some adjust the logits, and so bear on a greedy generation too;
 * the others restrict or shape the draw, and mean that there is one.
 */
export interface SamplingSettings {
  /**
   * Divides the logits before sampling; 0 always takes the most likely token (greedy), whatever else is said
   * about the draw. Default: 0, or 1 when an option of the draw is given (`dynamicTemperature`, `topK`,
   * `topP`, `minP`, `typicalP`, `topNSigma`, `xtc`, `mirostat`, `seed`).
   */
  temperature?: number;
  /**
   * Lets the entropy choose the temperature of each token, between `temperature - range` (at least 0) where
   * one token is certain and `temperature + range` where all are as likely: the entropy, as a part of the
   * most that is possible, to the power of `exponent`. Default: off; `exponent` 1.
   */
  dynamicTemperature?: {
    /** How far the temperature may go to either side; at least 0. */
    range: number;
    /** Power of the entropy's share; above 0. Default: 1. */
    exponent?: number;
  };
  /** Sample among the k most likely tokens; 0 for all. Default: 0. */
  topK?: number;
  /** Sample among the fewest most likely tokens whose probability reaches p, in (0, 1]. Default: 1 (all). */
  topP?: number;
  /** Sample among the tokens at least p times as likely as the likeliest (arXiv:2407.01082). Default: 0 (all). */
  minP?: number;
  /**
   * Sample among the fewest tokens that reach probability p together, in (0, 1], those first whose
   * information is nearest the entropy (arXiv:2202.00666). Default: 1 (all).
   */
  typicalP?: number;
  /**
   * Sample among the tokens whose logit is at most n standard deviations of all logits below the highest
   * (arXiv:2411.07641); 0 for all. Default: 0.
   */
  topNSigma?: number;
  /**
   * Exclude top choices: with `probability`, of the tokens as likely as `threshold` only the least likely
   * stays (P. E. Weidmann, 2024). Default: off; `threshold` 0.1.
   */
  xtc?: {
    /** How often top choices are excluded, from 0 to 1. */
    probability: number;
    /** What a top choice's probability is at least. Default: 0.1. */
    threshold?: number;
  };
  /**
   * Holds the surprise of the tokens near `tau` bits by choosing after each how surprising the next may be;
   * `eta` is how fast it learns (arXiv:2007.14966). Version 1 estimates from the 100 most likely tokens how
   * many to draw from; version 2 compares each. Default: off; `tau` 5, `eta` 0.1.
   */
  mirostat?: {
    /** Which of the paper's two algorithms. */
    version: 1 | 2;
    /** The surprise to hold, in bits; at least 0. Default: 5. */
    tau?: number;
    /** Learning rate; at least 0. Default: 0.1. */
    eta?: number;
  };
  /**
   * Above 1 makes tokens that prompt and text have already less likely: positive logits are divided by it,
   * negative ones multiplied (arXiv:1909.05858, and as Hugging Face has it). Default: 1.
   */
  repetitionPenalty?: number;
  /** Subtracted from a token's logit for each time that prompt and text have it. Default: 0. */
  frequencyPenalty?: number;
  /** Subtracted from the logits of the tokens that prompt and text have. Default: 0. */
  presencePenalty?: number;
  /** How many of the latest tokens the three penalties look at; 0 for all. Default: 0. */
  penaltyWindow?: number;
  /**
   * Don't repeat yourself (P. E. Weidmann, 2024): where the last n tokens stood before, the token that
   * followed them loses `multiplier * base ** (n - allowedLength)`, for n of at least `allowedLength`. A
   * repetition does not go over tokens with one of `sequenceBreakers` in them, nor past the last `window`
   * tokens (0: all). Default: off; `base` 1.75, `allowedLength` 2, `window` 0, breakers `"\n"`, `":"`, `"\""`, `"*"`.
   */
  dry?: {
    /** Penalty of a repetition of `allowedLength` tokens; at least 0, which is off. */
    multiplier: number;
    /** What each further token multiplies it by. Default: 1.75. */
    base?: number;
    /** Tokens that may be repeated; at least 1. Default: 2. */
    allowedLength?: number;
    /** How many of the latest tokens it looks at; 0 for all. Default: 0. */
    window?: number;
    /** Texts that no repetition goes over. Default: `"\n"`, `":"`, `"\""`, `"*"`. */
    sequenceBreakers?: readonly string[];
  };
  /** No sequence of so many tokens occurs twice in prompt and text (arXiv:1705.04304); 0: off. Default: 0. */
  noRepeatNgramSize?: number;
  /**
   * What may not be written: token sequences, or texts, which stand for their tokens at the beginning of a
   * text and after a blank. Default: none.
   */
  badWords?: readonly (string | ArrayLike<number>)[];
  /** The model's end-of-text token is not taken before so many tokens. Default: 0. */
  minNewTokens?: number;
  /** Tokens that are never taken. Default: none. */
  suppressTokens?: ArrayLike<number>;
  /** Added to the logits of tokens, by id; -Infinity forbids one. Default: none. */
  logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
  /** Unsigned 32-bit seed: the same seed gives the same text. Default: random, and reported in the result. */
  seed?: number;
  /**
   * The order in which samplers are applied; it names all that are in use, each once. Default: `logitBias`,
   * `repetitionPenalty`, `frequencyPenalty`, `presencePenalty`, `dry`, `noRepeatNgramSize`, `badWords`,
   * `minNewTokens`, `suppressTokens`, `temperature`, `topNSigma`, `topK`, `topP`, `minP`, `typicalP`, `xtc`,
   * `mirostat`.
   */
  order?: readonly SamplerName[];
}

/** Those that adjust logits, and so mean something where nothing is drawn. */
export type AdjustingSettings = Pick<
  SamplingSettings,
  | "repetitionPenalty"
  | "frequencyPenalty"
  | "presencePenalty"
  | "penaltyWindow"
  | "dry"
  | "noRepeatNgramSize"
  | "badWords"
  | "minNewTokens"
  | "suppressTokens"
  | "logitBias"
>;

const finite = number("a finite number", Number.isFinite);
const notNegative = number("a number of at least 0", (value) => value >= 0 && Number.isFinite(value));
const positive = number("a number above 0", (value) => value > 0 && Number.isFinite(value));
const probability = number("a number from 0 to 1", (value) => value >= 0 && value <= 1);
const share = number("a number above 0 and at most 1", (value) => value > 0 && value <= 1);
const count = integer(0, 2 ** 31 - 1);

const order: Check<SamplerName[]> = (value, name) => {
  const names = arrayOf(oneOf(...SAMPLERS), "an array of samplers")(value, name);
  const twice = names.find((each, i) => names.indexOf(each) !== i);
  if (twice !== undefined) throw expected("each sampler once", name, twice);
  return names;
};

/** An object of options, of which `required` has to be given. */
function group<C extends Record<string, Check<unknown>>, K extends keyof C & string>(
  checks: C,
  required: K,
): Check<Checked<C> & { [key in K]: ReturnType<C[K]> }> {
  return (value, name) => {
    if (value === undefined || !isObject(value)) throw expected(`an object with ${required}`, name, value);
    const checked = checkOptions(value, name, checks);
    if (checked[required] === undefined) throw expected(`a value`, `${name}.${required}`, undefined);
    return checked as Checked<C> & { [key in K]: ReturnType<C[K]> };
  };
}

const version: Check<1 | 2> = (value, name) => {
  if (value !== 1 && value !== 2) throw expected("1 or 2", name, value);
  return value;
};

/** The checks of {@link SamplingSettings} for a model. */
export function samplingChecks(core: GeneratorCore) {
  return {
    ...adjustingChecks(core),
    temperature: notNegative,
    dynamicTemperature: group({ range: positive, exponent: positive }, "range"),
    topK: count,
    topP: share,
    minP: probability,
    typicalP: share,
    topNSigma: notNegative,
    xtc: group({ probability, threshold: probability }, "probability"),
    mirostat: group({ version, tau: notNegative, eta: notNegative }, "version"),
    seed: integer(0, 2 ** 32 - 1),
    order,
  };
}

/** The checks of {@link AdjustingSettings} for a model. */
export function adjustingChecks(core: GeneratorCore) {
  const ids = tokenIds(core.info.vocabSize);
  return {
    repetitionPenalty: positive,
    frequencyPenalty: finite,
    presencePenalty: finite,
    penaltyWindow: count,
    dry: group(
      {
        multiplier: notNegative,
        base: number("a number of at least 1", (value) => value >= 1 && Number.isFinite(value)),
        allowedLength: integer(1, 2 ** 31 - 1),
        window: count,
        sequenceBreakers: arrayOf(nonEmptyString, "an array of strings"),
      },
      "multiplier",
    ),
    noRepeatNgramSize: count,
    badWords: arrayOf(badWord(core, ids), "an array of texts or token ids"),
    minNewTokens: count,
    suppressTokens: ids,
    logitBias: logitBias(core.info.vocabSize),
  };
}

/** Token sequences of a text, or the one that is given. */
function badWord({ tokenizer }: GeneratorCore, ids: Check<Int32Array>): Check<Int32Array[]> {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false }).ids;
  return (value, name) => {
    if (typeof value !== "string") {
      const sequence = ids(value, name);
      if (sequence.length === 0) throw expected("at least one token id", name, value);
      return [sequence];
    }
    const text = nonEmptyString(value, name);
    return text.startsWith(" ") ? [encode(text)] : [encode(text), encode(` ${text}`)];
  };
}

function logitBias(vocabSize: number): Check<{ ids: Int32Array; biases: Float32Array }> {
  const token = integer(0, vocabSize - 1);
  const bias = number("a number below infinity", (value) => value < Number.POSITIVE_INFINITY);
  return (value, name) => {
    if (!isObject(value)) throw expected("an object or Map from token ids to numbers", name, value);
    const pairs: [unknown, unknown][] =
      value instanceof Map ? [...value] : Object.entries(value).map(([key, each]) => [Number(key), each]);
    const ids = pairs.map(([id]) => token(id, `a token of ${name}`));
    const biases = pairs.map(([id, each]) => bias(each, `${name}[${String(id)}]`));
    return { ids: Int32Array.from(ids), biases: Float32Array.from(biases) };
  };
}

type CheckedSampling = Checked<ReturnType<typeof samplingChecks>>;

/** Options that mean nothing to a greedy generation: they ask for sampling. */
const ASK_FOR_SAMPLING = [
  "dynamicTemperature",
  "topK",
  "topP",
  "minP",
  "typicalP",
  "topNSigma",
  "xtc",
  "mirostat",
  "seed",
] as const;

const DEFAULT_BREAKERS = ["\n", ":", '"', "*"];

/** The defaults filled in; a random seed when none is given. */
export function planSampling(core: GeneratorCore, checked: CheckedSampling): SamplingOptions {
  const samples = ASK_FOR_SAMPLING.some((name) => checked[name] !== undefined);
  const temperature = checked.temperature ?? (samples ? 1 : 0);
  checkPenaltyWindow(checked);
  const { dynamicTemperature, xtc, mirostat, dry, badWords } = checked;
  return withoutUndefined({
    temperature,
    dynamicRange: dynamicTemperature?.range,
    dynamicExponent: dynamicTemperature?.exponent,
    topK: checked.topK ?? 0,
    topP: checked.topP ?? 1,
    minP: checked.minP,
    typicalP: checked.typicalP,
    topNSigma: checked.topNSigma,
    xtcProbability: xtc?.probability,
    xtcThreshold: xtc?.threshold,
    mirostat: mirostat?.version,
    mirostatTau: mirostat?.tau,
    mirostatEta: mirostat?.eta,
    repetitionPenalty: checked.repetitionPenalty,
    frequencyPenalty: checked.frequencyPenalty,
    presencePenalty: checked.presencePenalty,
    penaltyWindow: checked.penaltyWindow,
    dryMultiplier: dry?.multiplier,
    dryBase: dry?.base,
    dryAllowedLength: dry?.allowedLength,
    dryWindow: dry?.window,
    dryBreakers: dry && breakerTokens(core, dry.sequenceBreakers ?? DEFAULT_BREAKERS),
    noRepeatNgramSize: checked.noRepeatNgramSize,
    badWords: badWords?.flat(),
    minNewTokens: checked.minNewTokens,
    suppressTokens: checked.suppressTokens,
    logitBias: checked.logitBias,
    seed: temperature === 0 ? 0 : (checked.seed ?? Math.floor(Math.random() * 2 ** 32)),
    order: checked.order,
  });
}

function checkPenaltyWindow(checked: CheckedSampling): void {
  const penalties = ["repetitionPenalty", "frequencyPenalty", "presencePenalty"] as const;
  if (checked.penaltyWindow === undefined || penalties.some((name) => checked[name] !== undefined)) return;
  throw new InvalidArgumentError(`Expected ${penalties.join(", ")} or several of them with penaltyWindow`, {
    name: "penaltyWindow",
    value: checked.penaltyWindow,
  });
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
