import type { Command } from "commander";
import type { PseudoLogLikelihood } from "../tasks/pseudo-log-likelihood.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  given,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withEncoder } from "./models.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to score, each argument one text");
  addInputOptions(command, "text");
  addModelOptions(command, "mini-bert");
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['pseudo-log-likelihood "He went to sea." "He went to see."', "score and pseudo-perplexity of each"],
    ["pseudo-log-likelihood --file texts.txt --json", "with the log-probability of every token"],
  ]);
  command.action((texts: string[], options: Options) => pseudoLogLikelihood(texts, options, cli));
}

async function pseudoLogLikelihood(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const results = await encoder.pseudoLogLikelihood(group, {
        ...given({ maxLength: options.maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      if (options.json) {
        for (const [i, result] of results.entries()) await out.json({ text: group[i], ...result });
      } else {
        await out.write(
          formatTable(rows(group, results, finished === 0), { right: [0, 1], header: out.dim }),
        );
      }
      finished += group.length;
    }
  });
}

function rows(
  texts: readonly string[],
  results: readonly PseudoLogLikelihood[],
  isFirst: boolean,
): string[][] {
  const header = ["score", "pseudo-perplexity", "text"];
  const lines = results.map(({ score, pseudoPerplexity }, i) => [
    score.toFixed(3),
    Number(pseudoPerplexity.toPrecision(4)).toString(),
    excerpt(texts[i]!, 70),
  ]);
  return isFirst ? [header, ...lines] : lines;
}
