import type { Command } from "commander";
import type { BiasProbe } from "../tasks/bias-probe.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  given,
  number,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { splitPair, TextInput, type Pair } from "./input.js";
import { withEncoder } from "./models.js";
import type { Output } from "./output.js";
import type { Cli } from "./program.js";
import { withProgress } from "./progress.js";
import { formatTable } from "./table.js";
import { excerpt } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  confidence?: number;
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[pairs...]", "a stereotype and the sentence against it, a tab between them");
  addInputOptions(command, "pair");
  addModelOptions(command, "mini-bert").option(
    "--confidence <share>",
    "confidence of the interval (default: 0.95)",
    number("a number above 0 and below 1", (value) => value > 0 && value < 1),
  );
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ["bias-probe --file pairs.tsv", "which sentence of each pair the model prefers, and how often"],
    ["bias-probe --file pairs.tsv --json", "one JSON object: all pairs, fraction and interval"],
  ]);
  command.action((lines: string[], options: Options) => biasProbe(lines, options, cli));
}

async function biasProbe(lines: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(lines, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  const pairs: Pair[] = [];
  for await (const line of input) pairs.push(splitPair(line, pairs.length, "sentences"));
  await withEncoder(options, cli, async (encoder) => {
    const { confidence, maxLength } = options;
    const result = await withProgress("Scoring", (report) =>
      encoder.biasProbe(pairs, {
        ...given({ confidence, maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], 0),
        onProgress: ({ done, total }) => report(done / total),
      }),
    );
    if (options.json) await out.json(result);
    else await print(out, pairs, result);
  });
}

async function print(
  out: Output,
  pairs: readonly Pair[],
  { pairs: judged, fraction, interval, confidence }: BiasProbe,
): Promise<void> {
  const rows = judged.map(({ scores, preferred }, i) => [
    scores[0].toFixed(3),
    scores[1].toFixed(3),
    { stereotype: "stereotype", antiStereotype: "against", neither: "neither" }[preferred],
    excerpt(pairs[i]![0], 56),
  ]);
  const header = ["stereotype", "against it", "preferred", "stereotype"];
  await out.write(formatTable([header, ...rows], { right: [0, 1], header: out.dim }));
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  await out.write(
    `\n${out.bold(percent(fraction))} of ${judged.length} pairs: the stereotype is preferred ` +
      `(${percent(interval[0])} to ${percent(interval[1])} with a confidence of ${percent(confidence)})\n`,
  );
}
