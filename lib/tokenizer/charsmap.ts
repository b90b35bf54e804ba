/**
 * SentencePiece's compiled normalization rules: a double-array trie (Darts) from UTF-8 to replacements, as files carry
 * it: the size of the trie in bytes, its units (32 bits, little-endian), then the replacements, each ended by a zero.
 *
 * A unit tells the label by which it is reached (bits 0 to 7, and bit 31, which only values have), whether a value
 * hangs from it (bit 8), and how far its children are (bits 10 to 30, in blocks of 256 when bit 9 is set): the child of
 * the unit at `i` for a byte is at `i ^ offset ^ byte`, the value at `i ^ offset`.
 */
import { TokenizerError } from "../errors.js";
import type { Steps } from "./time-slices.js";

const LABEL = 0x800000ff | 0;
const HAS_VALUE = 1 << 8;
const VALUE = 0x7fffffff;

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
}

/** Keys that begin a string of bytes are looked for from the shortest on: the reference takes the first one. */
export class Charsmap {
  private constructor(
    private readonly units: Int32Array,
    /** Replacements in UTF-8, each ended by a zero. */
    private readonly texts: Buffer,
  ) {}

  /** Reads and checks a compiled map: a lookup will never leave the trie. `field` names it in errors. */
  static *parse(bytes: Buffer, field: string): Steps<Charsmap> {
    const size = bytes.length < 4 ? -1 : bytes.readUInt32LE(0);
    if (size < 4 || size > bytes.length - 4) throw malformed("the size of its trie", field);
    const units = new Int32Array(Math.floor(size / 4));
    for (let i = 0; i < units.length; i++) {
      units[i] = bytes.readInt32LE(4 + i * 4);
      if (i % 16_384 === 16_383) yield;
    }
    // The reference takes the size in whole units, too.
    const texts = bytes.subarray(4 + units.length * 4);
    if (!Buffer.from(texts.toString("utf8")).equals(texts)) throw malformed("replacements in UTF-8", field);
    yield;
    yield* checkTrie(units, texts, field);
    return new Charsmap(units, texts);
  }

  /** Place of the replacement of the shortest key that `length` bytes begin with, or -1. */
  find(bytes: Uint8Array, length: number): number {
    const { units } = this;
    let at = offsetOf(units[0]!);
    for (let i = 0; i < length; i++) {
      const byte = bytes[i]!;
      if (byte === 0) return -1;
      at ^= byte;
      const unit = units[at]!;
      if ((unit & LABEL) !== byte) return -1;
      at ^= offsetOf(unit);
      if ((unit & HAS_VALUE) !== 0) return units[at]! & VALUE;
    }
    return -1;
  }

  /** The replacement at a place that `find` gave. */
  replacementAt(place: number): string {
    const end = this.texts.indexOf(0, place);
    return this.texts.toString("utf8", place, end < 0 ? this.texts.length : end);
  }
}

function malformed(what: string, field: string): TokenizerError {
  return new TokenizerError(`Expected ${what} in ${field} but the map is malformed`, { field });
}

/** States of a block of children; 0 before it is met. */
const OPEN = 1;
const DONE = 2;

/** Every place that a key can lead to lies in the trie, every value among the replacements, and no way goes round. */
function* checkTrie(units: Int32Array, texts: Buffer, field: string): Steps<void> {
  const states = new Uint8Array(units.length);
  /** Blocks of children on the way, each with the next byte to try. */
  const blocks: number[] = [];
  const nextByte: number[] = [];
  const enter = (block: number): void => {
    if ((block | 0xff) >= units.length) throw malformed("children within the trie", field);
    if (states[block] === OPEN) throw malformed("a trie without loops", field);
    if (states[block] === DONE) return;
    states[block] = OPEN;
    blocks.push(block);
    nextByte.push(1);
  };
  enter(offsetOf(units[0]!));
  for (let steps = 1; blocks.length > 0; steps++) {
    if (steps % 4096 === 0) yield;
    const block = blocks.at(-1)!;
    let byte = nextByte.at(-1)!;
    while (byte < 256 && (units[block ^ byte]! & LABEL) !== byte) byte++;
    if (byte === 256) {
      states[block] = DONE;
      blocks.pop();
      nextByte.pop();
      continue;
    }
    nextByte[nextByte.length - 1] = byte + 1;
    const unit = units[block ^ byte]!;
    const child = block ^ byte ^ offsetOf(unit);
    enter(child);
    if ((unit & HAS_VALUE) !== 0) checkValue(units[child]! & VALUE, texts, field);
  }
}

function checkValue(value: number, texts: Buffer, field: string): void {
  // Neither beyond the end nor within a character.
  if (value > texts.length || (value < texts.length && (texts[value]! & 0xc0) === 0x80)) {
    throw malformed("values that lie among the replacements", field);
  }
}
