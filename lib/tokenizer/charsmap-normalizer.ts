/**
 * The Precompiled normalizer: SentencePiece's rules as the reference applies them. A grapheme cluster of fewer than six
 * bytes that begins with a key becomes that key's replacement as a whole; in any other cluster each code point does so
 * by itself.
 *
 * SentencePiece itself takes the longest key, wherever clusters end; ids and offsets here equal those of the reference.
 */
import { AlignedText } from "./aligned-text.js";
import { writeUtf8 } from "./byte-alphabet.js";
import type { Charsmap } from "./charsmap.js";
import { GraphemeBoundaries } from "./graphemes.js";
import { Transform } from "./normalization-forms.js";
import type { Normalizer } from "./normalizers.js";
import type { Steps } from "./time-slices.js";

/** Clusters of so many bytes and more are not looked up as a whole. */
const LONG_CLUSTER = 6;

/** Below this, apart from a carriage return, no code point is joined by the next one when that is below, too. */
const FIRST_MARK = 0x300;
const CARRIAGE_RETURN = 0x0d;

const UNITS = 0x10000;
/** A fate of 0 is not known yet. */
const KEPT = 1;
/** Added to the number of a replacement. */
const REPLACED = 2;

export class Precompiled implements Normalizer {
  /** What becomes of each UTF-16 unit by itself, found when it is first met. */
  private readonly fates = new Int32Array(UNITS);
  /** Replacements met so far, as code points. */
  private readonly replacements: (readonly number[])[] = [];
  private readonly numbers = new Map<number, number>();
  private readonly bytes = new Uint8Array(4 * LONG_CLUSTER);

  constructor(private readonly charsmap: Charsmap) {}

  *normalize(text: AlignedText): Steps<AlignedText> {
    const unchanged = yield* this.unchangedLength(text);
    if (unchanged === text.length) return text;
    const output = new AlignedText(text.length, text.origin);
    const changes = new Changes(new Transform(text, output));
    const boundaries = new GraphemeBoundaries();
    /** Code points of a cluster that may be short; empty within one that is not. */
    let cluster: number[] = [];
    let size = 0;
    let isLong = true;
    for (let i = 0; i < text.length;) {
      const codePoint = text.codePointAt(i);
      i += codePoint > 0xffff ? 2 : 1;
      if (boundaries.next(codePoint)) {
        if (!isLong) this.emitCluster(cluster, size, changes);
        cluster = [];
        size = 0;
        isLong = false;
      }
      if (isLong) {
        this.emitOne(codePoint, changes);
      } else {
        cluster.push(codePoint);
        size += utf8Length(codePoint);
        if (size >= LONG_CLUSTER) {
          for (const one of cluster) this.emitOne(one, changes);
          isLong = true;
        }
      }
      if (i % 1024 === 0) yield;
    }
    if (!isLong) this.emitCluster(cluster, size, changes);
    changes.finish();
    return output;
  }

  /** Units at the beginning that are clusters by themselves and stay as they are: most often all of them. */
  private *unchangedLength(text: AlignedText): Steps<number> {
    const { units, length } = text;
    for (let i = 0; i < length; i++) {
      const unit = units[i]!;
      if (unit >= FIRST_MARK || unit === CARRIAGE_RETURN) return i;
      if ((this.fates[unit] || this.decide(unit)) !== KEPT) return i;
      if (i % 4096 === 4095) yield;
    }
    return length;
  }

  /** A whole cluster of fewer than six bytes. */
  private emitCluster(cluster: readonly number[], size: number, changes: Changes): void {
    if (cluster.length === 1) return this.emitOne(cluster[0]!, changes);
    let length = 0;
    for (const codePoint of cluster) length += writeUtf8(codePoint, this.bytes.subarray(length));
    const place = this.charsmap.find(this.bytes, size);
    if (place < 0) for (const codePoint of cluster) this.emitOne(codePoint, changes);
    else changes.replace(cluster.length, this.replacements[this.numberOf(place)]!);
  }

  private emitOne(codePoint: number, changes: Changes): void {
    const fate = codePoint < UNITS ? this.fates[codePoint] || this.decide(codePoint) : this.fateOf(codePoint);
    if (fate === KEPT) changes.keep(codePoint);
    else changes.replace(1, this.replacements[fate - REPLACED]!);
  }

  private decide(unit: number): number {
    return (this.fates[unit] = this.fateOf(unit));
  }

  private fateOf(codePoint: number): number {
    const place = this.charsmap.find(this.bytes, writeUtf8(codePoint, this.bytes));
    return place < 0 ? KEPT : REPLACED + this.numberOf(place);
  }

  private numberOf(place: number): number {
    let number = this.numbers.get(place);
    if (number === undefined) {
      number = this.replacements.length;
      this.numbers.set(place, number);
      const text = this.charsmap.replacementAt(place);
      this.replacements.push(Array.from(text, (character) => character.codePointAt(0)!));
    }
    return number;
  }
}

/**
 * Writes replacements with the reference's alignment: code points are replaced one by one, what is left over is
 * inserted after them or counts as removed with the last one. What is removed at the very beginning the reference
 * leaves in place: everything after it is aligned so much too early.
 */
class Changes {
  /** The last code point, whose change is not settled yet; -1 before the first. */
  private last = -1;
  private change = 0;

  constructor(private readonly transform: Transform) {}

  keep(codePoint: number): void {
    this.finish();
    this.last = codePoint;
    this.change = 0;
  }

  /** Puts code points in the place of `count` others. */
  replace(count: number, replacement: readonly number[]): void {
    for (const [i, codePoint] of replacement.entries()) {
      this.keep(codePoint);
      if (i >= count) this.change = 1;
    }
    if (this.last >= 0) this.change -= Math.max(0, count - replacement.length);
  }

  finish(): void {
    if (this.last >= 0) this.transform.emit(this.last, this.change);
  }
}

function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
