import { Option, type Command } from "commander";
import type { EntityAggregation } from "../tasks/entity-groups.js";
import type { Entity } from "../tasks/recognize-entities.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addModelOptions,
  addWholeOption,
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
import { addWindowOptions, type WindowFlags } from "./window-options.js";

interface Options extends ModelOptions, TextOptions, JsonOption, WindowFlags {
  aggregation?: EntityAggregation;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to look through, each argument one text");
  addInputOptions(command, "text");
  addWholeOption(command);
  addModelOptions(command).addOption(
    new Option("--aggregation <how>", "how tokens become entities (default: simple)").choices([
      "none",
      "simple",
      "first",
      "average",
      "max",
    ]),
  );
  addWindowOptions(command);
  addJsonOption(command);
  addExamples(command, [
    ['recognize-entities "Herman Melville was born in New York." -m ner.gguf', "names, where they are"],
    ["recognize-entities --file book.txt --whole --json -m ner.gguf", "a long text, read in windows"],
  ]);
  command.action((texts: string[], options: Options) => recognizeEntities(texts, options, cli));
}

async function recognizeEntities(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const { aggregation, maxLength, overflow, stride, json, file = [], whole = false } = options;
  const input = new TextInput(texts, { files: file, whole, signal });
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const results = await encoder.recognizeEntities(group, {
        ...given({ aggregation, maxLength, overflow, stride }),
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, entities] of results.entries()) {
        const text = group[i]!;
        if (json) await out.json({ text, entities });
        else {
          const isLater = finished + i > 0;
          await out.write(`${isLater ? "\n" : ""}${out.bold(excerpt(text, out.columns))}\n`);
          await out.write(formatTable(entities.map(entityRow), { indent: "  ", right: [0, 3] }));
        }
      }
      finished += group.length;
    }
  });
}

function entityRow({ label, score, text, start, end }: Entity): string[] {
  return [`${(100 * score).toFixed(1)} %`, printable(label), excerpt(text, 60), `${start}-${end}`];
}
