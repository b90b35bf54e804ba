import { Option, type Command } from "commander";
import type { SparseActivation, SparsePooling } from "../native.js";
import type { SparseEmbedding } from "../tasks/embed-sparse.js";
import { topIndices } from "../top-k.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  addWholeOption,
  given,
  integer,
  number,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withEncoder } from "./models.js";
import { floats } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt, printable } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  pooling?: SparsePooling;
  activation?: SparseActivation;
  topK?: number;
  threshold?: number;
  maxLength?: number;
  prompt?: string;
}

/** Tokens that a line shows. */
const SHOWN = 8;

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to embed, each argument one text");
  addInputOptions(command, "text");
  addWholeOption(command);
  addModelOptions(command, "mini-bert")
    .addOption(
      new Option("--pooling <mode>", "how the weights of tokens become one (default: the model's)").choices([
        "max",
        "sum",
      ]),
    )
    .addOption(
      new Option("--activation <name>", "what a logit weighs (default: the model's)").choices([
        "relu",
        "log1p_relu",
      ]),
    )
    .option("-k, --top-k <n>", "keep only the n largest weights", integer(1))
    .option(
      "--threshold <weight>",
      "keep only weights above this (default: 0)",
      number("a number from 0 on", (value) => value >= 0),
    );
  addMaxLengthOption(command).option(
    "--prompt <prompt>",
    "name of a prompt of the model, or the text to put before every text",
  );
  addJsonOption(command);
  addExamples(command, [
    ['embed-sparse "a small boat" --model splade.gguf', "the tokens that weigh most"],
    ["embed-sparse --file notes.txt --top-k 256 --json", "token ids and weights, one JSON object per line"],
  ]);
  command.action((texts: string[], options: Options) => embedSparse(texts, options, cli));
}

async function embedSparse(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const input = new TextInput(texts, {
    files: options.file ?? [],
    whole: options.whole === true,
    signal,
  });
  const { pooling, activation, topK, threshold, maxLength, prompt } = options;
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const embeddings = await encoder.embedSparse(group, {
        ...given({ pooling, activation, topK, threshold, maxLength, prompt }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, embedding] of embeddings.entries()) {
        if (options.json) await out.json({ text: group[i], ...jsonOf(embedding) });
        else await out.write(formatTable([rowOf(group[i]!, embedding)]));
      }
      finished += group.length;
    }
  });
}

const jsonOf = ({ indices, values, tokens }: SparseEmbedding) => ({
  indices: Array.from(indices),
  values: floats(values),
  tokens,
});

function rowOf(text: string, { values, tokens }: SparseEmbedding): string[] {
  const heaviest = Array.from(
    topIndices(values, SHOWN),
    (i) => `${printable(tokens[i]!)} ${values[i]!.toFixed(2)}`,
  );
  const more = values.length > SHOWN ? ", ..." : "";
  return [excerpt(text, 44), `${values.length} weights`, heaviest.join(", ") + more];
}
