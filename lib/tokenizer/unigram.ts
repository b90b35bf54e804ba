/**
 * The unigram language model (Kudo 2018) as SentencePiece has it: of all the ways to split a word into tokens, the one
 * whose scores (logarithms of probabilities) have the largest sum. A character that is no token is unknown, ten below
 * the lowest score; unknown characters next to each other are one token.
 */
import { TokenizerError } from "../errors.js";
import { isPair, type AlignedText } from "./aligned-text.js";
import { writeUtf8 } from "./byte-alphabet.js";
import type { Model } from "./model.js";
import { PieceTrie, unitsOfCodePoint } from "./piece-trie.js";
import { newSymbols } from "./symbols.js";
import type { Steps } from "./time-slices.js";
import type { TokenSink } from "./token-sink.js";
import { hashUnits, type Vocabulary } from "./vocabulary.js";
import { WordCache } from "./word-cache.js";

export interface UnigramSettings {
  /** Token of what the vocabulary cannot spell; without one such text is an error. */
  unknownId: number | undefined;
  /** Unknown characters become tokens `<0x00>` to `<0xFF>` of their bytes, when the vocabulary has them all. */
  byteFallback: boolean;
}

const UNKNOWN_PENALTY = 10;

/** In place of a token that ends somewhere: no way leads there; the best one has an unknown character last. */
const UNREACHED = -1;
const UNKNOWN = -2;

/** Steps through the trie, or tokens, between two yields. */
const WORK_PER_STEP = 8192;

export class Unigram implements Model {
  readonly longWord = 512;
  readonly marksContinuations = false;
  readonly unknownToken: string | undefined;
  private readonly unknownId: number;
  private readonly unknownScore: number;
  /** Ids of the bytes, -1 when absent. */
  private readonly byteIds: Int32Array | undefined;
  private readonly cache = new WordCache();
  private readonly shortWay: Way;
  /** Tokens of the word at hand. */
  private readonly symbols = newSymbols(3 * this.longWord);
  private readonly bytes = new Uint8Array(4);

  private constructor(
    readonly vocabulary: Vocabulary,
    private readonly trie: PieceTrie,
    private readonly scores: Float64Array,
    settings: UnigramSettings,
  ) {
    this.unknownId = settings.unknownId ?? -1;
    this.unknownToken = vocabulary.tokenOf(this.unknownId);
    let lowest = Number.POSITIVE_INFINITY;
    for (let id = 0; id < scores.length; id++) lowest = Math.min(lowest, scores[id]!);
    this.unknownScore = lowest - UNKNOWN_PENALTY;
    this.shortWay = new Way(this.longWord, vocabulary.longest);
    if (settings.byteFallback) this.byteIds = byteIdsOf(vocabulary);
  }

  /** `scores`: one finite number per id. */
  static *build(vocabulary: Vocabulary, scores: Float64Array, settings: UnigramSettings): Steps<Unigram> {
    return new Unigram(vocabulary, yield* PieceTrie.build(vocabulary), scores, settings);
  }

  tokenize(text: AlignedText, from: number, to: number, hash: number, sink: TokenSink, word: number): void {
    if (this.cache.replay(text, from, to, hash, sink, word)) return;
    const { shortWay: way, symbols } = this;
    const length = to - from;
    way.reset(length);
    for (let at = 0; at < length;) at = this.search(text.units, from, to, at, way);
    for (let at = length; at > 0;) at = this.stepBack(text.units, from, at, way);

    symbols.count = 0;
    const push = (id: number, start: number, end: number): void => {
      const i = symbols.count++;
      symbols.ids[i] = id;
      symbols.starts[i] = start;
      symbols.ends[i] = end;
      sink.push(id, text.startOf(from + start), text.endOf(from + end - 1), word);
    };
    for (let at = 0; at < length;) {
      let end = way.next[at]!;
      const id = way.last[end]!;
      if (this.isUnknown(id)) {
        while (end < length && this.isUnknown(way.last[way.next[end]!]!)) end = way.next[end]!;
        const steps = this.pushUnknown(text.units, from, at, end, push);
        while (!steps.next().done);
      } else {
        push(id, at, end);
      }
      at = end;
    }
    this.cache.add(text.units, from, to, hash, symbols, symbols.count);
  }

  *tokenizeLong(text: AlignedText, from: number, to: number, sink: TokenSink, word: number): Steps<void> {
    const { units } = text;
    const length = to - from;
    const way = new Way(length, this.vocabulary.longest);
    yield;
    for (let at = 0; at < length;) {
      at = this.search(units, from, to, at, way);
      yield;
    }
    let work = 0;
    for (let at = length; at > 0;) {
      at = this.stepBack(units, from, at, way);
      if (++work % WORK_PER_STEP === 0) yield;
    }
    const push = (id: number, start: number, end: number): void =>
      sink.push(id, text.startOf(from + start), text.endOf(from + end - 1), word);
    for (let at = 0; at < length;) {
      let end = way.next[at]!;
      const id = way.last[end]!;
      if (this.isUnknown(id)) {
        while (end < length && this.isUnknown(way.last[way.next[end]!]!)) {
          end = way.next[end]!;
          if (++work % WORK_PER_STEP === 0) yield;
        }
        yield* this.pushUnknown(units, from, at, end, push);
      } else {
        push(id, at, end);
      }
      at = end;
      if (++work % WORK_PER_STEP === 0) yield;
    }
  }

