/**
 * NFD, NFC, NFKD and NFKC with alignment (Unicode Standard Annex 15), as the reference computes both.
 *
 * A form produces code points with a `change`: 1 for a code point that was inserted, 0 for one that takes the place of
 * the next source code point, -n for one that takes the place of the next and stands for n more after it. Source code
 * points are used up in order, also where canonical order has moved the marks.
 */
import type { AlignedText } from "./aligned-text.js";
import type { Steps } from "./time-slices.js";
import {
  canonicalOrder,
  compose,
  decompose,
  hasLowerClass,
  propertiesOf,
  REORDERED,
  type DecompositionForm,
} from "./unicode.js";

/**
 * Marks in a row that are put in order together. Unicode's stream-safe format has 30; more than this is no text, and
 * would hold the event loop.
 */
export const LONGEST_RUN = 1 << 13;

export type NormalizationForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/** Writes changed code points of `input` to `output`, using up the source places of `input` in order. */
export class Transform {
  /** Next unit of `input` not yet used up. */
  private at = 0;

  constructor(
    private readonly input: AlignedText,
    private readonly output: AlignedText,
  ) {}

  emit(codePoint: number, change: number): void {
    const { input, output } = this;
    output.reserve(2);
    if (change > 0) {
      // An inserted code point shares the place of the one before it; at the beginning it has none.
      if (this.at === 0) output.push(codePoint, input.origin, input.origin);
      else output.push(codePoint, input.startOf(this.at - 1), input.endOf(this.at - 1));
      return;
    }
    const start = input.startOf(this.at);
    const end = input.endOf(this.at);
    for (let i = 0; i <= -change; i++) this.skip();
    output.push(codePoint, start, end);
  }

  /** Uses up one code point without output. */
  skip(): void {
    if (this.at < this.input.length) this.at += this.input.codePointAt(this.at) > 0xffff ? 2 : 1;
  }
}

interface Changed {
  codePoint: number;
  change: number;
}

/** Decomposed code points up to the next starter, in canonical order. */
class Decomposer {
  private readonly pending: Changed[] = [];

  constructor(
    private readonly form: DecompositionForm,
    private readonly emit: (item: Changed) => void,
  ) {}

  feed(codePoint: number): void {
    const parts = decompose(codePoint, this.form);
    if (parts === undefined) {
      this.add({ codePoint, change: 0 });
    } else {
      parts.forEach((part, i) => this.add({ codePoint: part, change: i === 0 ? 0 : 1 }));
    }
  }

  private add(item: Changed): void {
    if ((propertiesOf(item.codePoint) & REORDERED) !== 0) {
      if (this.pending.length === LONGEST_RUN) this.flush();
      this.pending.push(item);
      return;
    }
    this.flush();
    this.emit(item);
  }

  flush(): void {
    if (this.pending.length === 1) this.emit(this.pending[0]!);
    else if (this.pending.length > 1) {
      const order = canonicalOrder(this.pending.map((item) => item.codePoint));
      for (const i of order) this.emit(this.pending[i]!);
    }
    this.pending.length = 0;
  }
}

/** Puts decomposed code points together again. */
class Composer {
  private starter: Changed | undefined;
  private readonly marks: Changed[] = [];

  constructor(private readonly emit: (item: Changed) => void) {}

  feed(item: Changed): void {
    const isMark = (propertiesOf(item.codePoint) & REORDERED) !== 0;
    const last = this.marks.at(-1);
    if (this.starter === undefined) {
      if (isMark) this.emit(item);
      else this.starter = item;
      return;
    }
    const blocked = last !== undefined && !(isMark && hasLowerClass(last.codePoint, item.codePoint));
    const composed = blocked ? -1 : compose(this.starter.codePoint, item.codePoint);
    if (composed >= 0) {
      this.starter = { codePoint: composed, change: this.starter.change + item.change - 1 };
    } else if (isMark) {
      this.marks.push(item);
    } else {
      this.flush();
      this.starter = item;
    }
  }

  flush(): void {
    if (this.starter !== undefined) this.emit(this.starter);
    for (const mark of this.marks) this.emit(mark);
    this.starter = undefined;
    this.marks.length = 0;
  }
}

/** Appends the normalized `input` to `output`. */
export function* normalizeTo(input: AlignedText, output: AlignedText, form: NormalizationForm): Steps<void> {
  const transform = new Transform(input, output);
  const write = (item: Changed): void => transform.emit(item.codePoint, item.change);
  const composer = form === "NFC" || form === "NFKC" ? new Composer(write) : undefined;
  const decomposer = new Decomposer(
    form === "NFC" || form === "NFD" ? "NFD" : "NFKD",
    composer ? (item) => composer.feed(item) : write,
  );
  for (let i = 0; i < input.length;) {
    const codePoint = input.codePointAt(i);
    decomposer.feed(codePoint);
    i += codePoint > 0xffff ? 2 : 1;
    if (i % 1024 === 0) yield;
  }
  decomposer.flush();
  composer?.flush();
}
