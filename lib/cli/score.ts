import type { Command } from "commander";
import type { ContinuationScores } from "../continuations.js";
import type { Generator } from "../generator.js";
import type { TextScore, TokenScore } from "../score.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addModelOptions,
  collect,
  given,
  integer,
  type JsonOption,
  type ModelOptions,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import { withGenerator } from "./models.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt, printable } from "./text.js";
import { addTimingsOption, reportScored } from "./timings.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  tokens?: boolean;
  topK?: number;
  beginningOfText?: boolean;
  continuation?: string[];
  timings?: boolean;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to score, each argument one text");
  addInputOptions(command, "text");
  addModelOptions(command, "mini-gpt2");
  command
    .option("--tokens", "a table of the tokens of each text")
    .option("-k, --top-k <n>", "with --json: the n likeliest tokens at every place", integer(0, 1000))
    .option("--beginning-of-text", "score the first token as well, as the beginning of a text")
    .option(
      "-c, --continuation <text>",
      "score this continuation of each text, its first blank included; repeatable",
      collect,
    );
  addTimingsOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['score "He went to sea." "Sea to went he."', "log-probability and perplexity of each"],
    ['score "The whale is a large fish." --tokens', "log-probability and rank of every token"],
    ['score "The ship sailed on the" -c " sea" -c " tax"', "which continuation is likelier"],
    ["score --file texts.txt --json --top-k 5", "one JSON object per line; blank lines are skipped"],
  ]);
  command.action((texts: string[], options: Options) => score(texts, options, cli));
}

async function score(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const { signal } = cli;
  const input = new TextInput(texts, { files: options.file ?? [], whole: false, skipBlank: true, signal });
  await withGenerator(options, cli, (generator) =>
    options.continuation === undefined
      ? scoreTexts(generator, input, options, cli)
      : scoreContinuations(generator, input, options.continuation, options, cli),
  );
}

async function scoreTexts(
  generator: Generator,
  input: TextInput,
  options: Options,
  { out, signal }: Cli,
): Promise<void> {
  const { topK, beginningOfText } = options;
  let isFirst = true;
  for await (const group of input.groups()) {
    const begin = performance.now();
    const results = await generator.score(group, given({ topK, beginningOfText, signal }));
    const milliseconds = performance.now() - begin;
    if (options.json) {
      for (const [i, result] of results.entries()) await out.json({ text: group[i], ...result });
    } else if (options.tokens) {
      for (const { tokens } of results) {
        if (!isFirst) await out.write("\n");
        await out.write(formatTable(tokenRows(tokens), { right: [0, 1], header: out.dim }));
        isFirst = false;
      }
    } else {
      const header = isFirst ? out.dim : undefined;
      await out.write(formatTable(textRows(group, results, isFirst), { right: [0, 1], header }));
    }
    isFirst = false;
    if (options.timings) reportScored(sum(results.map(({ scoredTokens }) => scoredTokens)), milliseconds);
  }
}

const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);

function textRows(texts: readonly string[], results: readonly TextScore[], withHeader: boolean): string[][] {
  const lines = results.map(({ logProbability, perplexity }, i) => [
    logProbability.toFixed(3),
    Number(perplexity.toPrecision(4)).toString(),
    excerpt(texts[i]!, 70),
  ]);
  return withHeader ? [["log-probability", "perplexity", "text"], ...lines] : lines;
}

function tokenRows(tokens: readonly TokenScore[]): string[][] {
  const lines = tokens.map(({ logProbability, rank, tokenString }) => [
    logProbability === null ? "" : logProbability.toFixed(3),
    rank === null ? "" : String(rank),
    printable(tokenString),
  ]);
  return [["log-probability", "rank", "token"], ...lines];
}

/** The likeliest first. */
async function scoreContinuations(
  generator: Generator,
  input: TextInput,
  continuations: readonly string[],
  { json, timings }: Options,
  { out, signal }: Cli,
): Promise<void> {
  for await (const text of input) {
    const begin = performance.now();
    const { scores, ranking } = await generator.scoreContinuations(text, continuations, { signal });
    const milliseconds = performance.now() - begin;
    if (json) await out.json({ text, scores, ranking });
    else await out.write(continuationTable(text, { scores, ranking }, out.dim));
    if (timings) reportScored(sum(scores.map(({ tokens }) => tokens.length)), milliseconds);
  }
}

function continuationTable(
  text: string,
  { scores, ranking }: ContinuationScores,
  header: (text: string) => string,
): string {
  const lines = ranking.map((i) => [
    scores[i]!.logProbability.toFixed(3),
    scores[i]!.logProbabilityPerToken.toFixed(3),
    scores[i]!.logProbabilityPerCharacter.toFixed(3),
    excerpt(text + scores[i]!.continuation, 70),
  ]);
  const names = ["log-probability", "per token", "per character", "text"];
  return formatTable([names, ...lines], { right: [0, 1, 2], header });
}
