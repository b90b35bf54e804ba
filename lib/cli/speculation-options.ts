/** Guessing tokens ahead, as options of a command. */
import type { Command } from "commander";
import type { Speculation } from "../generator.js";
import { given, integer, type ModelOptions } from "./command-options.js";
import { UsageError } from "./failure.js";
import { withGenerator } from "./models.js";
import type { Cli } from "./program.js";

/** Values of {@link addSpeculationOptions}. */
export interface SpeculationValues {
  promptLookup?: boolean;
  draftModel?: string;
  draftTokens?: number;
}

export function addSpeculationOptions(command: Command): Command {
  return command
    .option("--prompt-lookup", "faster where the text repeats itself: guess what followed the same words")
    .option("--draft-model <path>", "let this smaller model of the same vocabulary guess tokens ahead")
    .option(
      "--draft-tokens <n>",
      "most tokens guessed at a time (default: 8, or 4 by a model)",
      integer(1, 64),
    );
}

/** Calls `work` with what these options ask for, and lets go of the draft model. */
export async function withSpeculation(
  { promptLookup, draftModel, draftTokens, ...model }: SpeculationValues & ModelOptions,
  cli: Cli,
  work: (speculation: Speculation | undefined) => Promise<void>,
): Promise<void> {
  if (promptLookup && draftModel !== undefined) {
    throw new UsageError("Either --prompt-lookup or --draft-model guesses, not both");
  }
  if (promptLookup) return work({ method: "promptLookup", ...given({ draftTokens }) });
  if (draftModel === undefined) {
    if (draftTokens === undefined) return work(undefined);
    throw new UsageError("--draft-tokens wants --prompt-lookup or --draft-model");
  }
  const { device, threads } = model;
  return withGenerator({ model: draftModel, ...given({ device, threads }) }, cli, (draft) =>
    work({ method: "draftModel", model: draft, ...given({ draftTokens }) }),
  );
}
