/** The texts a command works on: arguments, files, standard input. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { InputFileError, UsageError } from "./failure.js";

/** Texts worked on together: enough for full batches, while results still flow. */
const GROUP_TEXTS = 1024;
/** UTF-16 units of the texts worked on together. */
const GROUP_LENGTH = 2 ** 20;

const STANDARD_INPUT = "-";

export interface InputOptions {
  /** Files to read after the arguments; `-` is standard input. */
  files: readonly string[];
  /** Each file is one text, not each line. */
  whole: boolean;
  /** Leave out blank lines. Default: false. */
  skipBlank?: boolean;
  signal: AbortSignal;
}

/** A sequence of texts, of which only some are in memory. */
export class TextInput {
  readonly #texts: readonly string[];
  readonly #options: InputOptions;
  /** Bytes read, those of the arguments included. */
  #bytesRead = 0;
  #bytesTotal: number | undefined;

  /**
   * @param texts - The arguments, each a text. Without any, and without files, standard input is read.
   * @throws UsageError when that would wait for somebody to type.
   */
  constructor(texts: readonly string[], options: InputOptions) {
    this.#texts = texts;
    this.#options = options;
    if (texts.length > 0 || options.files.length > 0) return;
    if (process.stdin.isTTY) {
      throw new UsageError("No text given: pass it as an argument, with --file, or on standard input");
    }
    this.#options = { ...options, files: [STANDARD_INPUT] };
  }

  /** The share of the input that was read, from 0 to 1; undefined when its size is not known. */
  get fraction(): number | undefined {
    return this.#bytesTotal === undefined ? undefined : this.#bytesRead / Math.max(1, this.#bytesTotal);
  }

  /** The texts in groups of bounded size, none of them empty. */
  async *groups(): AsyncGenerator<string[]> {
    await this.#measure();
    let group: string[] = [];
    let length = 0;
    for await (const text of this) {
      group.push(text);
      length += text.length;
      if (group.length < GROUP_TEXTS && length < GROUP_LENGTH) continue;
      yield group;
      group = [];
      length = 0;
    }
    if (group.length > 0) yield group;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (const text of this.#texts) {
      this.#bytesRead += Buffer.byteLength(text);
      yield text;
    }
    for (const file of this.#options.files) yield* this.#read(file);
  }

  /** Also finds a file that is not there before the work begins. */
  async #measure(): Promise<void> {
    let total = this.#texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    for (const file of this.#options.files) {
      if (file === STANDARD_INPUT) {
        total = Number.NaN;
        continue;
      }
      const found = await stat(file).catch((error: unknown) => {
        throw new InputFileError(file, error);
      });
      if (found.isDirectory()) throw new InputFileError(file, new Error("it is a folder"));
      total += found.isFile() ? found.size : Number.NaN;
    }
    this.#bytesTotal = Number.isNaN(total) ? undefined : total;
  }

  async *#read(file: string): AsyncGenerator<string> {
    const stream: Readable = file === STANDARD_INPUT ? process.stdin : createReadStream(file);
    addAbortSignal(this.#options.signal, stream);
    try {
      const chunks = this.#decode(stream);
      if (this.#options.whole) yield await join(chunks);
      else yield* this.#lines(chunks);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      throw new InputFileError(file === STANDARD_INPUT ? "standard input" : file, error);
    }
  }

  /** UTF-8 without its byte order mark; what is not UTF-8 becomes U+FFFD. */
  async *#decode(stream: Readable): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      this.#bytesRead += chunk.length;
      yield decoder.decode(chunk, { stream: true });
    }
    yield decoder.decode();
  }

  /** Lines end with LF or CR LF; the last one may lack it. */
  async *#lines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
    const finish = (line: string) => (line.endsWith("\r") ? line.slice(0, -1) : line);
    let begun = "";
    for await (const chunk of chunks) {
      let from = 0;
      for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", from)) {
        const line = finish(begun + chunk.slice(from, end));
        begun = "";
        from = end + 1;
        if (!this.#isLeftOut(line)) yield line;
      }
      begun += chunk.slice(from);
    }
    if (begun !== "" && !this.#isLeftOut(begun)) yield finish(begun);
  }

  #isLeftOut(line: string): boolean {
    return this.#options.skipBlank === true && line.trim() === "";
  }
}

/** Two texts. */
export type Pair = readonly [first: string, second: string];

/** A line that holds two of `what`, for example sentences; `index` is its number, for the error. */
export function splitPair(line: string, index: number, what: string): Pair {
  const parts = line.split("\t");
  if (parts.length === 2) return [parts[0]!, parts[1]!];
  throw new UsageError(
    `Expected two ${what} separated by a tab in pair ${index + 1} but received ${parts.length}`,
    { pair: index + 1 },
  );
}

async function join(chunks: AsyncIterable<string>): Promise<string> {
  const parts: string[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return parts.join("").replace(/\r?\n$/, "");
}
