import { InvalidArgumentError } from "../errors.js";
import {
  boolean,
  checkOptions,
  expected,
  integer,
  integers,
  nonEmptyString,
  oneOf,
  signal as abortSignal,
  string,
  type Check,
} from "../options.js";
import { AddedTokenIndex } from "./added-tokens.js";
import { ByteLevelDecoder, cleanUp, tokenBytes } from "./decoders.js";
import { Encoding } from "./encoding.js";
import { Layout, spacesOf, type TokenNames, type TokenSpaces } from "./layout.js";
import { loadFromAnywhere } from "./load-path.js";
import { loadGguf, type GgufMetadata } from "./load-gguf.js";
import { loadTokenizerJson } from "./load-json.js";
import { Pipeline } from "./pipeline.js";
import { countSpecial, templateFor } from "./post-processing.js";
import { runInSlices, runNow, type Steps } from "./time-slices.js";
import { NO_CONFIG, SPECIAL_ROLES, type SpecialRole, type TokenizerParts } from "./tokenizer-parts.js";
import { TokenSink, type TokenSequence } from "./token-sink.js";
import { TokenStream } from "./token-stream.js";
import { shareRoom, windowsOf, type TruncationStrategy } from "./truncation.js";
import { encodeUtf8InSteps } from "./utf8-slices.js";

/** Options of `encode`. */
export interface EncodeOptions {
  /** A second text: question and context, premise and hypothesis. */
  pair?: string;
  /** Add the model's special tokens, as its post-processor says. Default true. */
  addSpecialTokens?: boolean;
  /** Most tokens of the result, special tokens included. Default: no limit. */
  maxLength?: number;
  /** What to do with texts that are longer; special tokens are always kept. Default `"longest_first"`. */
  truncation?: TruncationStrategy;
  /** Tokens that each window of `overflowing` shares with the one before. Default 0. */
  stride?: number;
  /**
   * Pad on the right: `"longest"` to the longest of a batch, `"max_length"` to `maxLength`. Default `"none"`. The
   * engine of this package needs no padding.
   */
  padding?: "none" | "longest" | "max_length";
}

/** Options of `encodeAsync`. */
export interface EncodeAsyncOptions extends EncodeOptions {
  /** Stops the work; the promise rejects with an `AbortError`. */
  signal?: AbortSignal;
}

/** Options of `encodeBatch`; pairs are given as such in the batch. */
export type EncodeBatchOptions = Omit<EncodeAsyncOptions, "pair">;

/** Options of `decode`. */
export interface DecodeOptions {
  /** Leave special tokens out. Default false. */
  skipSpecialTokens?: boolean;
  /** Undo spaces before punctuation and contractions. Default: as the tokenizer's configuration says, else false. */
  cleanUpSpaces?: boolean;
}

/** Options of `createStream`. */
export interface TokenStreamOptions {
  /** Leave special tokens out. Default false. */
  skipSpecialTokens?: boolean;
}

/** Ids of special tokens by role; undefined for those a tokenizer does not have. */
export type SpecialIds = Readonly<Record<SpecialRole, number | undefined>>;

const ENCODE_CHECKS = {
  pair: string,
  addSpecialTokens: boolean,
  maxLength: integer(0, 2 ** 31 - 1),
  truncation: oneOf("longest_first", "only_first", "only_second", "none"),
  stride: integer(0, 2 ** 31 - 1),
  padding: oneOf("none", "longest", "max_length"),
};
const ENCODE_ASYNC_CHECKS = { ...ENCODE_CHECKS, signal: abortSignal };
const { pair: _pair, ...ENCODE_BATCH_CHECKS } = ENCODE_ASYNC_CHECKS;
const DECODE_CHECKS = { skipSpecialTokens: boolean, cleanUpSpaces: boolean };
const STREAM_CHECKS = { skipSpecialTokens: boolean };
const LOAD_CHECKS = { signal: abortSignal };

const textOrPair: Check<readonly [string, string?]> = (value, name) => {
  if (typeof value === "string") return [value];
  const isPair =
    Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === "string");
  if (!isPair) throw expected("a string or two strings in an array", name, value);
  return value as [string, string];
};

/**
 * Texts to token ids and back, exactly as the Hugging Face tokenizers do it: BERT's WordPiece, byte-level BPE of GPT-2
 * and RoBERTa, BPE over characters, and Unigram of XLM-R and ALBERT.
 *
 * Lone surrogates count as U+FFFD, as they do wherever UTF-16 becomes UTF-8. `truncation` and `padding` that a
 * tokenizer.json has stored are not applied: what is not asked for is not done.
 *
 * @example
 * ```ts
 * const tokenizer = await Tokenizer.load("models/bert");
 * const { ids, offsets } = tokenizer.encode("The sea was calm.", { maxLength: 128 });
 * ```
 */
