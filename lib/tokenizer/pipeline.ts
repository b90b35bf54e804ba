/**
 * From text to tokens, in steps: added tokens are cut out, what lies between them is normalized, split into words,
 * and each word into tokens of the model.
 */
import { AddedTokenMatcher, type AddedToken } from "./added-tokens.js";
import { AlignedText } from "./aligned-text.js";
import { isCjk, type BertNormalizer } from "./bert-normalizer.js";
import type { Model } from "./model.js";
import { LONGEST_RUN } from "./normalization-forms.js";
import { prepend, type Normalizer } from "./normalizers.js";
import { splitEach, type PieceRewriter, type Pieces, type PreTokenizer } from "./pre-tokenizers.js";
import { runNow, type Steps } from "./time-slices.js";
import type { TokenSink } from "./token-sink.js";
import { propertiesOf, WHITESPACE } from "./unicode.js";
import { hashUnits } from "./vocabulary.js";
import { ScanState, type WordScanner } from "./word-scanners.js";

/** One step of pre-tokenization: a split, a change of the text, or a space put before every piece that has none. */
export type PreTokenization = PreTokenizer | PieceRewriter | "add-prefix-space";

export interface PipelineParts {
  addedTokens: readonly AddedToken[];
  normalizer: Normalizer | undefined;
  /** The normalizer for text as it comes, when it can be used so; undefined also when there is no normalizer. */
  streamingNormalizer: BertNormalizer | undefined;
  /** Words as they come, in place of `preTokenizations`. */
  scanner: WordScanner | undefined;
  /** With `scanner`: a space is put before text that does not begin with one. */
  addPrefixSpace: boolean;
  preTokenizations: readonly PreTokenization[];
  model: Model;
}

const SPACE = 0x20;

/** Buffers that a long word has made larger are not kept. */
const LARGEST_SPARE = 1 << 16;

export class Pipeline {
  /** Whether text can be worked on as it comes: no stage has to see all of it. */
  private readonly streams: boolean;
  /** Buffers of texts done, to be used again: a text in work has its own. */
  private readonly spare: AlignedText[] = [];

  private constructor(
    private readonly parts: PipelineParts,
    private readonly raw: AddedTokenMatcher,
    private readonly normalized: AddedTokenMatcher,
    /** Whether at least the normalizer can take text as it comes. */
    private readonly streamsNormalizer: boolean,
    private readonly chunk: number,
  ) {
    const { normalizer, scanner, streamingNormalizer } = parts;
    this.streams =
      scanner !== undefined &&
      (normalizer === undefined || (streamingNormalizer !== undefined && normalized.isEmpty));
  }

  /** `chunk`: units of source taken into work at once. Results do not depend on it. */
  static *build(parts: PipelineParts, chunk = 8192): Steps<Pipeline> {
    const { addedTokens, normalizer, streamingNormalizer } = parts;
    // Without a normalizer both kinds match the same text, but in two passes: the raw kind goes first.
    const raw = yield* AddedTokenMatcher.build(
      addedTokens.filter((token) => !token.normalized),
      (token) => token.content,
    );
    let streamsNormalizer = streamingNormalizer !== undefined;
    const normalized = yield* AddedTokenMatcher.build(
      addedTokens.filter((token) => token.normalized),
      (token) => {
        streamsNormalizer &&= isWithoutSpaces(token);
        return normalizedContent(token, normalizer);
      },
    );
    return new Pipeline(parts, raw, normalized, streamsNormalizer, chunk);
  }

  /** Appends the tokens of a text. */
  *encode(text: string, sink: TokenSink): Steps<void> {
    let at = 0;
    for (const match of this.raw.matches(text)) {
      if (match === undefined) {
        yield;
        continue;
      }
      if (match.start > at) yield* this.section(text, at, match.start, sink);
      sink.push(match.token.id, match.start, match.end, sink.wordCount++);
      at = match.end;
      yield;
    }
    if (at < text.length) yield* this.section(text, at, text.length, sink);
  }

  /** Text without raw added tokens. */
  private *section(text: string, from: number, to: number, sink: TokenSink): Steps<void> {
    if (!this.streams) return yield* this.wholeSection(text, from, to, sink);
    let at = from;
    for (const match of this.normalized.matches(text, from, to)) {
      if (match === undefined) {
        yield;
        continue;
      }
      if (match.start > at) yield* this.stream(text, at, match.start, sink);
      sink.push(match.token.id, match.start, match.end, sink.wordCount++);
      at = match.end;
      yield;
    }
    if (at < to) yield* this.stream(text, at, to, sink);
  }

  /** Normalizes and scans text as it comes. */
  private *stream(source: string, from: number, to: number, sink: TokenSink): Steps<void> {
    const { streamingNormalizer, addPrefixSpace } = this.parts;
    const buffer = this.spare.pop() ?? new AlignedText(this.chunk);
    buffer.reset(from);
    const state = new ScanState();
    if (addPrefixSpace && source.charCodeAt(from) !== SPACE) pushPrefixSpace(source, from, to, buffer);
    for (let at = from; at < to;) {
      const end = this.chunkEnd(source, at, to);
      if (streamingNormalizer) streamingNormalizer.append(source, at, end, buffer);
      else buffer.appendSource(source, at, end);
      at = end;
      yield* this.scan(buffer, state, at === to, sink);
      buffer.discard(state.cursor, at);
      state.discarded();
      yield;
    }
    if (this.spare.length < 4 && buffer.units.length <= LARGEST_SPARE) this.spare.push(buffer);
  }

