/**
 * WordPiece: greedy longest match from the left, continuations with a prefix. Schuster and Nakajima 2012, as in BERT
 * (Devlin et al. 2019).
 */
import { TokenizerError } from "../errors.js";
import type { AlignedText } from "./aligned-text.js";
import type { Model } from "./model.js";
import type { Steps } from "./time-slices.js";
import type { TokenSink } from "./token-sink.js";
import { newSymbols } from "./symbols.js";
import { HASH_FACTOR, hashUnits, TokenTable, type Vocabulary } from "./vocabulary.js";
import { WordCache } from "./word-cache.js";

export interface WordPieceSettings {
  unknownToken: string;
  /** Before every piece of a word but the first. */
  continuingPrefix: string;
  /** Words with more code points are unknown as a whole. */
  maxCharactersPerWord: number;
}

export class WordPiece implements Model {
  readonly longWord = 4096;
  readonly unknownToken: string;
  readonly marksContinuations: boolean;
  private readonly unknownId: number;
  private readonly maxCharacters: number;
  /** HASH_FACTOR to the power of the index. */
  private readonly powers: Int32Array;
  /** Rolling hash of the word's first i units. */
  private prefixHashes = new Int32Array(256);
  /** Pieces of the word at hand. */
  private pieces = newSymbols(128);
  /** Words of more than one piece. */
  private readonly cache = new WordCache();

  private constructor(
    readonly vocabulary: Vocabulary,
    private readonly continuations: TokenTable,
    settings: WordPieceSettings,
  ) {
    this.unknownToken = settings.unknownToken;
    this.marksContinuations = settings.continuingPrefix !== "";
    this.unknownId = vocabulary.idOf(settings.unknownToken);
    this.maxCharacters = settings.maxCharactersPerWord;
    this.powers = new Int32Array(Math.max(vocabulary.longest, continuations.longest) + 2);
    this.powers[0] = 1;
    for (let i = 1; i < this.powers.length; i++) this.powers[i] = Math.imul(this.powers[i - 1]!, HASH_FACTOR);
  }

  static *build(vocabulary: Vocabulary, settings: WordPieceSettings): Steps<WordPiece> {
    const prefix = settings.continuingPrefix;
    const { units, begins, lengths } = vocabulary.pool;
    const isContinuation = (id: number): boolean => {
      if (lengths[id]! < prefix.length) return false;
      for (let i = 0; i < prefix.length; i++) {
        if (units[begins[id]! + i] !== prefix.charCodeAt(i)) return false;
      }
      return true;
    };
    let count = 0;
    for (let id = 0; id < vocabulary.idLimit; id++) {
      if (isContinuation(id)) count++;
      if (id % 4096 === 0) yield;
    }
    const continuations = new TokenTable(vocabulary.pool, count, prefix.length);
    // From the end, as in the vocabulary: of equal strings the last is found.
    for (let id = vocabulary.idLimit - 1; id >= 0; id--) {
      if (isContinuation(id)) continuations.add(id);
      if (id % 1024 === 0) yield;
    }
    return new WordPiece(vocabulary, continuations, settings);
  }

  tokenize(text: AlignedText, from: number, to: number, hash: number, sink: TokenSink, word: number): void {
    const { units } = text;
    if (to - from > this.maxCharacters && countCodePoints(units, from, to) > this.maxCharacters) {
      this.pushUnknown(text, from, to, sink, word);
      return;
    }
    const whole = this.vocabulary.find(units, from, to, hash);
    if (whole >= 0) {
      sink.push(whole, text.startOf(from), text.endOf(to - 1), word);
      return;
    }
    if (this.cache.replay(text, from, to, hash, sink, word)) return;
    const count = this.split(units, from, to);
    if (count < 0) {
      this.pushUnknown(text, from, to, sink, word);
      return;
    }
    const { ids, starts, ends } = this.pieces;
    for (let i = 0; i < count; i++) {
      sink.push(ids[i]!, text.startOf(from + starts[i]!), text.endOf(from + ends[i]! - 1), word);
    }
    this.cache.add(units, from, to, hash, this.pieces, count);
  }

  *tokenizeLong(text: AlignedText, from: number, to: number, sink: TokenSink, word: number): Steps<void> {
    yield;
    this.tokenize(text, from, to, hashUnits(text.units, from, to), sink, word);
  }

  private pushUnknown(text: AlignedText, from: number, to: number, sink: TokenSink, word: number): void {
    if (this.unknownId < 0) {
      const message = `Expected the unknown token ${JSON.stringify(this.unknownToken)} in the vocabulary: a word needs it`;
      throw new TokenizerError(message, { field: "model.unk_token" });
    }
    sink.push(this.unknownId, text.startOf(from), text.endOf(to - 1), word);
  }

  /** Longest matches of a word, into `pieces`: their number, or -1 when they do not cover it. */
  private split(units: Uint16Array, from: number, to: number): number {
    const hashes = this.hashPrefixes(units, from, to);
    const { powers, pieces } = this;
    let count = 0;
    let begin = from;
    while (begin < to) {
      const table = begin === from ? this.vocabulary.table : this.continuations;
      const beforeHash = hashes[begin - from]!;
      let id = -1;
      let end = Math.min(to, begin + table.longest);
      for (; end > begin; end--) {
        const hash = (hashes[end - from]! - Math.imul(beforeHash, powers[end - begin]!)) | 0;
        id = table.find(units, begin, end, hash);
        if (id >= 0) break;
      }
      if (id < 0) return -1;
      pieces.ids[count] = id;
      pieces.starts[count] = begin - from;
      pieces.ends[count] = end - from;
      count++;
      begin = end;
    }
    return count;
  }

  private hashPrefixes(units: Uint16Array, from: number, to: number): Int32Array {
    const length = to - from;
    if (length >= this.prefixHashes.length) this.prefixHashes = new Int32Array(length * 2);
    if (length > this.pieces.ids.length) this.pieces = newSymbols(length * 2);
    const hashes = this.prefixHashes;
    let hash = 0;
    for (let i = 0; i < length; i++) {
      hash = (Math.imul(hash, HASH_FACTOR) + units[from + i]!) | 0;
      hashes[i + 1] = hash;
    }
    return hashes;
  }
}

function countCodePoints(units: Uint16Array, from: number, to: number): number {
  let count = to - from;
  for (let i = from; i < to; i++) if ((units[i]! & 0xfc00) === 0xdc00) count--;
  return count;
}