export class Tokenizer {
  /** Tokens of the model and added tokens. */
  readonly vocabSize: number;
  /** Ids of its special tokens. */
  readonly specialIds: SpecialIds;
  /** Longest input of the model in tokens, where the tokenizer's configuration states it. */
  readonly modelMaxLength: number | undefined;
  /** Whether tokens that go on with a word are spelt so (`##s`); else only the text tells. */
  readonly marksContinuations: boolean;
  readonly #parts: TokenizerParts;
  readonly #pipeline: Pipeline;
  readonly #added: AddedTokenIndex;
  readonly #names: TokenNames;
  readonly #spaces = new Map<number, TokenSpaces>();
  /** Sinks of texts done, to be used again: a text in work has its own. */
  readonly #spareSinks: TokenSink[] = [];

  private constructor(parts: TokenizerParts, pipeline: Pipeline, added: AddedTokenIndex) {
    this.#parts = parts;
    this.#pipeline = pipeline;
    this.#added = added;
    this.vocabSize = parts.pipeline.model.vocabulary.size + added.outside;
    this.modelMaxLength = parts.config.modelMaxLength;
    this.marksContinuations = parts.pipeline.model.marksContinuations;
    this.#names = {
      idToToken: (id) => this.idToToken(id),
      addedToken: (id) => added.byId.get(id),
      spaces: (id) => this.#spacesOf(id),
    };
    this.specialIds = this.#findSpecialIds();
  }

  static *#build(parts: TokenizerParts): Steps<Tokenizer> {
    const pipeline = yield* Pipeline.build(parts.pipeline);
    const added = yield* AddedTokenIndex.build(parts.addedTokens, parts.pipeline.model.vocabulary);
    return new Tokenizer(parts, pipeline, added);
  }

  /**
   * Loads a tokenizer from a GGUF file, an embedded model (`"mini-bert"`), a tokenizer.json, a vocab.txt, or a folder
   * with tokenizer.json, with vocab.txt, or with vocab.json and merges.txt. A tokenizer_config.json beside these is
   * honoured.
   *
   * @throws ModelFileError when there is nothing to load.
   * @throws TokenizerError when a file is malformed or names a component that is not known.
   * @throws UnsupportedError when the tokenizer is of a kind this package does not compute.
   */
  static async load(pathOrName: string, options?: { signal?: AbortSignal }): Promise<Tokenizer> {
    nonEmptyString(pathOrName, "pathOrName");
    const { signal } = checkOptions(options, "Tokenizer.load", LOAD_CHECKS);
    return runInSlices(Tokenizer.#build(await loadFromAnywhere(pathOrName, signal)), signal);
  }

  /** Builds a tokenizer from the contents of a tokenizer.json. Errors as for `load`. */
  static async fromJson(json: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<Tokenizer> {
    if (typeof json !== "string" && !(json instanceof Uint8Array))
      throw expected("a string or bytes", "json", json);
    const { signal } = checkOptions(options, "Tokenizer.fromJson", LOAD_CHECKS);
    return runInSlices(Tokenizer.#build(await runInSlices(loadText(json), signal)), signal);
  }

  /**
   * Builds a tokenizer from the metadata of a GGUF file: the tokenizer.json it carries, or else a vocabulary of the
   * kind `bert`, `gpt2` or, for Unigram, `t5`. llama.cpp's files do not always say whether a BERT is cased: where they do not, it is
   * when its vocabulary has upper-case letters. Errors as for `load`.
   */
  static async fromGguf(metadata: GgufMetadata, options?: { signal?: AbortSignal }): Promise<Tokenizer> {
    const { signal } = checkOptions(options, "Tokenizer.fromGguf", LOAD_CHECKS);
    return runInSlices(Tokenizer.#build(await runInSlices(loadGguf(metadata), signal)), signal);
  }

  /**
   * Tokens of a text or pair, at once. Takes as long as it takes: use `encodeAsync` for texts of unknown size.
   *
   * @throws InputTooLongError when `maxLength` cannot be kept: `truncation` is `"none"`, or shortens the wrong text.
   */
  encode(text: string, options?: EncodeOptions): Encoding {
    string(text, "text");
    const checked = checkOptions(options, "encode", ENCODE_CHECKS);
    return runNow(this.#encodingsOf([[text, checked.pair]], checked))[0]!;
  }

  /** Like `encode`, in slices of a few milliseconds between which the event loop turns. */
  async encodeAsync(text: string, options?: EncodeAsyncOptions): Promise<Encoding> {
    string(text, "text");
    const checked = checkOptions(options, "encodeAsync", ENCODE_ASYNC_CHECKS);
    return (await runInSlices(this.#encodingsOf([[text, checked.pair]], checked), checked.signal))[0]!;
  }

  /** Encodes several texts or pairs, in slices like `encodeAsync`. */
  async encodeBatch(
    texts: readonly (string | readonly [string, string])[],
    options?: EncodeBatchOptions,
  ): Promise<Encoding[]> {
    if (!Array.isArray(texts)) throw expected("an array of strings or pairs of strings", "texts", texts);
    const checked = checkOptions(options, "encodeBatch", ENCODE_BATCH_CHECKS);
    const inputs = Array.from(texts, (text, i) => textOrPair(text, `texts[${i}]`));
    return runInSlices(this.#encodingsOf(inputs, checked), checked.signal);
  }

  /** The text of token ids. Ids that no token has are left out. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    const checked = checkOptions(options, "decode", DECODE_CHECKS);
    const checkedIds = integers(0, 2 ** 31 - 1, "token ids")(ids, "ids");
    const tokens: string[] = [];
    for (const id of checkedIds) {
      const token = this.idToToken(id);
      const skipped = checked.skipSpecialTokens === true && this.#added.byId.get(id)?.special === true;
      if (token !== undefined && !skipped) tokens.push(token);
    }
    const text = this.#parts.decoder.decode(tokens).join("");
    return (checked.cleanUpSpaces ?? this.#parts.config.cleanUpSpaces ?? false) ? cleanUp(text) : text;
  }

  /** Decodes tokens as they come, without ever giving half a character. */
  createStream(options?: TokenStreamOptions): TokenStream {
    const { skipSpecialTokens = false } = checkOptions(options, "createStream", STREAM_CHECKS);
    const source = {
      joinsBytes: this.#parts.decoder instanceof ByteLevelDecoder,
      idToToken: (id: number) => this.idToToken(id),
      isSpecial: (id: number) => this.#added.byId.get(id)?.special === true,
      decode: (ids: readonly number[]) => this.decode(ids, { cleanUpSpaces: false }),
    };
    return new TokenStream(source, skipSpecialTokens);
  }

  /** The id of a token as the vocabulary writes it, or undefined. */
  tokenToId(token: string): number | undefined {
    string(token, "token");
    const added = this.#added.byContent.get(token);
    if (added !== undefined) return added.id;
    const id = this.#parts.pipeline.model.vocabulary.idOf(token);
    return id < 0 ? undefined : id;
  }

  /** The token of an id as the vocabulary writes it, or undefined. */
  idToToken(id: number): string | undefined {
    return this.#added.byId.get(id)?.content ?? this.#parts.pipeline.model.vocabulary.tokenOf(id);
  }

  /**
   * What each token adds to the bytes of a text, by id: nothing for special ones. Undefined where a text is more than
   * its tokens' bytes put together.
   *
   * @internal
   */
  async textBytes(): Promise<Uint8Array[] | undefined> {
    if (!(this.#parts.decoder instanceof ByteLevelDecoder)) return undefined;
    return runInSlices(this.#textBytes());
  }

  *#textBytes(): Steps<Uint8Array[]> {
    const tokens: Uint8Array[] = [];
    for (let id = 0; id < this.vocabSize; id++) {
      const token = this.#added.byId.get(id)?.special === true ? "" : this.idToToken(id);
      tokens.push(tokenBytes(token ?? ""));
      if (id % 64 === 0) yield;
    }
    return tokens;
  }

  /** Special tokens a text or pair gets. */
  countSpecialTokens(isPair = false): number {
    return countSpecial(templateFor(this.#parts.postProcessing, isPair, true));
  }

  *#encodingsOf(inputs: readonly (readonly [string, string?])[], options: LayoutOptions): Steps<Encoding[]> {
    const layouts: Layout[] = [];
    for (const input of inputs) {
      layouts.push(yield* this.#layoutOf(input, options));
      yield;
    }
    const encodings: Encoding[] = [];
    for (const layout of this.#pad(layouts, options)) {
      encodings.push(new Encoding(layout, yield* layout.ids()));
      yield;
    }
    return encodings;
  }

  *#layoutOf([text, pair]: readonly [string, string?], options: LayoutOptions): Steps<Layout> {
    const { maxLength, stride = 0, truncation = "longest_first", addSpecialTokens = true } = options;
    const template = templateFor(this.#parts.postProcessing, pair !== undefined, addSpecialTokens);
    const special = countSpecial(template);
    const room = checkRoom(maxLength, special, stride);

    const sequences = [yield* this.#sequenceOf(text)];
    if (pair !== undefined) sequences.push(yield* this.#sequenceOf(pair));
    const lengths = sequences.map((sequence) => sequence.length);
    const kept = room === undefined ? lengths : shareRoom(lengths, room, special, truncation);

    const { trimOffsets, addPrefixSpace } = this.#parts.postProcessing;
    return new Layout({
      names: this.#names,
      template,
      sequences,
      windows: lengths.map((length, i) => windowsOf(length, kept[i]!, stride)),
      trimming: trimOffsets ? { addPrefixSpace } : undefined,
      padTo: 0,
      padId: 0,
    });
  }

  *#sequenceOf(text: string): Steps<TokenSequence> {
    const sink = this.#spareSinks.pop() ?? new TokenSink();
    sink.reset();
    yield* this.#pipeline.encode(text, sink);
    const sequence = sink.finish(text);
    if (this.#spareSinks.length < 4) this.#spareSinks.push(sink);
    return sequence;
  }

  #pad(layouts: Layout[], options: LayoutOptions): Layout[] {
    const { padding = "none", maxLength } = options;
    if (padding === "none") return layouts;
    if (padding === "max_length" && maxLength === undefined) {
      throw new InvalidArgumentError(
        'Expected maxLength together with padding "max_length" but received none',
        {
          name: "maxLength",
        },
      );
    }
    const padId = this.specialIds.pad;
    if (padId === undefined) {
      throw new InvalidArgumentError("This tokenizer has no padding token, so padding is not possible", {
        name: "padding",
      });
    }
    const padTo = padding === "max_length" ? maxLength! : Math.max(...layouts.map((layout) => layout.length));
    return layouts.map((layout) => layout.padded(padTo, padId));
  }

  #spacesOf(id: number): TokenSpaces {
    let spaces = this.#spaces.get(id);
    if (spaces === undefined) {
      spaces = spacesOf(this.idToToken(id) ?? "");
      this.#spaces.set(id, spaces);
    }
    return spaces;
  }

  #findSpecialIds(): SpecialIds {
    const named = this.#parts.config.specialTokens;
    const model = this.#parts.pipeline.model;
    const candidates: Record<SpecialRole, readonly (string | undefined)[]> = {
      cls: ["[CLS]", "<s>"],
      sep: ["[SEP]", "</s>"],
      mask: ["[MASK]", "<mask>"],
      pad: ["[PAD]", "<pad>"],
      unk: [model.unknownToken, "[UNK]", "<unk>"],
      bos: ["<s>", "<|endoftext|>"],
      eos: ["</s>", "<|endoftext|>"],
    };
    const idOf = (role: SpecialRole): number | undefined => {
      if (named[role] !== undefined) return this.tokenToId(named[role]);
      const content = candidates[role].find(
        (token) => token !== undefined && this.#added.byContent.has(token),
      );
      return content === undefined ? undefined : this.tokenToId(content);
    };
    return Object.fromEntries(SPECIAL_ROLES.map((role) => [role, idOf(role)])) as SpecialIds;
  }
}

function* loadText(json: string | Uint8Array): Steps<TokenizerParts> {
  const bytes =
    typeof json === "string"
      ? yield* encodeUtf8InSteps(json)
      : Buffer.from(json.buffer, json.byteOffset, json.length);
  return yield* loadTokenizerJson(bytes, NO_CONFIG);
}

interface LayoutOptions {
  addSpecialTokens?: boolean;
  maxLength?: number;
  truncation?: TruncationStrategy;
  stride?: number;
  padding?: "none" | "longest" | "max_length";
}

/** Tokens that fit besides the special ones; undefined when there is no limit. */
function checkRoom(maxLength: number | undefined, special: number, stride: number): number | undefined {
  if (maxLength === undefined) return undefined;
  if (maxLength < special) {
    throw expected(`at least ${special}, the number of special tokens,`, "maxLength", maxLength);
  }
  if (stride > 0 && stride >= maxLength - special) {
    throw expected(
      `less than ${maxLength - special}, the tokens that fit besides special ones,`,
      "stride",
      stride,
    );
  }
  return maxLength - special;
}
