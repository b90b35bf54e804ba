import type { Command } from "commander";
import type { AnswerResult } from "../tasks/answer.js";
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
import type { Output } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt } from "./text.js";
import { reportTruncation } from "./truncation.js";
import { addWindowOptions, type WindowFlags } from "./window-options.js";

interface Options extends ModelOptions, TextOptions, JsonOption, WindowFlags {
  topK?: number;
  maxAnswerLength?: number;
  alignToWords: boolean;
  mayHaveNone?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command
    .argument("<question>", "what to answer")
    .argument("[contexts...]", "texts that may hold the answer, each argument one");
  addInputOptions(command, "context");
  addWholeOption(command);
  addModelOptions(command)
    .option("-k, --top-k <n>", "answers per context (default: 1)", integer(1))
    .option("--max-answer-length <tokens>", "tokens of the longest answer (default: 15)", integer(1))
    .option("--no-align-to-words", "let answers begin and end inside words")
    .option("--may-have-none", "let there be no answer, for models trained on SQuAD 2");
  addWindowOptions(command);
  addJsonOption(command);
  addExamples(command, [
    ['answer "Who was born?" "Herman Melville was born in 1819." -m qa.gguf', "the words that answer"],
    ['answer "Who was Ahab?" --file book.txt --whole -k 3 -m qa.gguf', "a long text, read in windows"],
  ]);
  command.action((question: string, contexts: string[], options: Options) =>
    answer(question, contexts, options, cli),
  );
}

async function answer(
  question: string,
  contexts: readonly string[],
  options: Options,
  cli: Cli,
): Promise<void> {
  const { out, signal } = cli;
  const { topK, maxAnswerLength, alignToWords, mayHaveNone, maxLength, overflow, stride } = options;
  const { file = [], whole = false } = options;
  const input = new TextInput(contexts, { files: file, whole, skipBlank: true, signal });
  await withEncoder(options, cli, async (encoder) => {
    let finished = 0;
    for await (const group of input.groups()) {
      const inputs = group.map((context) => ({ question, context }));
      const results = await encoder.answer(inputs, {
        ...given({ topK, maxAnswerLength, alignToWords, maxLength, overflow, stride }),
        noAnswer: mayHaveNone === true,
        signal,
        onTruncate: (truncation) => reportTruncation([truncation], finished),
      });
      for (const [i, result] of results.entries()) {
        if (options.json) await out.json({ ...inputs[i]!, ...result });
        else await printAnswers(out, group[i]!, result, finished + i > 0);
      }
      finished += group.length;
    }
  });
}

async function printAnswers(
  out: Output,
  context: string,
  { answers }: AnswerResult,
  isLater: boolean,
): Promise<void> {
  await out.write(`${isLater ? "\n" : ""}${out.bold(excerpt(context, out.columns))}\n`);
  const rows = answers.map(({ text, score, start, end }) => [
    `${(100 * score).toFixed(1)} %`,
    end > start ? excerpt(text, 60) : "no answer",
    end > start ? `${start}-${end}` : "",
  ]);
  await out.write(formatTable(rows, { indent: "  ", right: [0, 2] }));
}
