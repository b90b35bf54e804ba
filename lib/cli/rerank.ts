import { Option, type Command } from "commander";
import type { RankedDocument } from "../tasks/rerank.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addModelOptions,
  given,
  integer,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withEncoder } from "./models.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt } from "./text.js";
import { reportTruncation } from "./truncation.js";
import { addWindowOptions, type WindowFlags } from "./window-options.js";

interface Options extends ModelOptions, TextOptions, JsonOption, WindowFlags {
  topK?: number;
  activation?: "sigmoid" | "none";
}

export function define(command: Command, cli: Cli): void {
  command
    .argument("<query>", "what is looked for")
    .argument("[documents...]", "documents to rank, each argument one");
  addInputOptions(command, "document");
  addModelOptions(command)
    .option("-k, --top-k <n>", "documents to print (default: all)", integer(1))
    .addOption(
      new Option("--activation <name>", "how logits become scores (default: by the model)").choices([
        "sigmoid",
        "none",
      ]),
    );
  addWindowOptions(command);
  addJsonOption(command);
  addExamples(command, [
    ['rerank "who wrote it" --file passages.txt -m reranker.gguf', "the passages, the best first"],
    ['rerank "who wrote it" --file passages.txt -k 3 --json -m reranker.gguf', "the best three as JSON"],
  ]);
  command.action((query: string, documents: string[], options: Options) =>
    rerank(query, documents, options, cli),
  );
}

async function rerank(query: string, texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const { topK, activation, maxLength, overflow, stride } = options;
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  await withEncoder(options, cli, async (encoder) => {
    // A ranking needs them all.
    const documents: string[] = [];
    for await (const document of input) documents.push(document);
    const ranked = await encoder.rerank(query, documents, {
      ...given({ topK, activation, maxLength, overflow, stride }),
      signal,
      onTruncate: (truncation) => reportTruncation([truncation], 0),
    });
    if (!options.json) return out.write(formatTable(rows(ranked, documents), { right: [0, 1] }));
    for (const { index, score } of ranked) {
      await out.json({ index, score, document: documents[index] });
    }
  });
}

function rows(ranked: readonly RankedDocument[], documents: readonly string[]): string[][] {
  return ranked.map(({ index, score }) => [score.toFixed(4), `${index + 1}`, excerpt(documents[index]!, 76)]);
}
