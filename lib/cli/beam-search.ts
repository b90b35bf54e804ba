/** Beam search, as options of `generate`. */
import { Option, type Command } from "commander";
import type { BeamSearchOptions } from "../beam-search.js";
import type { GenerateOptions, Generator } from "../generator.js";
import { given, integer, number } from "./command-options.js";
import { UsageError } from "./failure.js";
import type { TextInput } from "./input.js";
import type { Cli } from "./program.js";
import { printableLines } from "./text.js";
import { reportSearch } from "./timings.js";

/** Values of {@link addBeamOptions}. */
export interface BeamValues {
  beams?: number;
  sequences?: number;
  lengthPenalty?: number;
  earlyStopping?: "true" | "false" | "never";
  beamGroups?: number;
  diversityPenalty?: number;
}

const finite = number("a number", () => true);
const count = integer(1, 256);

export function addBeamOptions(command: Command): Command {
  return command
    .option("--beams <n>", "beam search: follow so many sequences at a time", count)
    .option("--sequences <n>", "with --beams: print the best n (default: 1)", count)
    .option("--length-penalty <x>", "with --beams: above 0 favours long sequences (default: 1)", finite)
    .addOption(
      new Option("--early-stopping <when>", "with --beams: end with enough finished sequences").choices([
        "true",
        "false",
        "never",
      ]),
    )
    .option("--beam-groups <n>", "with --beams: groups that differ from each other (default: 1)", count)
    .option("--diversity-penalty <x>", "with --beam-groups: how much they differ (default: 0)", finite);
}

/** Whether a beam search is asked for. */
export function wantsBeams(values: BeamValues): boolean {
  const { beams, sequences, lengthPenalty, earlyStopping, beamGroups, diversityPenalty } = values;
  if (beams !== undefined) return true;
  const others = [sequences, lengthPenalty, earlyStopping, beamGroups, diversityPenalty];
  if (others.every((value) => value === undefined)) return false;
  throw new UsageError("Options of a beam search want --beams");
}

/** Prints the best sequences of each prompt. Options that have no meaning here are refused by the library. */
export async function printBeams(
  generator: Generator,
  input: TextInput,
  settings: GenerateOptions,
  values: BeamValues & { json?: boolean; echo?: boolean; timings?: boolean },
  { out }: Cli,
): Promise<void> {
  const { earlyStopping } = values;
  const options: BeamSearchOptions = {
    ...settings,
    ...given({
      numBeams: values.beams,
      numReturnSequences: values.sequences,
      lengthPenalty: values.lengthPenalty,
      earlyStopping: earlyStopping === "never" ? earlyStopping : earlyStopping && earlyStopping === "true",
      numBeamGroups: values.beamGroups,
      diversityPenalty: values.diversityPenalty,
    }),
  };
  const show = out.isTerminal ? printableLines : (text: string) => text;
  for await (const prompt of input) {
    const { sequences, timings } = await generator.beamSearch(prompt, options);
    if (values.json) {
      const listed = sequences.map(({ tokens, ...rest }) => ({ ...rest, tokens: Array.from(tokens) }));
      await out.json({ prompt, sequences: listed, timings });
    } else {
      for (const { text, score } of sequences) {
        const shown = `${values.echo ? prompt : ""}${text}`;
        await out.write(sequences.length > 1 ? `${score.toFixed(3)}  ${show(shown)}\n` : `${show(shown)}\n`);
      }
    }
    if (values.timings) reportSearch(timings, Math.max(...sequences.map(({ tokens }) => tokens.length)));
  }
}
