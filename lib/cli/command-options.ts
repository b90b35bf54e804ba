/** Options that several commands share, and how the values of options are read. */
import { InvalidArgumentError, type Command } from "commander";
import { EXIT_CODES_HELP } from "./exit-codes.js";

/** Values of {@link addModelOptions}. */
export interface ModelOptions {
  model: string;
  device?: string;
  threads?: number;
  profile?: boolean;
}

/** Values of {@link addInputOptions}. */
export interface TextOptions {
  file?: string[];
  whole?: boolean;
}

/** Values of {@link addJsonOption}. */
export interface JsonOption {
  json?: boolean;
}

/** Without `defaultModel` the model has to be named: none of the embedded ones does the task. */
export function addModelOptions(command: Command, defaultModel?: string): Command {
  const named =
    defaultModel === undefined
      ? command.requiredOption("-m, --model <path>", "GGUF file")
      : command.option("-m, --model <path>", "GGUF file, or the name of an embedded model", defaultModel);
  return named
    .option("--device <name>", 'where to compute: "auto", "cpu", "cuda", "cuda:1", "metal"')
    .option("--threads <n>", "compute threads (default: physical cores)", integer(1))
    .option("--profile", "say on standard error where the model's time went");
}

/** `unit` is what a file holds per line, for example `"text"`. */
export function addInputOptions(command: Command, unit: string): Command {
  return command.option(
    "-f, --file <path>",
    `read one ${unit} per line from a UTF-8 file, "-" for standard input; repeatable`,
    collect,
  );
}

export function addWholeOption(command: Command): Command {
  return command.option("--whole", "take each file, or standard input, as one text instead of lines");
}

export function addMaxLengthOption(command: Command): Command {
  return command.option(
    "--max-length <tokens>",
    "cut longer texts to this many tokens, special tokens included (default: refuse them)",
    integer(1),
  );
}

export function addJsonOption(command: Command): Command {
  return command.option("--json", "print JSON, one object per line; errors become JSON as well");
}

/** Examples, each a command line and what it does, and the exit codes. */
export function addExamples(
  command: Command,
  examples: readonly (readonly [line: string, what: string])[],
): void {
  const lines = examples.map(([line, what]) => `  $ ggml-transformers ${line}\n      ${what}`);
  command.addHelpText("after", `\nExamples:\n${lines.join("\n")}\n${EXIT_CODES_HELP.trimEnd()}`);
}

/** Reads an integer in [min, max]. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (value: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (value) => {
    const parsed = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (parsed >= min && parsed <= max) return parsed;
    throw new InvalidArgumentError(`Expected an integer ${range}.`);
  };
}

/** Reads a number for which `holds`; `what` says it in words. */
export function number(what: string, holds: (value: number) => boolean): (value: string) => number {
  return (value) => {
    const parsed = value.trim() === "" ? Number.NaN : Number(value);
    if (Number.isFinite(parsed) && holds(parsed)) return parsed;
    throw new InvalidArgumentError(`Expected ${what}.`);
  };
}

/** For an option that may be given several times. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** For an option that takes several values separated by commas, and may be given several times. */
export function collectList(value: string, previous: string[] = []): string[] {
  return [
    ...previous,
    ...value
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  ];
}

/** A copy without the options that were not given. */
export function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
