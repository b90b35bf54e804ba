/**
 * Byte-pair encoding (Sennrich et al. 2016), over characters or, as in GPT-2 (Radford et al. 2019), over the UTF-8
 * bytes of the text.
 */
import { TokenizerError } from "../errors.js";
import { isPair, type AlignedText } from "./aligned-text.js";
import { BYTE_CHARACTERS, writeUtf8 } from "./byte-alphabet.js";
import { mergeInSteps, mergeShort } from "./bpe-merging.js";
import type { MergeTable } from "./merge-table.js";
import type { Model } from "./model.js";
import { newSymbols, type Symbols } from "./symbols.js";
import type { Steps } from "./time-slices.js";
import type { TokenSink } from "./token-sink.js";
import type { Vocabulary } from "./vocabulary.js";
import { WordCache } from "./word-cache.js";

export interface BpeSettings {
  /** Words are split into UTF-8 bytes, each one character of the vocabulary's byte alphabet. */
  byteLevel: boolean;
  unknownToken: string | undefined;
  /** Unknown characters next to each other become one token. */
  fuseUnknown: boolean;
  /** Unknown characters become tokens `<0x00>` to `<0xFF>` of their bytes. */
  byteFallback: boolean;
  /** A word that is a token is not split. */
  ignoreMerges: boolean;
  /** Before every character of a word but the first. */
  continuingPrefix: string;
  /** After the last character of a word. */
  endOfWordSuffix: string;
}

/** Words up to this many symbols are merged by scanning, longer ones with a heap. */
const SHORT_WORD = 48;

export class Bpe implements Model {
  readonly longWord = 512;
  readonly unknownToken: string | undefined;
  readonly marksContinuations: boolean;
  private readonly unknownId: number;
  private readonly cache = new WordCache();
  /** Ids of the bytes: of the byte alphabet when `byteLevel`, else of byte fallback; -1 when absent. */
  private readonly byteIds: Int32Array;
  /** Symbols of the word at hand. */
  private symbols = newSymbols(4 * this.longWord + 16);
  private readonly bytes = new Uint8Array(4);

