import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { attentionHtml } from "../attention-html.js";
import type { EncoderOutput } from "../tasks/encode.js";
import {
  addExamples,
  addJsonOption,
  addMaxLengthOption,
  addModelOptions,
  given,
  type JsonOption,
  type ModelOptions,
} from "./command-options.js";
import { withEncoderOrGenerator } from "./models.js";
import { floats } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { formatBytes, printable } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, JsonOption {
  pair?: string;
  html?: string;
  maxLength?: number;
}

/** Tokens shown per token. */
const SHOWN = 3;

export function define(command: Command, cli: Cli): void {
  command.argument("<text>", "what the model is to read");
  addModelOptions(command, "mini-bert")
    .option("--pair <text>", "a second text, after the first")
    .option("--html <file>", "write a page with a map for every layer and head");
  addMaxLengthOption(command);
  addJsonOption(command);
  addExamples(command, [
    ['attention "The ship sailed because it was ready." --html attention.html', "a page to look at"],
    ['attention "The ship sailed because it was ready."', "what each token looks at in the last layer"],
    ['attention "The ship sailed" --model mini-gpt2', "the same of a decoder, which looks back only"],
  ]);
  command.action((text: string, options: Options) => attention(text, options, cli));
}

async function attention(text: string, options: Options, cli: Cli): Promise<void> {
  const { out, signal } = cli;
  const { pair, html, maxLength, json } = options;
  await withEncoderOrGenerator(options, cli, async (model) => {
    const output = await model.encode(given({ text, pair }), {
      ...given({ maxLength }),
      lastHiddenState: false,
      poolerOutput: false,
      attentions: true,
      signal,
      onTruncate: (truncation) => reportTruncation([truncation], 0),
    });
    if (html !== undefined) {
      const page = attentionHtml(output, {
        title: pair === undefined ? text || "(empty)" : `${text} | ${pair}`,
      });
      await writeFile(html, page, { signal });
      if (!json) await out.write(`Wrote ${html}, ${formatBytes(Buffer.byteLength(page))}\n`);
    }
    if (json) {
      const { data, shape } = output.attentions!;
      await out.json({ tokens: output.tokens, attentions: { shape, data: floats(data) } });
    } else if (html === undefined) {
      await out.write(formatTable(strongest(output), { header: out.dim }));
    }
  });
}

/** For every token those it looks at most, by the mean of the last layer's heads. */
function strongest({ tokens, attentions }: EncoderOutput): string[][] {
  const { data, shape } = attentions!;
  const [layers, heads, S] = shape as [number, number, number];
  const rows = tokens.map((token, query) => {
    const shares = Array.from({ length: S }, (_, key) => {
      let sum = 0;
      for (let head = 0; head < heads; head++) {
        sum += data[(((layers - 1) * heads + head) * S + query) * S + key]!;
      }
      return { key, share: sum / heads };
    });
    const best = shares.sort((a, b) => b.share - a.share || a.key - b.key).slice(0, SHOWN);
    const shown = best.map(({ key, share }) => `${printable(tokens[key]!)} ${(100 * share).toFixed(0)} %`);
    return [printable(token), ...shown];
  });
  return [["token", "looks at"], ...rows];
}
