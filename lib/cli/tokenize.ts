import type { Command } from "commander";
import { Tokenizer, type Encoding } from "../tokenizer/index.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addWholeOption,
  integer,
  type JsonOption,
  type TextOptions,
} from "./command-options.js";
import { TextInput } from "./input.js";
import type { Output } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt, formatCount, printable } from "./text.js";

interface Options extends TextOptions, JsonOption {
  model: string;
  pair?: string;
  maxLength?: number;
  specialTokens: boolean;
}

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to split, each argument one text");
  addInputOptions(command, "text");
  addWholeOption(command)
    .option(
      "-m, --model <path>",
      "GGUF file, tokenizer.json, folder of a checkpoint, or embedded model",
      "mini-embed",
    )
    .option("--pair <text>", "second text of every input, as for next-sentence")
    .option("--no-special-tokens", "without [CLS], [SEP] and the like")
    .option("--max-length <tokens>", "cut longer texts, keeping the closing special tokens", integer(1));
  addJsonOption(command);
  addExamples(command, [
    ['tokenize "Unaffable cafés."', "a table of ids, tokens and where they come from"],
    ['tokenize "Hello world" --model mini-gpt2 --json', "ids, tokens, offsets, segment ids, special tokens"],
    ["tokenize --file notes.txt --json | jq '.ids | length'", "tokens per line of a file"],
  ]);
  command.action((texts: string[], options: Options) => tokenize(texts, options, cli));
}

async function tokenize(texts: readonly string[], options: Options, { out, signal }: Cli): Promise<void> {
  const input = new TextInput(texts, { files: options.file ?? [], whole: options.whole === true, signal });
  const tokenizer = await Tokenizer.load(options.model, { signal });
  const { pair, maxLength, specialTokens: addSpecialTokens } = options;
  let isLater = false;
  for await (const text of input) {
    const encoding = await tokenizer.encodeAsync(text, { pair, maxLength, addSpecialTokens, signal });
    if (options.json) await out.json(jsonOf(text, pair, encoding));
    else await out.write((isLater ? "\n" : "") + describe(text, pair, encoding, out));
    isLater = true;
  }
}

function jsonOf(text: string, pair: string | undefined, encoding: Encoding): object {
  const { ids, tokens, typeIds, specialTokensMask, truncated } = encoding;
  return {
    text,
    pair,
    ids: Array.from(ids),
    tokens,
    offsets: tokens.map((_, i) => offsetsOf(encoding, i)),
    typeIds: Array.from(typeIds),
    specialTokensMask: Array.from(specialTokensMask),
    truncated,
  };
}

function offsetsOf({ offsets }: Encoding, i: number): [start: number, end: number] {
  return [offsets[2 * i]!, offsets[2 * i + 1]!];
}

function describe(text: string, pair: string | undefined, encoding: Encoding, out: Output): string {
  const { ids, tokens, sequenceIds, truncated } = encoding;
  const rows = tokens.map((token, i) => {
    const isSpecial = sequenceIds[i] === -1;
    const source = sequenceIds[i] === 1 ? pair! : text;
    const [start, end] = offsetsOf(encoding, i);
    const origin = isSpecial ? ["", ""] : [`${start}-${end}`, JSON.stringify(source.slice(start, end))];
    return [`${ids[i]}`, printable(token), origin[0]!, excerpt(origin[1]!, 40)];
  });
  const table = formatTable([["id", "token", "offset", "text"], ...rows], {
    indent: "  ",
    right: [0],
    header: out.dim,
  });
  const title = excerpt(pair === undefined ? text : `${text} | ${pair}`, out.columns);
  const cut = truncated > 0 ? `, ${formatCount(truncated)} more were cut` : "";
  return `${out.bold(title)}\n${table}  ${formatCount(ids.length)} tokens${cut}\n`;
}
