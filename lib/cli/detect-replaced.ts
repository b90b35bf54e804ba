import type { Command } from "commander";
import type { TokenReplacement } from "../tasks/detect-replaced.js";
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
import { excerpt, printable } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  maxLength?: number;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to look through, each argument one text");
  addInputOptions(command, "text");
  addModelOptions(command);
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['detect-replaced "The captain sailed across the table." -m electra.gguf', "how odd each token is"],
    ["detect-replaced --file texts.txt --json -m electra.gguf", "one JSON object per line of the file"],
  ]);
  command.action((texts: string[], options: Options) => detectReplaced(texts, options, cli));
}

async function detectReplaced(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const results = await encoder.detectReplaced(group, {
        ...given({ maxLength: options.maxLength }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, tokens] of results.entries()) {
        if (options.json) await out.json({ text: group[i], tokens });
        else {
          const isLater = finished + i > 0;
          await out.write(`${isLater ? "\n" : ""}${out.bold(excerpt(group[i]!, out.columns))}\n`);
          await out.write(formatTable(tokens.map(rowOf), { indent: "  ", right: [0, 2] }));
        }
      }
      finished += group.length;
    }
  });
}

function rowOf({ probability, tokenString, start, end }: TokenReplacement): string[] {
  return [`${(100 * probability).toFixed(1)} %`, printable(tokenString), `${start}-${end}`];
}
