import { Option, type Command } from "commander";
import type { Encoder } from "../encoder.js";
import type { Truncation } from "../inputs.js";
import type { PoolingMode } from "../native.js";
import { similarity } from "../similarity.js";
import type { EmbeddingOf, EmbeddingPrecision } from "../tasks/embedding-precision.js";
import {
  addExamples,
  addInputOptions,
  addJsonOption,
  addMaxLengthOption,
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
import { floats, type Output } from "./output.js";
import type { Cli } from "./program.js";
import { ProgressBar } from "./progress.js";
import { formatTable } from "./table.js";
import { excerpt, formatCount } from "./text.js";
import { reportTruncation } from "./truncation.js";

interface Options extends ModelOptions, TextOptions, JsonOption {
  pooling?: PoolingMode;
  normalize?: boolean;
  dimensions?: number;
  maxLength?: number;
  prompt?: string;
  precision?: Precision;
}

/** Ranges, which `int8` needs, are for programs. */
type Precision = Exclude<EmbeddingPrecision, "int8">;
type Vector = EmbeddingOf<Precision>;

/** Up to this many texts are compared with each other. */
const COMPARED = 8;

export function define(command: Command, cli: Cli): void {
  command.argument("[texts...]", "texts to embed, each argument one text");
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
    .option("--dimensions <n>", "keep the first n values, for models trained for it", integer(1));
  addMaxLengthOption(command)
    .option("--prompt <prompt>", "name of a prompt of the model, or the text to put before every text")
    .addOption(
      new Option("--precision <what>", "one bit per value with binary, ubinary (default: float32)").choices([
        "float32",
        "binary",
        "ubinary",
      ]),
    );
  addJsonOption(command);
  addExamples(command, [
    ['embed "a small boat" "a little ship" "tax law"', "vectors in short, and how similar the texts are"],
    ["embed --file notes.txt --json > vectors.jsonl", "one JSON object per line of the file"],
    ["embed --file chapter.txt --whole --max-length 128", "the beginning of a file as one text"],
    ['embed "where is it" --model e5.gguf --prompt "query: "', "a model that wants a prompt"],
  ]);
  command.action((texts: string[], options: Options) => embed(texts, options, cli));
}

async function embed(texts: readonly string[], options: Options, cli: Cli): Promise<void> {
  const input = new TextInput(texts, {
    files: options.file ?? [],
    whole: options.whole === true,
    signal: cli.signal,
  });
  await withEncoder(options, cli, async (encoder) => {
    const bar = new ProgressBar("Embedding");
    const print = options.json ? new JsonPrinter(cli.out) : new TablePrinter(cli.out);
    try {
      await embedGroups(encoder, input, options, cli, bar, print);
    } finally {
      bar.hide();
    }
    await print.end();
  });
}

async function embedGroups(
  encoder: Encoder,
  input: TextInput,
  options: Options,
  { out, signal }: Cli,
  bar: ProgressBar,
  print: Printer,
): Promise<void> {
  const { pooling, normalize, dimensions, maxLength, prompt, precision } = options;
  let finished = 0;
  let before = 0;
  for await (const texts of input.groups()) {
    const after = input.fraction;
    const cut: Truncation[] = [];
    const vectors = await encoder.embed(texts, {
      ...given({ pooling, normalize, dimensions, maxLength, prompt, precision }),
      signal,
      onTruncate: (truncation) => cut.push(truncation),
      onProgress: ({ done, total }) => {
        const fraction = after === undefined ? undefined : before + ((after - before) * done) / total;
        bar.update(fraction, `${formatCount(finished + done)} texts`);
      },
    });
    if (out.isTerminal) bar.hide();
    if (!options.json) reportTruncation(cut, finished);
    await print.group(texts, vectors, cut);
    finished += texts.length;
    before = after ?? 0;
  }
}

interface Printer {
  group(texts: readonly string[], vectors: readonly Vector[], cut: readonly Truncation[]): Promise<void>;
  end(): Promise<void>;
}

class JsonPrinter implements Printer {
  readonly #out: Output;

  constructor(out: Output) {
    this.#out = out;
  }

  async group(
    texts: readonly string[],
    vectors: readonly Vector[],
    cut: readonly Truncation[],
  ): Promise<void> {
    const lost = new Map(cut.map(({ index, length, limit }) => [index, { length, limit }]));
    for (const [i, text] of texts.entries()) {
      await this.#out.json({ text, truncated: lost.get(i), embedding: numbersOf(vectors[i]!) });
    }
  }

  async end(): Promise<void> {}
}

/** A line per text; when there are few, also how similar they are. */
class TablePrinter implements Printer {
  readonly #out: Output;
  #count = 0;
  readonly #first: { text: string; vector: Float32Array }[] = [];

  constructor(out: Output) {
    this.#out = out;
  }

  async group(texts: readonly string[], vectors: readonly Vector[]): Promise<void> {
    const rows = texts.map((text, i) => [
      `${++this.#count}`,
      excerpt(text, 44),
      `${vectors[i]!.length} values`,
      preview(vectors[i]!),
    ]);
    for (let i = 0; i < texts.length && this.#first.length <= COMPARED; i++) {
      const vector = vectors[i]!;
      if (vector instanceof Float32Array) this.#first.push({ text: texts[i]!, vector });
    }
    await this.#out.write(formatTable(rows, { right: [0] }));
  }

  async end(): Promise<void> {
    if (this.#first.length < 2 || this.#first.length > COMPARED) return;
    const header = ["", ...this.#first.map((_, i) => `${i + 1}`)];
    const rows = this.#first.map(({ text, vector }, i) => [
      `${i + 1}  ${excerpt(text, 30)}`,
      ...this.#first.map((other) => similarity(vector, other.vector).toFixed(3)),
    ]);
    const right = header.map((_, i) => i).slice(1);
    await this.#out.write(`\n${this.#out.bold("Cosine similarity")}\n`);
    await this.#out.write(formatTable([header, ...rows], { right, header: this.#out.dim }));
  }
}

const numbersOf = (vector: Vector): number[] => {
  return vector instanceof Float32Array ? floats(vector) : Array.from(vector);
};

function preview(vector: Vector): string {
  const show = (value: number) =>
    vector instanceof Float32Array ? value.toFixed(4).padStart(7) : `${value}`;
  const values = Array.from(vector.subarray(0, 4), show);
  return `[${values.join(" ")}${vector.length > 4 ? " ..." : ""}]`;
}
