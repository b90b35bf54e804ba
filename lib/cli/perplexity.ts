import type { Command } from "commander";
import {
  addExamples,
  addJsonOption,
  addModelOptions,
  given,
  integer,
  type JsonOption,
  type ModelOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withGenerator } from "./models.js";
import type { Cli } from "./program.js";
import { withProgress } from "./progress.js";
import { formatCount } from "./text.js";
import { addTimingsOption, reportScored } from "./timings.js";

interface Options extends ModelOptions, JsonOption {
  stride?: number;
  contextLength?: number;
  timings?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[files...]", 'UTF-8 files, each one document; "-" for standard input');
  addModelOptions(command, "mini-gpt2")
    .option("--stride <tokens>", "from one window to the next (default: half a window)", integer(1))
    .option("--context-length <tokens>", "of a window (default: the model's)", integer(2));
  addTimingsOption(command);
  addJsonOption(command);
  addExamples(command, [
    ["perplexity book.txt", "of one document, however long"],
    ["perplexity book.txt --stride 32 --json", "each token with more context: slower and lower"],
  ]);
  command.action((files: string[], options: Options) => perplexity(files, options, cli));
}

async function perplexity(files: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const names = files.length > 0 ? files : ["-"];
  // Standard input that is a terminal is refused before the model is loaded.
  const documents = names.map(
    (file) => new TextInput([], { files: file === "-" ? [] : [file], whole: true, signal }),
  );
  const { stride, contextLength } = options;
  await withGenerator(options, cli, async (generator) => {
    for (const [i, document] of documents.entries()) {
      for await (const text of document) {
        const begin = performance.now();
        const result = await withProgress("Scoring", (report) =>
          generator.perplexity(text, {
            ...given({ stride, contextLength }),
            signal,
            onProgress: ({ done, total }) => report(done / total),
          }),
        );
        const milliseconds = performance.now() - begin;
        if (options.json) {
          await out.json({ file: names[i], ...result });
        } else {
          const { perplexity: value, tokens, windows } = result;
          const size = `${formatCount(tokens)} tokens, ${formatCount(windows)} windows`;
          await out.write(`${Number(value.toPrecision(6))}  ${names[i]} (${size})\n`);
        }
        if (options.timings) reportScored(result.scoredTokens, milliseconds);
      }
    }
  });
}
