import type { Command } from "commander";
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
import { UsageError } from "./failure.js";
import { splitPair, TextInput, type Pair } from "./input.js";
import { withEncoder } from "./models.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[first]", "a sentence").argument("[second]", "the one that may follow it");
  addInputOptions(command, "pair, its sentences separated by a tab,");
  addModelOptions(command, "mini-bert");
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    [
      'next-sentence "The war is over." "The treaty has been signed."',
      "the probability that the second follows",
    ],
    ["next-sentence --file pairs.tsv --json", "one JSON object per line; blank lines are skipped"],
  ]);
  command.action((first: string | undefined, second: string | undefined, options: Options) =>
    nextSentence(argumentPair(first, second), options, cli),
  );
}

function argumentPair(first: string | undefined, second: string | undefined): string[] {
  if (first === undefined) return [];
  if (second === undefined) throw new UsageError("Expected two sentences but received one");
  return [`${first}\t${second}`];
}

async function nextSentence(lines: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(lines, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const pairs = group.map((line, i) => splitPair(line, finished + i, "sentences"));
      const results = await encoder.nextSentence(pairs, {
        ...given({ maxLength: options.maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, [a, b]] of pairs.entries()) {
        if (options.json) await out.json({ a, b, ...results[i]! });
      }
      if (!options.json) await out.write(formatTable(rows(pairs, results), { right: [0] }));
      finished += group.length;
    }
  });
}

function rows(pairs: readonly Pair[], results: readonly { probability: number }[]): string[][] {
  return pairs.map(([a, b], i) => [
    `${(100 * results[i]!.probability).toFixed(1)} %`,
    results[i]!.probability >= 0.5 ? "follows" : "does not follow",
    excerpt(a, 36),
    excerpt(b, 36),
  ]);
}
