/**
 * Post-processors: where special tokens go around one or two sequences, and how offsets are trimmed. Whatever
 * tokenizer.json names is compiled to the same thing, a template for one sequence and one for two.
 */

/** A special token, or one of the sequences. */
export type TemplatePiece =
  | { kind: "special"; id: number; typeId: number }
  | { kind: "sequence"; sequence: 0 | 1; typeId: number };

export interface PostProcessing {
  /** For a text alone. */
  single: readonly TemplatePiece[];
  /** For a pair. */
  pair: readonly TemplatePiece[];
  /** Takes leading and trailing spaces of byte-level tokens out of their offsets. */
  trimOffsets: boolean;
  /** With `trimOffsets`: the pre-tokenizer put a space before the text, which the first token does not lose. */
  addPrefixSpace: boolean;
}

const sequence = (which: 0 | 1, typeId: number): TemplatePiece => ({
  kind: "sequence",
  sequence: which,
  typeId,
});
const special = (id: number, typeId: number): TemplatePiece => ({ kind: "special", id, typeId });

/** No special tokens; the second sequence has type 1. */
export const PLAIN: PostProcessing = {
  single: [sequence(0, 0)],
  pair: [sequence(0, 0), sequence(1, 1)],
  trimOffsets: false,
  addPrefixSpace: false,
};

/** `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, the second part with type 1. */
export function bertProcessing(cls: number, sep: number): PostProcessing {
  const single = [special(cls, 0), sequence(0, 0), special(sep, 0)];
  return { ...PLAIN, single, pair: [...single, sequence(1, 1), special(sep, 1)] };
}

/** `<s> A </s>` and `<s> A </s></s> B </s>`, all with type 0. */
export function robertaProcessing(
  cls: number,
  sep: number,
  trimOffsets: boolean,
  addPrefixSpace: boolean,
): PostProcessing {
  const single = [special(cls, 0), sequence(0, 0), special(sep, 0)];
  const pair = [...single, special(sep, 0), sequence(1, 0), special(sep, 0)];
  return { single, pair, trimOffsets, addPrefixSpace };
}

/** The template for the sequences at hand; without special tokens only the sequences are left. */
export function templateFor(
  processing: PostProcessing,
  isPair: boolean,
  addSpecialTokens: boolean,
): readonly TemplatePiece[] {
  const template = isPair ? processing.pair : processing.single;
  return addSpecialTokens ? template : template.filter((piece) => piece.kind === "sequence");
}

export function countSpecial(template: readonly TemplatePiece[]): number {
  return template.reduce((count, piece) => count + (piece.kind === "special" ? 1 : 0), 0);
}