  constructor(
    readonly vocabulary: Vocabulary,
    private readonly merges: MergeTable,
    private readonly settings: BpeSettings,
  ) {
    this.unknownToken = settings.unknownToken;
    this.marksContinuations = settings.continuingPrefix !== "";
    this.unknownId = settings.unknownToken === undefined ? -1 : vocabulary.idOf(settings.unknownToken);
    this.byteIds = Int32Array.from({ length: 256 }, (_, byte) =>
      vocabulary.idOf(
        settings.byteLevel
          ? BYTE_CHARACTERS[byte]!
          : `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      ),
    );
  }

  /** The first byte that has no token, or -1. */
  static missingByte(vocabulary: Vocabulary): number {
    return BYTE_CHARACTERS.findIndex((character) => vocabulary.idOf(character) < 0);
  }

  tokenize(text: AlignedText, from: number, to: number, hash: number, sink: TokenSink, word: number): void {
    if (this.cache.replay(text, from, to, hash, sink, word)) return;
    const symbols = this.symbols;
    if (!this.wholeWord(text, from, to, symbols)) {
      this.spell(text, from, to, symbols);
      if (symbols.count <= SHORT_WORD) {
        mergeShort(symbols, this.merges);
      } else {
        const steps = mergeInSteps(symbols, this.merges);
        while (!steps.next().done);
      }
    }
    pushSymbols(symbols, text, from, sink, word);
    this.cache.add(text.units, from, to, hash, symbols, symbols.count);
  }

  *tokenizeLong(text: AlignedText, from: number, to: number, sink: TokenSink, word: number): Steps<void> {
    const symbols = newSymbols(
      (to - from) * (this.settings.byteLevel || this.settings.byteFallback ? 3 : 1) + 16,
    );
    if (!this.wholeWord(text, from, to, symbols)) {
      yield* this.spellInSteps(text, from, to, symbols);
      yield* mergeInSteps(symbols, this.merges);
    }
    for (let i = 0; i < symbols.count; i++) {
      pushSymbol(symbols, i, text, from, sink, word);
      if (i % 4096 === 0) yield;
    }
  }

  /** With `ignoreMerges`, a word of the vocabulary is one token. */
  private wholeWord(text: AlignedText, from: number, to: number, symbols: Symbols): boolean {
    if (!this.settings.ignoreMerges) return false;
    const id = this.vocabulary.idOf(this.spelling(text, from, to));
    if (id < 0) return false;
    symbols.count = 1;
    symbols.ids[0] = id;
    symbols.starts[0] = 0;
    symbols.ends[0] = to - from;
    return true;
  }

  /** The word as the vocabulary writes it. */
  private spelling(text: AlignedText, from: number, to: number): string {
    const word = text.slice(from, to);
    if (!this.settings.byteLevel) return word;
    let spelled = "";
    for (const byte of Buffer.from(word)) spelled += BYTE_CHARACTERS[byte]!;
    return spelled;
  }

  /** The word's characters or bytes, before any merge. */
  private spell(text: AlignedText, from: number, to: number, symbols: Symbols): void {
    symbols.count = 0;
    if (this.settings.byteLevel) this.spellBytes(text, from, from, to, symbols);
    else this.spellCharacters(text, from, from, to, to, symbols);
  }

  private *spellInSteps(text: AlignedText, from: number, to: number, symbols: Symbols): Steps<void> {
    symbols.count = 0;
    let begin = from;
    while (begin < to) {
      let end = Math.min(to, begin + 4096);
      if (end < to && isPair(text.units[end - 1]!, text.units[end]!)) end--;
      if (this.settings.byteLevel) this.spellBytes(text, from, begin, end, symbols);
      else this.spellCharacters(text, from, begin, end, to, symbols);
      begin = end;
      yield;
    }
  }

  private spellBytes(text: AlignedText, word: number, from: number, to: number, symbols: Symbols): void {
    const units = text.units;
    for (let i = from; i < to;) {
      const unit = units[i]!;
      if (unit < 0x80) {
        this.pushByte(unit, i - word, i + 1 - word, symbols);
        i++;
        continue;
      }
      const codePoint = text.codePointAt(i);
      const next = i + (codePoint > 0xffff ? 2 : 1);
      const count = writeUtf8(codePoint, this.bytes);
      for (let b = 0; b < count; b++) this.pushByte(this.bytes[b]!, i - word, next - word, symbols);
      i = next;
    }
  }

  private pushByte(byte: number, start: number, end: number, symbols: Symbols): void {
    const id = this.byteIds[byte]!;
    if (id >= 0) pushNew(symbols, id, start, end);
    else this.pushUnknown(symbols, start, end);
  }

  private spellCharacters(
    text: AlignedText,
    word: number,
    from: number,
    to: number,
    wordEnd: number,
    symbols: Symbols,
  ): void {
    const { continuingPrefix, endOfWordSuffix, byteFallback } = this.settings;
    for (let i = from; i < to;) {
      const codePoint = text.codePointAt(i);
      const next = i + (codePoint > 0xffff ? 2 : 1);
      let character = String.fromCodePoint(codePoint);
      if (i > word) character = continuingPrefix + character;
      if (next === wordEnd) character += endOfWordSuffix;
      const id = this.vocabulary.idOf(character);
      if (id >= 0) pushNew(symbols, id, i - word, next - word);
      else if (!byteFallback || !this.fallBack(codePoint, i - word, next - word, symbols)) {
        this.pushUnknown(symbols, i - word, next - word);
      }
      i = next;
    }
  }

  /** The bytes of a character as tokens, when the vocabulary has them all. */
  private fallBack(codePoint: number, start: number, end: number, symbols: Symbols): boolean {
    const count = writeUtf8(codePoint, this.bytes);
    for (let b = 0; b < count; b++) if (this.byteIds[this.bytes[b]!]! < 0) return false;
    for (let b = 0; b < count; b++) pushNew(symbols, this.byteIds[this.bytes[b]!]!, start, end);
    return true;
  }

  private pushUnknown(symbols: Symbols, start: number, end: number): void {
    if (this.unknownToken === undefined) return;
    if (this.unknownId < 0) {
      const message = `Expected the unknown token ${JSON.stringify(this.unknownToken)} in the vocabulary: a word needs it`;
      throw new TokenizerError(message, { field: "model.unk_token" });
    }
    const last = symbols.count - 1;
    if (this.settings.fuseUnknown && last >= 0 && symbols.ids[last] === this.unknownId)
      symbols.ends[last] = end;
    else pushNew(symbols, this.unknownId, start, end);
  }
}

function pushNew(symbols: Symbols, id: number, start: number, end: number): void {
  const at = symbols.count++;
  symbols.ids[at] = id;
  symbols.starts[at] = start;
  symbols.ends[at] = end;
}

function pushSymbols(symbols: Symbols, text: AlignedText, from: number, sink: TokenSink, word: number): void {
  for (let i = 0; i < symbols.count; i++) pushSymbol(symbols, i, text, from, sink, word);
}

function pushSymbol(
  symbols: Symbols,
  i: number,
  text: AlignedText,
  from: number,
  sink: TokenSink,
  word: number,
): void {
  const start = text.startOf(from + symbols.starts[i]!);
  sink.push(symbols.ids[i]!, start, text.endOf(from + symbols.ends[i]! - 1), word);
}
