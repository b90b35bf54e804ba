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
  const input = new TextInput(texts, { files: options.file, whole: options.whole === true, signal });
  const tokenizer = await Tokenizer.load(options.model, { signal });
  let isLater = false;
  for await (const text of input) {
    const whole = await tokenizer.encodeAsync(text, {
      pair: options.pair,
      addSpecialTokens: options.specialTokens,
      signal,
    });
    const { maxLength = whole.ids.length, pair } = options;
    const encoding = whole.ids.length > maxLength ? tokenizer.truncate(whole, maxLength) : whole;
    if (options.json) await out.json(jsonOf(text, pair, encoding, whole.ids.length));
    else await out.write((isLater ? "\n" : "") + describe(text, pair, encoding, whole.ids.length, out));
    isLater = true;
  }
}

function jsonOf(text: string, pair: string | undefined, encoding: Encoding, length: number): object {
  const { ids, tokens, offsets, typeIds, specialTokensMask } = encoding;
  return {
    text,
    pair,
    ids: Array.from(ids),
    tokens,
    offsets,
    typeIds: Array.from(typeIds),
    specialTokensMask: Array.from(specialTokensMask),
    truncated: ids.length < length ? { length, limit: ids.length } : undefined,
  };
}

function describe(
  text: string,
  pair: string | undefined,
  { ids, tokens, offsets, typeIds, specialTokensMask }: Encoding,
  length: number,
  out: Output,
): string {
  const rows = Array.from(ids, (id, i) => {
    const [start, end] = offsets[i]!;
    const source = typeIds[i] === 1 && pair !== undefined ? pair : text;
    const isSpecial = specialTokensMask[i] === 1;
    const origin = isSpecial ? ["", ""] : [`${start}-${end}`, JSON.stringify(source.slice(start, end))];
    return [`${id}`, printable(tokens[i]!), origin[0]!, excerpt(origin[1]!, 40)];
  });
  const shown = pair === undefined ? text : `${text} | ${pair}`;
  const cut = ids.length < length ? ` of ${formatCount(length)}` : "";
  const table = formatTable([["id", "token", "offset", "text"], ...rows], {
    indent: "  ",
    right: [0],
    header: out.dim,
  });
  return `${out.bold(excerpt(shown, out.columns))}\n${table}  ${formatCount(ids.length)}${cut} tokens\n`;
}