  private chunkEnd(source: string, from: number, to: number): number {
    let end = from + this.chunk;
    if (end >= to) return to;
    const { streamingNormalizer } = this.parts;
    if (streamingNormalizer) {
      const limit = Math.min(to, end + LONGEST_RUN);
      while (end < limit && !streamingNormalizer.isBoundary(source, end)) end++;
      if (end === to) return to;
    }
    return (source.charCodeAt(end) & 0xfc00) === 0xdc00 ? end + 1 : end;
  }

  /** Scans all the words the text has whole. */
  private *scan(text: AlignedText, state: ScanState, final: boolean, sink: TokenSink): Steps<void> {
    const { scanner, model } = this.parts;
    for (;;) {
      const before = state.cursor;
      scanner!.scan(text, state, final, model, sink);
      if (state.longEnd >= 0) {
        yield* model.tokenizeLong(text, state.cursor, state.longEnd, sink, sink.wordCount++);
        state.cursor = state.longEnd;
      } else if (state.cursor === before || state.cursor === text.length) {
        return;
      }
      yield;
    }
  }

  /** All of a section's text, normalized. */
  private *normalizedText(source: string, from: number, to: number): Steps<AlignedText> {
    const { normalizer, streamingNormalizer } = this.parts;
    const text = new AlignedText(to - from, from);
    for (let at = from; at < to;) {
      const end = this.chunkEnd(source, at, to);
      if (this.streamsNormalizer) streamingNormalizer!.append(source, at, end, text);
      else text.appendSource(source, at, end);
      at = end;
      yield;
    }
    if (this.streamsNormalizer || normalizer === undefined) return text;
    return yield* normalizer.normalize(text);
  }

  /** Stages one after the other over the whole text. */
  private *wholeSection(source: string, from: number, to: number, sink: TokenSink): Steps<void> {
    const text = yield* this.normalizedText(source, from, to);
    let at = 0;
    if (!this.normalized.isEmpty) {
      for (const match of this.normalized.matches(text.slice())) {
        if (match === undefined) {
          yield;
          continue;
        }
        if (match.start > at) yield* this.words(text.view(at, match.start), sink);
        const end = text.endOf(match.end - 1);
        sink.push(match.token.id, text.startOf(match.start), end, sink.wordCount++);
        at = match.end;
        yield;
      }
    }
    if (at < text.length) yield* this.words(at === 0 ? text : text.view(at, text.length), sink);
  }

  /** Splits normalized text into words, and those into tokens. */
  private *words(text: AlignedText, sink: TokenSink): Steps<void> {
    const { scanner, addPrefixSpace, preTokenizations } = this.parts;
    if (scanner) {
      const prefixed = addPrefixSpace && text.units[0] !== SPACE ? prepend(text, " ") : text;
      yield* this.scan(prefixed, new ScanState(), true, sink);
      return;
    }
    let pieces: Pieces = Int32Array.of(0, text.length);
    for (const stage of preTokenizations) {
      if (stage === "add-prefix-space") [text, pieces] = yield* addPrefixSpaces(text, pieces);
      else if ("rewrite" in stage) [text, pieces] = yield* stage.rewrite(text, pieces);
      else pieces = yield* splitEach(text, pieces, stage);
    }
    yield* this.tokenizePieces(text, pieces, sink);
  }

  private *tokenizePieces(text: AlignedText, pieces: Pieces, sink: TokenSink): Steps<void> {
    const { model } = this.parts;
    for (let i = 0; i < pieces.length; i += 2) {
      const from = pieces[i]!;
      const to = pieces[i + 1]!;
      const word = sink.wordCount++;
      if (to - from > model.longWord) yield* model.tokenizeLong(text, from, to, sink, word);
      else model.tokenize(text, from, to, hashUnits(text.units, from, to), sink, word);
      if (i % 128 === 0) yield;
    }
  }
}

function normalizedContent(token: AddedToken, normalizer: Normalizer | undefined): string {
  if (normalizer === undefined) return token.content;
  const text = new AlignedText(token.content.length);
  text.appendSource(token.content, 0, token.content.length);
  return runNow(normalizer.normalize(text)).slice();
}

/**
 * Whether a token is found as well in text that lacks the spaces around CJK ideographs, which the streaming normalizer
 * leaves out: it has none itself, and does not look at what is beside it.
 */
function isWithoutSpaces({ content, singleWord, lstrip, rstrip }: AddedToken): boolean {
  const isSpaced = (c: number): boolean => isCjk(c) || (propertiesOf(c) & WHITESPACE) !== 0;
  return !singleWord && !lstrip && !rstrip && !Array.from(content, (c) => c.codePointAt(0)!).some(isSpaced);
}

/** A space in the place of the first code point. */
function pushPrefixSpace(source: string, from: number, to: number, into: AlignedText): void {
  const isPair = from + 1 < to && source.codePointAt(from)! > 0xffff;
  into.reserve(1);
  into.push(SPACE, from, from + (isPair ? 2 : 1));
}

function* addPrefixSpaces(text: AlignedText, pieces: Pieces): Steps<[AlignedText, Pieces]> {
  const output = new AlignedText(text.length + pieces.length / 2, text.origin);
  const moved = new Int32Array(pieces.length);
  for (let i = 0; i < pieces.length; i += 2) {
    const from = pieces[i]!;
    moved[i] = output.length;
    output.align();
    output.reserve(1);
    if (text.units[from] !== SPACE) output.push(SPACE, text.startOf(from), text.endOf(from));
    output.appendFrom(text, from, pieces[i + 1]!);
    moved[i + 1] = output.length;
    if (i % 256 === 0) yield;
  }
  return [output, moved];
}
