import { Option, type Command } from "commander";
import type { GenerateOptions, Generation, Generator } from "../generator.js";
import { addBeamOptions, printBeams, wantsBeams, type BeamValues } from "./beam-search.js";
import {
  addExamples,
  addJsonOption,
  addModelOptions,
  collect,
  given,
  integer,
  number,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { addConstraintOptions, constraintOptions, type ConstraintValues } from "./constraint-options.js";
import { UsageError } from "./failure.js";
import { TextInput } from "./input.js";
import { interact } from "./interactive.js";
import { withGenerator } from "./models.js";
import { floats } from "./output.js";
import type { Cli } from "./program.js";
import { addSamplingOptions, samplingSettings, type SamplingValues } from "./sampling-options.js";
import { addSpeculationOptions, withSpeculation, type SpeculationValues } from "./speculation-options.js";
import { formatCount, printableLines } from "./text.js";
import { addTimingsOption, reportTimings } from "./timings.js";

interface Options
  extends
    ModelOptions,
    TextOptions,
    JsonOption,
    SamplingValues,
    SpeculationValues,
    BeamValues,
    ConstraintValues {
  maxTokens?: number;
  stop?: string[];
  ignoreEos?: boolean;
  logprobs?: boolean;
  echo?: boolean;
  lines?: boolean;
  interactive?: boolean;
  contextLength?: number;
  kvType?: "f32" | "f16" | "q8_0";
  timings?: boolean;
  guidanceScale?: number;
  negativePrompt?: string;
}

export function define(command: Command, cli: Cli): void {
  command
    .argument("[prompts...]", "texts to continue, each argument one prompt")
    .option(
      "-f, --file <path>",
      'read a prompt from a UTF-8 file, "-" for standard input; repeatable',
      collect,
    )
    .option("--lines", "each line of a file, or of standard input, is a prompt; blank ones are skipped")
    .option("-i, --interactive", "write in turns with the model")
    .option("--context-length <n>", "with --interactive: most tokens kept (default: the model's)", integer(2))
    .addOption(
      new Option("--kv-type <type>", "with --interactive: how keys and values are kept").choices([
        "f32",
        "f16",
        "q8_0",
      ]),
    );
  addModelOptions(command, "mini-gpt2");
  command.option("-n, --max-tokens <n>", "at most this many new tokens (default: 128)", integer(1));
  addSamplingOptions(command)
    .option("--stop <text>", "end before this text; repeatable", collect)
    .option("--ignore-eos", "go on past the model's end-of-text token")
    .option("--logprobs", "with --json: the log-probability of each token")
    .option("--echo", "print the prompt before its continuation")
    .option(
      "--guidance-scale <x>",
      "above 1: follow the prompt more closely, away from --negative-prompt",
      number("a number", () => true),
    )
    .option("--negative-prompt <text>", "with --guidance-scale: what to lead away from");
  addTimingsOption(command);
  addConstraintOptions(command);
  addSpeculationOptions(command);
  addBeamOptions(command);
  addJsonOption(command);
  addExamples(command, [
    ['generate "The sea was"', "the likeliest continuation, printed as it is made"],
    [
      'generate "The sea was" --temperature 0.8 --top-k 40 --seed 7',
      "a sampled one; the seed makes it repeatable",
    ],
    ['generate "My fellow citizens" --stop "." --echo', "one sentence"],
    ["generate --file prompts.txt --lines --json > out.jsonl", "many prompts, eight at a time"],
    ['generate "The sea was" --beams 4 --sequences 2', "the two likeliest continuations that it finds"],
    ['generate "Is the sea calm? Answer:" --regex " (yes|no)"', "one of two answers"],
    ["generate --interactive -t 0.8", "you and the model write in turns"],
  ]);
  command.action((prompts: string[], options: Options) => generate(prompts, options, cli));
}

/** Generations of `--json` in the engine at once: together they take little longer than one. */
const AT_ONCE = 8;

async function generate(prompts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const work = workOf(prompts, options, cli);
  await withGenerator(options, cli, (generator) =>
    withSpeculation(options, cli, (speculation) =>
      work(generator, { ...generateOptions(options, cli.signal), ...given({ speculation }) }),
    ),
  );
}

/** What is to be done with the model, its input checked before the model is loaded. */
function workOf(
  prompts: readonly string[],
  options: Options,
  cli: Cli,
): (generator: Generator, settings: GenerateOptions) => Promise<void> {
  const { file: files = [], json, interactive, echo = false, timings = false } = options;
  const beams = wantsBeams(options);
  const { contextLength, kvType } = options;
  if (interactive) {
    if (json || beams || files.length > 0 || options.lines || echo)
      throw new UsageError("--interactive goes with neither --json, --file, --lines, --echo nor --beams");
    const conversation = {
      first: prompts,
      session: given({ contextLength, kvType }),
      report: timings ? reportTimings : undefined,
    };
    return (generator, settings) => interact(generator, conversation, settings, cli);
  }
  if (contextLength !== undefined || kvType !== undefined)
    throw new UsageError("--context-length and --kv-type want --interactive");
  const whole = options.lines !== true;
  const input = new TextInput(prompts, { files, whole, skipBlank: true, signal: cli.signal });
  if (beams) return (generator, settings) => printBeams(generator, input, settings, options, cli);
  if (json) return (generator, settings) => printJson(generator, input, settings, timings, cli);
  return (generator, settings) => stream(generator, input, settings, { echo, timings }, cli);
}

function generateOptions(options: Options, signal: AbortSignal): GenerateOptions {
  const { maxTokens, stop, ignoreEos, logprobs, guidanceScale, negativePrompt } = options;
  return {
    ...samplingSettings(options),
    ...constraintOptions(options),
    ...given({ maxTokens, stop, ignoreEos, logprobs, guidanceScale, negativePrompt, signal }),
  };
}

async function stream(
  generator: Generator,
  input: TextInput,
  settings: GenerateOptions,
  { echo, timings }: { echo: boolean; timings: boolean },
  { out }: Cli,
): Promise<void> {
  let isLater = false;
  for await (const prompt of input) {
    if (isLater) await out.write("\n");
    isLater = true;
    const generation = generator.stream(prompt, settings);
    // Whatever ends the loop ends the result as well; without this a failure would count as unhandled.
    generation.result.catch(() => {});
    const show = out.isTerminal ? printableLines : (text: string) => text;
    try {
      if (echo) await out.write(out.bold(show(prompt)));
      for await (const { text } of generation) await out.write(show(text));
    } finally {
      out.endLine();
    }
    const result = await generation.result;
    if (timings) reportTimings(result);
    else reportEnd(result);
  }
}

/** Where the result is read by a person: how it ended, how fast it was, and how to get it again. */
function reportEnd({ finishReason, seed, timings }: Generation): void {
  if (!process.stderr.isTTY) return;
  const speed = Math.round(timings.generatedTokensPerSecond);
  const parts = [
    `${formatCount(timings.generatedTokens)} tokens`,
    ...(speed > 0 ? [`${formatCount(speed)} tokens/s`] : []),
    `ended by ${finishReason}`,
    ...(seed === 0 ? [] : [`seed ${seed}`]),
  ];
  process.stderr.write(`(${parts.join(", ")})\n`);
}

/** Results in the order of the prompts, several of them in work. */
async function printJson(
  generator: Generator,
  input: TextInput,
  settings: GenerateOptions,
  timings: boolean,
  { out }: Cli,
): Promise<void> {
  const inWork: { prompt: string; result: Promise<Generation> }[] = [];
  const printFirst = async () => {
    const { prompt, result } = inWork.shift()!;
    await out.json(jsonOf(prompt, await result));
    if (timings) reportTimings(await result);
  };
  for await (const prompt of input) {
    const result = generator.generate(prompt, settings);
    // Awaited in its turn; until then a failure must not count as unhandled.
    result.catch(() => {});
    inWork.push({ prompt, result });
    if (inWork.length >= AT_ONCE) await printFirst();
  }
  while (inWork.length > 0) await printFirst();
}

function jsonOf(prompt: string, { tokens, logprobs, ...rest }: Generation): object {
  return { prompt, ...rest, tokens: Array.from(tokens), ...(logprobs && { logprobs: floats(logprobs) }) };
}
