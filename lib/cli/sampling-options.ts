/** How tokens are chosen, as options of a command. */
import { InvalidArgumentError, type Command } from "commander";
import { SAMPLERS, type SamplerName, type SamplingSettings } from "../sampling.js";
import { collect, given, integer, number } from "./command-options.js";

/** Values of {@link addSamplingOptions}. */
export interface SamplingValues {
  temperature?: number;
  dynamicRange?: number;
  dynamicExponent?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  typicalP?: number;
  topNSigma?: number;
  xtcProbability?: number;
  xtcThreshold?: number;
  mirostat?: number;
  mirostatTau?: number;
  mirostatEta?: number;
  repetitionPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  penaltyWindow?: number;
  dryMultiplier?: number;
  dryBase?: number;
  dryAllowedLength?: number;
  dryWindow?: number;
  dryBreaker?: string[];
  uniqueNgramSize?: number;
  badWord?: string[];
  minNewTokens?: number;
  suppressToken?: number[];
  logitBias?: Map<number, number>;
  seed?: number;
  order?: SamplerName[];
}

const notNegative = number("a number of at least 0", (value) => value >= 0);
const positive = number("a number above 0", (value) => value > 0);
const finite = number("a number", () => true);
const probability = number("a number from 0 to 1", (value) => value >= 0 && value <= 1);
const share = number("a number above 0 and at most 1", (value) => value > 0 && value <= 1);
const count = integer(0, 2 ** 31 - 1);
const token = integer(0, 2 ** 31 - 1);

export function addSamplingOptions(command: Command): Command {
  addDrawOptions(command);
  addPenaltyOptions(command);
  return command
    .option(
      "--order <samplers>",
      "the samplers in use in the order in which to apply them, separated by commas",
      samplers,
    )
    .option("-s, --seed <n>", "the same seed gives the same text", integer(0, 2 ** 32 - 1));
}

function addDrawOptions(command: Command): void {
  command
    .option(
      "-t, --temperature <t>",
      "randomness; 0 takes the likeliest token (default: 0, or 1 with an option of the draw)",
      notNegative,
    )
    .option("--dynamic-range <t>", "let the entropy choose the temperature, so far to either side", positive)
    .option("--dynamic-exponent <x>", "with --dynamic-range: power of the entropy (default: 1)", positive)
    .option("-k, --top-k <k>", "sample among the k likeliest tokens; 0 for all (default: 0)", integer(0))
    .option("-p, --top-p <p>", "sample among the fewest tokens that reach probability p (default: 1)", share)
    .option("--min-p <p>", "sample among tokens p times as likely as the likeliest (default: 0)", probability)
    .option("--typical-p <p>", "sample among typical tokens that reach probability p (default: 1)", share)
    .option("--top-n-sigma <n>", "sample among logits within n standard deviations of the best", notNegative)
    .option("--xtc-probability <p>", "how often to exclude the top choices (default: 0)", probability)
    .option("--xtc-threshold <p>", "what a top choice's probability is (default: 0.1)", probability)
    .option("--mirostat <version>", "hold the surprise of the tokens: 1 or 2", integer(1, 2))
    .option("--mirostat-tau <bits>", "at so many bits (default: 5)", notNegative)
    .option("--mirostat-eta <rate>", "learning so fast (default: 0.1)", notNegative);
}

function addPenaltyOptions(command: Command): void {
  command
    .option(
      "--repetition-penalty <x>",
      "above 1: tokens of the text become less likely (default: 1)",
      positive,
    )
    .option(
      "--frequency-penalty <x>",
      "taken from a logit for each time the text has it (default: 0)",
      finite,
    )
    .option("--presence-penalty <x>", "taken from the logits of the text's tokens (default: 0)", finite)
    .option("--penalty-window <n>", "how many tokens the penalties look back; 0 for all (default: 0)", count)
    .option("--dry-multiplier <x>", "penalty for going on as before (default: 0)", notNegative)
    .option(
      "--dry-base <x>",
      "growth of that penalty with each token that is repeated (default: 1.75)",
      number("a number of at least 1", (value) => value >= 1),
    )
    .option("--dry-allowed-length <n>", "tokens that may be repeated (default: 2)", integer(1))
    .option("--dry-window <n>", "how many tokens to look back; 0 for all (default: 0)", count)
    .option("--dry-breaker <text>", 'what ends a repetition; repeatable (default: newline, :, ", *)', collect)
    .option("--unique-ngram-size <n>", "write no n tokens twice; 0: off (default: 0)", count)
    .option("--bad-word <text>", "never write this; repeatable", collect)
    .option("--min-new-tokens <n>", "go on past the end of the text until so many (default: 0)", count)
    .option("--suppress-token <id>", "never take this token; repeatable", collectTokens)
    .option("--logit-bias <id=x>", "add x to the logit of a token; repeatable", collectBiases);
}

function samplers(value: string): SamplerName[] {
  return value.split(",").map((each) => {
    const name = SAMPLERS.find((sampler) => sampler === each.trim());
    if (name === undefined) throw new InvalidArgumentError(`Expected some of ${SAMPLERS.join(", ")}.`);
    return name;
  });
}

function collectTokens(value: string, previous: number[] = []): number[] {
  return [...previous, token(value)];
}

function collectBiases(value: string, previous = new Map<number, number>()): Map<number, number> {
  const [id, bias, ...more] = value.split("=");
  if (bias === undefined || more.length > 0)
    throw new InvalidArgumentError("Expected a token id, = and a number.");
  return new Map(previous).set(token(id!), bias === "-Infinity" ? -Infinity : finite(bias));
}

/** The library's options for these. */
export function samplingSettings(values: SamplingValues): SamplingSettings {
  const { temperature, topK, topP, minP, typicalP, topNSigma, minNewTokens, logitBias, seed, order } = values;
  const { repetitionPenalty, frequencyPenalty, presencePenalty, penaltyWindow } = values;
  return given({
    temperature,
    topK,
    topP,
    minP,
    typicalP,
    topNSigma,
    repetitionPenalty,
    frequencyPenalty,
    presencePenalty,
    penaltyWindow,
    noRepeatNgramSize: values.uniqueNgramSize,
    minNewTokens,
    logitBias,
    seed,
    order,
    badWords: values.badWord,
    suppressTokens: values.suppressToken,
    ...groups(values),
  });
}

/** The options that the library takes as objects; a part alone is left for the library to refuse. */
function groups(values: SamplingValues): SamplingSettings {
  const { dynamicRange, dynamicExponent, xtcProbability, xtcThreshold } = values;
  const { mirostat, mirostatTau, mirostatEta } = values;
  const { dryMultiplier, dryBase, dryAllowedLength, dryWindow, dryBreaker } = values;
  const whole = <T extends object>(parts: object): T | undefined => {
    const present = given(parts);
    return Object.keys(present).length > 0 ? (present as T) : undefined;
  };
  return {
    dynamicTemperature: whole({ range: dynamicRange, exponent: dynamicExponent }),
    xtc: whole({ probability: xtcProbability, threshold: xtcThreshold }),
    mirostat: whole({ version: mirostat, tau: mirostatTau, eta: mirostatEta }),
    dry: whole({
      multiplier: dryMultiplier,
      base: dryBase,
      allowedLength: dryAllowedLength,
      window: dryWindow,
      sequenceBreakers: dryBreaker,
    }),
  };
}
