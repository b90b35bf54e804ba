import type { Command } from "commander";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  collectList,
  given,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { printLabels } from "./labels.js";
import { withEncoder } from "./models.js";
import type { Cli } from "./program.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  labels: string[];
  hypothesis?: string;
  multiLabel?: boolean;
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to classify, each argument one text");
  addInputOptions(command, "text");
  addModelOptions(command)
    .requiredOption("--labels <labels>", "what a text may be, separated by commas", collectList)
    .option("--hypothesis <sentence>", 'what a label becomes (default: "This example is {}.")')
    .option("--multi-label", "score each label on its own");
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['classify-zero-shot "The match was lost." --labels sport,politics -m nli.gguf', "which label fits"],
    [
      'classify-zero-shot -f a.txt --labels cats --hypothesis "{}!" -m nli.gguf',
      "how far one label fits each line",
    ],
  ]);
  command.action((texts: string[], options: Options) => classifyZeroShot(texts, options, cli));
}

async function classifyZeroShot(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  const { labels, hypothesis, multiLabel, maxLength } = options;
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const results = await encoder.classifyZeroShot(group, labels, {
        ...given({ hypothesis, multiLabel, maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, { predictions }] of results.entries()) {
        if (options.json) await out.json({ text: group[i], predictions });
        else await printLabels(out, group[i]!, predictions, finished + i > 0);
      }
      finished += group.length;
    }
  });
}
