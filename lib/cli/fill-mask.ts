import { Option, type Command } from "commander";
import type { FillMaskResult, MaskFilling, MaskPrediction } from "../tasks/fill-mask.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  collectList,
  given,
  integer,
  number,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withEncoder } from "./models.js";
import type { Output } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt, printable } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  topK?: number;
  targets?: string[];
  temperature?: number;
  filling?: "independent" | "sequential";
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts with [MASK] in them, each argument one text");
  addInputOptions(command, "text");
  addModelOptions(command, "mini-bert")
    .option("-k, --top-k <n>", "predictions per mask (default: 5, or all targets)", integer(1))
    .option("--targets <words>", "score only these words, separated by commas", collectList)
    .option(
      "--temperature <t>",
      "divides the logits before the softmax (default: 1)",
      number("a number above 0", (value) => value > 0),
    )
    .addOption(
      new Option("--filling <how>", "how several masks are filled together (default: independent)").choices([
        "independent",
        "sequential",
      ]),
    );
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['fill-mask "In the fiscal [MASK] ending June 30 the revenue was large."', "the five likeliest words"],
    ['fill-mask "He sailed across the [MASK]." --targets sea,ocean,river', "how likely these words are"],
    ["fill-mask --file masked.txt --top-k 1 --json", "one JSON object per line; blank lines are skipped"],
  ]);
  command.action((texts: string[], options: Options) => fillMask(texts, options, cli));
}

async function fillMask(
  texts: readonly string[],
  options: Options,
  { out, signal, ...rest }: Cli,
): Promise<void> {
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  const { topK, targets, temperature, filling, maxLength, json } = options;
  await withEncoder(options, { out, signal, ...rest }, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const results = await encoder.fillMask(group, {
        ...given({ topK, targets, temperature, filling, maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, result] of results.entries()) {
        if (json) await out.json({ text: group[i], ...result });
        else await printResult(out, group[i]!, result, finished + i > 0);
      }
      finished += group.length;
    }
  });
}

async function printResult(
  out: Output,
  text: string,
  result: FillMaskResult,
  isLater: boolean,
): Promise<void> {
  await out.write(`${isLater ? "\n" : ""}${out.bold(excerpt(text, out.columns))}\n`);
  for (const [i, mask] of result.masks.entries()) {
    if (result.masks.length > 1) await out.write(`  mask ${i + 1}\n`);
    const rows = mask.predictions.map((each) => predictionRow(each, each.tokenString));
    await out.write(formatTable(rows, { indent: "  ", right: [0] }));
  }
  if (result.masks.length > 1) {
    const rows = result.fillings.map((each) => predictionRow(each, each.tokenStrings.join(" ")));
    await out.write("  together\n");
    await out.write(formatTable(rows, { indent: "  ", right: [0] }));
  }
  for (const word of result.unknownTargets) {
    await out.write(`  not one token of the vocabulary: ${printable(word)}\n`);
  }
}

function predictionRow({ score, sequence }: MaskPrediction | MaskFilling, tokens: string): string[] {
  return [`${(100 * score).toFixed(1)} %`, printable(tokens), excerpt(sequence, 70)];
}
