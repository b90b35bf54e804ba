/** How the tokens of one or two texts, special tokens and padding lie in an encoding. */
import type { AddedToken } from "./added-tokens.js";
import { SPACE_CHARACTER } from "./byte-alphabet.js";
import type { TemplatePiece } from "./post-processing.js";
import { TOKEN_END, TOKEN_ID, TOKEN_START, TOKEN_WORD, type TokenSequence } from "./token-sink.js";
import { runNow, type Steps } from "./time-slices.js";
import type { TokenWindow } from "./truncation.js";
import { propertiesOf, WHITESPACE } from "./unicode.js";

/** What a layout needs to know of the tokenizer. */
export interface TokenNames {
  idToToken(id: number): string | undefined;
  addedToken(id: number): AddedToken | undefined;
  /** Spaces at the ends of the token. */
  spaces(id: number): TokenSpaces;
}

export interface Trimming {
  addPrefixSpace: boolean;
}

export interface LayoutParts {
  names: TokenNames;
  template: readonly TemplatePiece[];
  sequences: readonly TokenSequence[];
  /** Per sequence, its windows: the first is kept, the others overflow. */
  windows: readonly (readonly TokenWindow[])[];
  /** Offsets lose the spaces of byte-level tokens. */
  trimming: Trimming | undefined;
  /** Padding on the right up to so many tokens, with this id. */
  padTo: number;
  padId: number;
}

export class Layout {
  /** Tokens without padding. */
  private readonly used: number;
  /** Tokens with padding. */
  readonly length: number;
  readonly truncated: number;

  /** `choice`: which window of each sequence is here. */
  constructor(
    private readonly parts: LayoutParts,
    private readonly choice: readonly number[] = parts.sequences.map(() => 0),
  ) {
    this.used = parts.template.reduce((n, piece) => {
      if (piece.kind === "special") return n + 1;
      const { from, to } = this.window(piece.sequence);
      return n + to - from;
    }, 0);
    this.length = Math.max(this.used, parts.padTo);
    this.truncated = parts.sequences.reduce((n, sequence, i) => {
      const { from, to } = this.window(i);
      return n + sequence.length - (to - from);
    }, 0);
  }

  /** The same with padding. */
  padded(padTo: number, padId: number): Layout {
    return new Layout({ ...this.parts, padTo, padId }, this.choice);
  }

  private window(sequence: number): TokenWindow {
    return this.parts.windows[sequence]![this.choice[sequence]!]!;
  }

  /** Calls one function per piece with the index of its first token. */
  private walk(
    onSpecial: (piece: TemplatePiece & { kind: "special" }, at: number) => void,
    onSequence: (
      sequence: TokenSequence,
      window: TokenWindow,
      at: number,
      piece: TemplatePiece & { kind: "sequence" },
    ) => void,
  ): void {
    let at = 0;
    for (const piece of this.parts.template) {
      if (piece.kind === "special") {
        onSpecial(piece, at++);
      } else {
        const window = this.window(piece.sequence);
        onSequence(this.parts.sequences[piece.sequence]!, window, at, piece);
        at += window.to - window.from;
      }
    }
  }

  /** Ids in steps: a long text may have millions. */
  *ids(): Steps<Int32Array> {
    const ids = new Int32Array(this.length);
    let at = 0;
    for (const piece of this.parts.template) {
      if (piece.kind === "special") {
        ids[at++] = piece.id;
        continue;
      }
      const sequence = this.parts.sequences[piece.sequence]!;
      const { from, to } = this.window(piece.sequence);
      for (let i = from; i < to; i++) {
        ids[at++] = sequence.get(i, TOKEN_ID);
        if (i % 65_536 === 65_535) yield;
      }
    }
    if (this.length > this.used) ids.fill(this.parts.padId, this.used);
    return ids;
  }

  typeIds(): Int32Array {
    const typeIds = new Int32Array(this.length);
    this.walk(
      (piece, at) => (typeIds[at] = piece.typeId),
      (_, { from, to }, at, piece) => typeIds.fill(piece.typeId, at, at + to - from),
    );
    return typeIds;
  }

  offsets(): Int32Array {
    const offsets = new Int32Array(this.length * 2);
    const { trimming } = this.parts;
    this.walk(
      () => {},
      (sequence, { from, to }, at) => {
        for (let i = from; i < to; i++) {
          const k = 2 * (at + i - from);
          offsets[k] = sequence.get(i, TOKEN_START);
          offsets[k + 1] = sequence.get(i, TOKEN_END);
          if (trimming) this.trim(sequence, i, i === from, offsets, k);
        }
      },
    );
    return offsets;
  }

