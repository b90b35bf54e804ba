#!/usr/bin/env node
/** The entry of the command line. */
import { EXIT } from "./exit-codes.js";
import { reportFailure, UsageError } from "./failure.js";
import { Output } from "./output.js";
import { createProgram } from "./program.js";
import { installStopSignal } from "./stopping.js";

async function main(args: readonly string[]): Promise<number> {
  const signal = installStopSignal();
  const program = createProgram({ out: new Output(signal), signal });
  try {
    if (args.length === 0) {
      process.stderr.write(program.helpInformation());
      throw new UsageError("Expected a command: see ggml-transformers --help");
    }
    await program.parseAsync(askForHelp(args), { from: "user" });
    return EXIT.ok;
  } catch (error) {
    return reportFailure(error, signal, wantsJson(args));
  }
}

/** `help embed` as `embed --help`, for which commander loads the command. */
function askForHelp(args: readonly string[]): readonly string[] {
  return args[0] === "help" && args.length === 2 ? [args[1]!, "--help"] : args;
}

/** Asked before the options are understood: they may be what is wrong. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).includes("--json");
}

async function run(): Promise<void> {
  process.exitCode = await main(process.argv.slice(2));
}

void run();
