/** The Hugging Face tokenizers (Rust), and comparison with them. */
import { Tokenizer as Reference, TruncationStrategy } from "@anush008/tokenizers";
import { expect } from "vitest";
import { Tokenizer, type Encoding } from "../../lib/tokenizer/index.js";

export { Reference, TruncationStrategy };

type ReferenceEncoding = Awaited<ReturnType<Reference["encode"]>>;
export type Input = string | [string, string];

/** Both tokenizers from one tokenizer.json. */
export async function bothFrom(definition: object): Promise<[Tokenizer, Reference]> {
  const json = JSON.stringify(definition);
  return [await Tokenizer.fromJson(json), Reference.fromString(json)];
}

/** UTF-16 position of each code point of a text, and of its end; a lone surrogate is one code point. */
function unitPositions(text: string): number[] | undefined {
  // eslint-disable-next-line no-control-regex
  if (/^[\0-\uffff]*$/.test(text) && !/[\ud800-\udfff]/.test(text)) return undefined;
  const positions: number[] = [];
  let at = 0;
  for (const character of text) {
    positions.push(at);
    at += character.length;
  }
  positions.push(at);
  return positions;
}

/** Offsets of the reference, in code points of the text each token came from, as UTF-16 offsets in one list. */
function unitOffsets(encoding: ReferenceEncoding, input: Input): number[] {
  const texts = typeof input === "string" ? [input] : input;
  const positions = texts.map(unitPositions);
  const sequenceIds = texts.length > 1 ? encoding.getSequenceIds() : undefined;
  const flat: number[] = [];
  for (const [i, [start, end]] of encoding.getOffsets().entries()) {
    const own = positions[sequenceIds?.[i] ?? 0];
    flat.push(own ? own[start!]! : start!, own ? own[end!]! : end!);
  }
  return flat;
}

/** Everything an encoding says, as plain values. */
function described(encoding: Encoding): object {
  return {
    ids: Array.from(encoding.ids),
    offsets: Array.from(encoding.offsets),
    wordIds: Array.from(encoding.wordIds),
    typeIds: Array.from(encoding.typeIds),
    specialTokensMask: Array.from(encoding.specialTokensMask),
    sequenceIds: Array.from(encoding.sequenceIds),
    attentionMask: Array.from(encoding.attentionMask),
  };
}

function describedReference(encoding: ReferenceEncoding, input: Input): object {
  return {
    ids: encoding.getIds(),
    offsets: unitOffsets(encoding, input),
    wordIds: encoding.getWordIds().map((id) => id ?? -1),
    typeIds: encoding.getTypeIds(),
    specialTokensMask: encoding.getSpecialTokensMask(),
    sequenceIds: encoding.getSequenceIds().map((id) => id ?? -1),
    attentionMask: encoding.getAttentionMask(),
  };
}

/** Everything equal, overflowing encodings included. */
export function expectSame(encoding: Encoding, reference: ReferenceEncoding, input: Input): void {
  const shown = JSON.stringify(input);
  expect(described(encoding), shown).toEqual(describedReference(reference, input));
  const overflowing = reference.getOverflowing();
  expect(encoding.overflowing.length, shown).toBe(overflowing.length);
  for (const [i, part] of encoding.overflowing.entries()) {
    expect(described(part), `${shown}, overflowing ${i}`).toEqual(describedReference(overflowing[i]!, input));
  }
}

function sameNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Texts compared at a time: the reference works on all its threads. */
const BATCH = 2000;

/**
 * Compares ids and offsets of many texts, and all the rest of every 16th. Returns how many there were; the first text
 * that differs fails the test with both encodings.
 */
export async function compareTexts(
  tokenizer: Tokenizer,
  reference: Reference,
  texts: readonly string[],
): Promise<number> {
  for (let begin = 0; begin < texts.length; begin += BATCH) {
    const batch = texts.slice(begin, begin + BATCH);
    const theirs = await reference.encodeBatch(batch);
    for (const [i, text] of batch.entries()) {
      const ours = tokenizer.encode(text);
      const same =
        i % 16 !== 0 &&
        sameNumbers(ours.ids, theirs[i]!.getIds()) &&
        sameNumbers(ours.offsets, unitOffsets(theirs[i]!, text));
      if (!same) expectSame(ours, theirs[i]!, text);
    }
  }
  return texts.length;
}
