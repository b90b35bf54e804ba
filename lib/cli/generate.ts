import type { Command } from "commander";
import type { GenerateOptions, Generation, Generator } from "../generator.js";
import {
  addExamples,
  addJsonOption,
  addModelOptions,
  collect,
  given,
  integer,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withGenerator } from "./models.js";
import { floats } from "./output.js";
import type { Cli } from "./program.js";
import { addSamplingOptions, samplingSettings, type SamplingValues } from "./sampling-options.js";
import { formatCount, printableLines } from "./text.js";

interface Options extends ModelOptions, TextOptions, JsonOption, SamplingValues {
  maxTokens?: number;
  stop?: string[];
  ignoreEos?: boolean;
  logprobs?: boolean;
  echo?: boolean;
  lines?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command
    .argument("[prompts...]", "texts to continue, each argument one prompt")
    .option(
      "-f, --file <path>",
      'read a prompt from a UTF-8 file, "-" for standard input; repeatable',
      collect,
    )
    .option("--lines", "each line of a file, or of standard input, is a prompt; blank ones are skipped");
  addModelOptions(command, "mini-gpt2");
  command.option("-n, --max-tokens <n>", "at most this many new tokens (default: 128)", integer(1));
  addSamplingOptions(command)
    .option("--stop <text>", "end before this text; repeatable", collect)
    .option("--ignore-eos", "go on past the model's end-of-text token")
    .option("--logprobs", "with --json: the log-probability of each token")
    .option("--echo", "print the prompt before its continuation");
  addJsonOption(command);
  addExamples(command, [
    ['generate "The sea was"', "the likeliest continuation, printed as it is made"],
    [
      'generate "The sea was" --temperature 0.8 --top-k 40 --seed 7',
      "a sampled one; the seed makes it repeatable",
    ],
    ['generate "My fellow citizens" --stop "." --echo', "one sentence"],
    ["generate --file prompts.txt --lines --json > out.jsonl", "many prompts, eight at a time"],
  ]);
  command.action((prompts: string[], options: Options) => generate(prompts, options, cli));
}

/** Generations of `--json` in the engine at once: together they take little longer than one. */
const AT_ONCE = 8;

async function generate(prompts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const whole = options.lines !== true;
  const input = new TextInput(prompts, {
    files: options.file ?? [],
    whole,
    skipBlank: true,
    signal: cli.signal,
  });
  const settings = generateOptions(options, cli.signal);
  await withGenerator(options, cli, (generator) =>
    options.json
      ? printJson(generator, input, settings, cli)
      : stream(generator, input, settings, options.echo === true, cli),
  );
}

function generateOptions(options: Options, signal: AbortSignal): GenerateOptions {
  const { maxTokens, stop, ignoreEos, logprobs } = options;
  return { ...samplingSettings(options), ...given({ maxTokens, stop, ignoreEos, logprobs, signal }) };
}

async function stream(
  generator: Generator,
  input: TextInput,
  settings: GenerateOptions,
  echo: boolean,
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
    reportTimings(await generation.result);
  }
}

/** Where the result is read by a person: how it ended, how fast it was, and how to get it again. */
function reportTimings({ finishReason, seed, timings }: Generation): void {
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
  { out }: Cli,
): Promise<void> {
  const inWork: { prompt: string; result: Promise<Generation> }[] = [];
  const printFirst = async () => {
    const { prompt, result } = inWork.shift()!;
    await out.json(jsonOf(prompt, await result));
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
