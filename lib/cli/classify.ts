import { Option, type Command } from "commander";
import type { ScoreActivation } from "../tasks/label-scores.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  given,
  integer,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { splitPair, TextInput } from "./input.js";
import { printLabels } from "./labels.js";
import { withEncoderOrGenerator } from "./models.js";
import { floats } from "./output.js";
import type { Cli } from "./program.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  pairs?: boolean;
  topK?: number;
  activation?: ScoreActivation;
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to classify, each argument one text");
  addInputOptions(command, "text");
  addModelOptions(command)
    .option("--pairs", "each text is two, with a tab between them")
    .option("-k, --top-k <n>", "labels per text (default: all)", integer(1))
    .addOption(
      new Option("--activation <name>", "how logits become scores (default: by the model)").choices([
        "softmax",
        "sigmoid",
        "none",
      ]),
    );
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['classify "A delightful film." --model sentiment.gguf', "every label with its score"],
    ["classify --file reviews.txt --top-k 1 --json -m sentiment.gguf", "one JSON object per line"],
    ["classify --pairs --file pairs.tsv -m nli.gguf", "pairs of texts, a tab between the two"],
  ]);
  command.action((texts: string[], options: Options) => classify(texts, options, cli));
}

async function classify(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  const { topK, activation, maxLength } = options;
  await withEncoderOrGenerator(options, cli, async (model) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const inputs = group.map((line, i) => {
        if (!options.pairs) return { text: line };
        const [text, pair] = splitPair(line, finished + i, "texts");
        return { text, pair };
      });
      const results = await model.classify(inputs, {
        ...given({ topK, activation, maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, { predictions, logits }] of results.entries()) {
        if (options.json) await out.json({ ...inputs[i]!, predictions, logits: floats(logits) });
        else await printLabels(out, group[i]!, predictions, finished + i > 0);
      }
      finished += group.length;
    }
  });
}
