/** The Metaspace pre-tokenizer: words as SentencePiece has them, each with a mark in the place of the space before it. */
import { AlignedText } from "./aligned-text.js";
import { IntList } from "./int-list.js";
import { PieceWriter, type PieceRewriter, type Pieces } from "./pre-tokenizers.js";
import type { Steps } from "./time-slices.js";

/** Which pieces get a mark before them when they do not begin with one: all, or that at the text's beginning. */
export type PrependScheme = "always" | "first" | "never";

const SPACE = 0x20;

/** Spaces become a mark, and pieces begin with marks. */
export class Metaspace implements PieceRewriter {
  private readonly mark: readonly number[];

  /** `mark`: one character. */
  constructor(
    mark: string,
    private readonly prepend: PrependScheme,
    private readonly splits: boolean,
  ) {
    this.mark = Array.from({ length: mark.length }, (_, i) => mark.charCodeAt(i));
  }

  *rewrite(text: AlignedText, pieces: Pieces): Steps<[AlignedText, Pieces]> {
    const output = new AlignedText(text.length + this.mark.length * (pieces.length / 2), text.origin);
    output.align();
    const found = new IntList();
    for (let i = 0; i < pieces.length; i += 2) {
      const from = pieces[i]!;
      const begin = output.length;
      if (this.prepends(text, from)) this.pushMark(output, text.startOf(from), text.endOf(from));
      const writer = new PieceWriter("MergedWithNext", found);
      yield* this.copy(text, from, pieces[i + 1]!, begin, output, writer);
      if (!this.splits) {
        found.push(begin);
        found.push(output.length);
      }
      if (i % 256 === 0) yield;
    }
    return [output, found.view()];
  }

  /** Copies a piece, of which the units from `begin` on are the first of the output. */
  private *copy(
    text: AlignedText,
    from: number,
    to: number,
    begin: number,
    output: AlignedText,
    writer: PieceWriter,
  ): Steps<void> {
    const { mark, splits } = this;
    /** End of the stretch that is written. */
    let written = begin;
    const isMarked = output.length > begin;
    if (splits && isMarked) writer.add(begin, (written = output.length), true);
    for (let i = from; i < to;) {
      const isSpace = text.units[i] === SPACE;
      const isMark = isSpace || this.isMarkAt(text, i, to);
      if (isMark && splits) writer.add(written, output.length, false);
      const at = output.length;
      if (isSpace) {
        this.pushMark(output, text.startOf(i), text.endOf(i));
        i++;
      } else {
        const next = isMark ? i + mark.length : i + 1;
        output.appendFrom(text, i, next);
        i = next;
      }
      if (isMark && splits) writer.add(at, (written = output.length), true);
      if (i % 2048 === 0) yield;
    }
    if (splits) writer.add(written, output.length, false);
  }

  private prepends(text: AlignedText, from: number): boolean {
    if (this.prepend === "never" || (this.prepend === "first" && text.startOf(from) !== 0)) return false;
    return text.units[from] !== SPACE && !this.isMarkAt(text, from, text.length);
  }

  private isMarkAt(text: AlignedText, at: number, to: number): boolean {
    const { mark } = this;
    if (text.units[at] !== mark[0]) return false;
    return mark.length === 1 || (at + 1 < to && text.units[at + 1] === mark[1]);
  }

  private pushMark(output: AlignedText, start: number, end: number): void {
    output.reserve(this.mark.length);
    for (const unit of this.mark) output.push(unit, start, end);
  }
}