  wordIds(): Int32Array {
    const wordIds = new Int32Array(this.length).fill(-1);
    this.walk(
      () => {},
      (sequence, { from, to }, at) => {
        for (let i = from; i < to; i++) wordIds[at + i - from] = sequence.get(i, TOKEN_WORD);
      },
    );
    return wordIds;
  }

  specialTokensMask(): Uint8Array {
    const mask = new Uint8Array(this.length).fill(1);
    this.walk(
      () => {},
      (_, { from, to }, at) => mask.fill(0, at, at + to - from),
    );
    return mask;
  }

  attentionMask(): Uint8Array {
    return new Uint8Array(this.length).fill(1, 0, this.used);
  }

  sequenceIds(): Int8Array {
    const ids = new Int8Array(this.length).fill(-1);
    this.walk(
      () => {},
      (_, { from, to }, at, piece) => ids.fill(piece.sequence, at, at + to - from),
    );
    return ids;
  }

  tokens(): string[] {
    return Array.from(runNow(this.ids()), (id) => this.parts.names.idToToken(id) ?? "");
  }

  /** The layouts of the other windows, in the reference's order. */
  overflowing(): Layout[] {
    // Choices so far, the first all zeros: each sequence of the template multiplies them by its windows.
    let choices: number[][] = [[]];
    const seen: number[] = [];
    for (const piece of this.parts.template) {
      if (piece.kind !== "sequence" || seen.includes(piece.sequence)) continue;
      seen.push(piece.sequence);
      const windows = this.parts.windows[piece.sequence]!;
      const others = windows.slice(1).map((_, i) => i + 1);
      const [main, ...rest] = choices;
      choices = [
        [...main!, 0],
        ...rest.flatMap((choice) => [0, ...others].map((w) => choice.concat(w))),
        ...others.map((w) => main!.concat(w)),
      ];
    }
    return choices.slice(1).map((choice) => {
      const bySequence = this.parts.sequences.map((_, i) => choice[seen.indexOf(i)] ?? 0);
      return new Layout(this.parts, bySequence);
    });
  }

  /**
   * Takes the spaces of token `i` out of its offsets at `k`, as the reference's ByteLevel and RobertaProcessing do:
   * by counting the token's own spaces, also where one was put there by `addPrefixSpace` in the middle of a text.
   */
  private trim(sequence: TokenSequence, i: number, isFirst: boolean, offsets: Int32Array, k: number): void {
    const { source } = sequence;
    const { names, trimming } = this.parts;
    const id = sequence.get(i, TOKEN_ID);
    const added = names.addedToken(id);
    // An added token that took white space has that of the text.
    const taken = added?.lstrip || added?.rstrip;
    const spaces = taken ? spacesOf(source.slice(offsets[k], offsets[k + 1])) : names.spaces(id);
    if (spaces.leading > 0) {
      const kept = trimming!.addPrefixSpace && spaces.leading === 1 && (isFirst || offsets[k] === 0);
      offsets[k] = Math.min(advance(source, offsets[k]!, kept ? 0 : spaces.leading), offsets[k + 1]!);
    }
    if (spaces.trailing > 0) {
      const end = retreat(source, offsets[k + 1]!, spaces.trailing);
      if (end >= 0) offsets[k + 1] = Math.max(end, offsets[k]!);
    }
  }
}

/** Spaces at the ends of a token, in code points. */
export interface TokenSpaces {
  leading: number;
  trailing: number;
}

/** Counts white space and the space of the byte alphabet. */
export function spacesOf(token: string): TokenSpaces {
  let leading = 0;
  while (leading < token.length && isSpace(token, leading)) leading++;
  let trailing = 0;
  while (trailing < token.length && isSpace(token, token.length - 1 - trailing)) trailing++;
  return { leading, trailing };
}

function isSpace(token: string, i: number): boolean {
  return token[i] === SPACE_CHARACTER || (propertiesOf(token.charCodeAt(i)) & WHITESPACE) !== 0;
}

/** `count` code points further, or the end. */
function advance(text: string, at: number, count: number): number {
  for (; count > 0 && at < text.length; count--) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

/** `count` code points back, or -1 when there are fewer. */
function retreat(text: string, at: number, count: number): number {
  for (; count > 0; count--) {
    if (at <= 0) return -1;
    const low = text.charCodeAt(at - 1);
    const isPair = (low & 0xfc00) === 0xdc00 && at >= 2 && text.codePointAt(at - 2)! > 0xffff;
    at -= isPair ? 2 : 1;
  }
  return at;
}
