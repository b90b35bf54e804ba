import { Option, type Command } from "commander";
import type { PoolingMode } from "../native.js";
import type { EmbeddedText } from "../tasks/embed-windows.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addModelOptions,
  addWholeOption,
  given,
  integer,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withEncoder } from "./models.js";
import { floats } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt } from "./text.js";
import { reportTruncation } from "./truncation.js";
import { addWindowOptions, type WindowFlags } from "./window-options.js";

interface Options extends ModelOptions, TextOptions, JsonOption, WindowFlags {
  pooling?: PoolingMode;
  normalize?: boolean;
  dimensions?: number;
  prompt?: string;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts of any length, each argument one text");
  addInputOptions(command, "text");
  addWholeOption(command);
  addModelOptions(command, "mini-embed")
    .addOption(
      new Option("--pooling <mode>", "how token vectors become one (default: the model's)").choices([
        "mean",
        "cls",
        "max",
        "last",
      ]),
    )
    .option("--normalize", "scale vectors to unit length (default: the model's)")
    .option("--no-normalize", "leave vectors as they are")
    .option("--dimensions <n>", "keep the first n values, for models trained for it", integer(1))
    .option("--prompt <prompt>", "name of a prompt of the model, or the text to put before every window");
  addWindowOptions(command);
  addJsonOption(command);
  addExamples(command, [
    ["embed-windows --file book.txt --whole", "the windows of a book, and where they are"],
    ["embed-windows --file book.txt --whole --json", "a vector for each window, and one for the book"],
  ]);
  command.action((texts: string[], options: Options) => embedWindows(texts, options, cli));
}

async function embedWindows(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const { pooling, normalize, dimensions, prompt, maxLength, overflow, stride } = options;
  const input = new TextInput(texts, { files: options.file ?? [], whole: options.whole === true, signal });
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const embedded = await encoder.embedWindows(group, {
        ...given({ pooling, normalize, dimensions, prompt, maxLength, overflow, stride }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, result] of embedded.entries()) {
        if (options.json) await out.json({ text: group[i], ...jsonOf(result) });
        else await out.write(formatTable(rowsOf(group[i]!, result), { right: [0] }));
      }
      finished += group.length;
    }
  });
}

const jsonOf = ({ windows, vector }: EmbeddedText) => ({
  vector: floats(vector),
  windows: windows.map(({ start, end, vector: own }) => ({ start, end, vector: floats(own) })),
});

function rowsOf(text: string, { windows }: EmbeddedText): string[][] {
  return windows.map(({ start, end, vector }, i) => [
    `${i + 1}`,
    `${start}-${end}`,
    `${vector.length} values`,
    excerpt(text.slice(start, end), 60),
  ]);
}