  private isUnknown(id: number): boolean {
    return id === UNKNOWN || id === this.unknownId;
  }

  /** Extends the ways that end at `at` and a little after; returns where to go on. */
  private search(units: Uint16Array, from: number, to: number, at: number, way: Way): number {
    const { trie, scores } = this;
    const { last, sums, mask } = way;
    const length = to - from;
    for (let work = 0; at < length && work < WORK_PER_STEP; work++) {
      const sum = sums[at & mask]!;
      const next = at + unitsOfCodePoint(units, from + at, to);
      let isKnown = false;
      let node = 0;
      for (let i = at; i < length; work++) {
        node = trie.child(node, units[from + i]!);
        if (node === 0) break;
        i++;
        const id = trie.tokenAt(node);
        if (id < 0) continue;
        if (i === next) isKnown = true;
        const candidate = scores[id]! + sum;
        if (last[i] !== UNREACHED && candidate <= sums[i & mask]!) continue;
        sums[i & mask] = candidate;
        last[i] = id;
      }
      if (!isKnown) this.extendUnknown(units, from + at, next, sum, way);
      at = next;
    }
    return at;
  }

  private extendUnknown(units: Uint16Array, at: number, next: number, sum: number, way: Way): void {
    const candidate = this.unknownScore + sum;
    if (way.last[next] !== UNREACHED && candidate <= way.sums[next & way.mask]!) return;
    if (this.unknownId < 0) {
      const character = `U+${units[at]!.toString(16).toUpperCase().padStart(4, "0")}`;
      const message = `Expected an unknown token in the vocabulary: the text has ${character}, which is no token`;
      throw new TokenizerError(message, { field: "model.unk_id" });
    }
    way.sums[next & way.mask] = candidate;
    way.last[next] = UNKNOWN;
  }

  /** Notes in `way.next` how the best way comes to `at`; returns where it comes from. */
  private stepBack(units: Uint16Array, from: number, at: number, way: Way): number {
    const id = way.last[at]!;
    let length = 1;
    if (id !== UNKNOWN) length = this.vocabulary.pool.lengths[id]!;
    else if (at >= 2 && isPair(units[from + at - 2]!, units[from + at - 1]!)) length = 2;
    way.next[at - length] = at;
    return at - length;
  }

  /** One token for a run of unknown characters: perhaps the run is in the vocabulary, perhaps its bytes are. */
  private *pushUnknown(
    units: Uint16Array,
    from: number,
    start: number,
    end: number,
    push: (id: number, start: number, end: number) => void,
  ): Steps<void> {
    const id = this.wholeId(units, from + start, from + end);
    if (id >= 0) return push(id, start, end);
    if (this.byteIds === undefined || !(yield* this.eachByte(units, from + start, from + end, () => {}))) {
      return push(this.unknownId, start, end);
    }
    yield* this.eachByte(units, from + start, from + end, (byteId) => push(byteId, start, end));
  }

  private wholeId(units: Uint16Array, from: number, to: number): number {
    if (to - from > this.vocabulary.longest) return -1;
    return this.vocabulary.find(units, from, to, hashUnits(units, from, to));
  }

  /** Calls `visit` with the tokens of all bytes; stops and returns false at one that has none. */
  private *eachByte(
    units: Uint16Array,
    from: number,
    to: number,
    visit: (id: number) => void,
  ): Generator<void, boolean, void> {
    for (let i = from; i < to;) {
      const count = unitsOfCodePoint(units, i, to);
      const low = units[i + 1]!;
      const codePoint = count === 1 ? units[i]! : ((units[i]! - 0xd800) << 10) + (low - 0xdc00) + 0x10000;
      const bytes = writeUtf8(codePoint, this.bytes);
      for (let b = 0; b < bytes; b++) {
        const id = this.byteIds![this.bytes[b]!]!;
        if (id < 0) return false;
        visit(id);
      }
      i += count;
      if (i % WORK_PER_STEP === 0) yield;
    }
    return true;
  }
}

/** The best ways from the beginning of a word to each of its units. */
class Way {
  /** The last token of the way to each unit. */
  readonly last: Int32Array;
  /** The sum of its scores, kept only as far as a token reaches: of unit `i` at `i & mask`. */
  readonly sums: Float64Array;
  readonly mask: number;
  /** On the best way to the end, where each unit is followed by the next. */
  readonly next: Int32Array;

  constructor(length: number, longestToken: number) {
    let size = 16;
    while (size < longestToken + 2) size *= 2;
    this.last = new Int32Array(length + 1).fill(UNREACHED);
    this.next = new Int32Array(length + 1);
    this.sums = new Float64Array(size);
    this.mask = size - 1;
  }

  /** Makes ready for a word of so many units. */
  reset(length: number): void {
    this.last.fill(UNREACHED, 0, length + 1);
    this.sums[0] = 0;
  }
}

function byteIdsOf(vocabulary: Vocabulary): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) =>
    vocabulary.idOf(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
}
