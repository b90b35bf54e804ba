/** Growth of a typed array to at least `capacity`, keeping what it holds. */
function grown<A extends Uint16Array | Int32Array>(array: A, capacity: number): A {
  const larger = new (array.constructor as new (length: number) => A)(Math.max(capacity, array.length * 2));
  larger.set(array);
  return larger;
}

const decoder = new TextDecoder("utf-16le", { ignoreBOM: true });

/**
 * Normalized text with the place every UTF-16 unit of it came from.
 *
 * As long as nothing was inserted or removed, unit `i` came from unit `base + i` of the source and no alignment is
 * stored; the first append that breaks this stores one. Both halves of a surrogate pair carry the pair's place.
 */
export class AlignedText {
  units: Uint16Array;
  length = 0;
  /** Source position of unit 0 while `aligned` is false. */
  base = 0;
  /** Whether `starts` and `ends` hold the alignment. */
  aligned = false;
  starts: Int32Array;
  ends: Int32Array;

  /** `origin`: where the stretch of source begins that this text was made from. */
  constructor(
    capacity = 1024,
    readonly origin = 0,
  ) {
    this.units = new Uint16Array(capacity);
    this.starts = new Int32Array(0);
    this.ends = new Int32Array(0);
  }

  /** Empties it; unit 0 will come from `base`. */
  reset(base: number): void {
    this.length = 0;
    this.base = base;
    this.aligned = false;
  }

  /** Makes room for `count` more units. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.units.length) this.units = grown(this.units, needed);
    if (this.aligned && this.starts.length < this.units.length) {
      this.starts = grown(this.starts, this.units.length);
      this.ends = grown(this.ends, this.units.length);
    }
  }

  /** Begins to store the alignment. */
  align(): void {
    if (this.aligned) return;
    this.aligned = true;
    this.reserve(0);
    for (let i = 0; i < this.length; i++) {
      this.starts[i] = this.base + i;
      this.ends[i] = this.base + i + 1;
    }
    for (let i = 1; i < this.length; i++) {
      if (isPair(this.units[i - 1]!, this.units[i]!)) {
        this.starts[i]!--;
        this.ends[i - 1]!++;
      }
    }
  }

  /** Appends one code point that came from source units `start` to `end`. Room for 2 units must be reserved. */
  push(codePoint: number, start: number, end: number): void {
    if (!this.aligned) this.align();
    if (codePoint > 0xffff) {
      this.pushUnit(0xd7c0 + (codePoint >> 10), start, end);
      this.pushUnit(0xdc00 + (codePoint & 0x3ff), start, end);
    } else {
      this.pushUnit(codePoint, start, end);
    }
  }

  /** Appends a code point that came from the source units next in line. Only while `aligned` is false. */
  pushInPlace(codePoint: number): void {
    if (codePoint > 0xffff) {
      this.units[this.length++] = 0xd7c0 + (codePoint >> 10);
      this.units[this.length++] = 0xdc00 + (codePoint & 0x3ff);
    } else {
      this.units[this.length++] = codePoint;
    }
  }

  private pushUnit(unit: number, start: number, end: number): void {
    const at = this.length++;
    this.units[at] = unit;
    this.starts[at] = start;
    this.ends[at] = end;
  }

  /** Appends source text as it is; a lone surrogate becomes U+FFFD. Stays unaligned when it continues the source. */
  appendSource(text: string, from: number, to: number): void {
    this.reserve(to - from);
    if (this.length === 0 && !this.aligned) this.base = from;
    const units = this.units;
    let at = this.length;
    for (let i = from; i < to; i++) {
      let unit = text.charCodeAt(i);
      if ((unit & 0xf800) === 0xd800) {
        if (unit < 0xdc00 && i + 1 < to && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
          units[at++] = unit;
          unit = text.charCodeAt(++i);
        } else {
          unit = 0xfffd;
        }
      }
      units[at++] = unit;
    }
    const first = this.length;
    this.length = at;
    if (this.aligned) this.alignSource(first, from);
  }

  private alignSource(first: number, from: number): void {
    for (let i = first; i < this.length; i++) {
      const source = from + i - first;
      const second = i > first && isPair(this.units[i - 1]!, this.units[i]!);
      this.starts[i] = second ? source - 1 : source;
      this.ends[i] = source + 1;
      if (second) this.ends[i - 1] = source + 1;
    }
  }

  /** Appends units `from` to `to` of another text over the same source. */
  appendFrom(other: AlignedText, from: number, to: number): void {
    this.align();
    this.reserve(to - from);
    for (let i = from; i < to; i++) this.pushUnit(other.units[i]!, other.startOf(i), other.endOf(i));
  }

  /** Forgets the first `count` units. `next`: the source unit that the next append begins with. */
  discard(count: number, next: number): void {
    if (count === 0) return;
    this.units.copyWithin(0, count, this.length);
    if (this.aligned) {
      this.starts.copyWithin(0, count, this.length);
      this.ends.copyWithin(0, count, this.length);
    }
    this.length -= count;
    if (this.aligned) this.unalign(next);
    else this.base += count;
  }

  /** Stops storing the alignment when the little that is left is a stretch of the source, up to `next`. */
  private unalign(next: number): void {
    if (this.length > 256) return;
    const base = next - this.length;
    for (let i = 0; i < this.length; i++) {
      if (this.starts[i] !== base + i || this.ends[i] !== base + i + 1) return;
    }
    this.aligned = false;
    this.base = base;
  }

  /** Where unit `i` begins in the source. */
  startOf(i: number): number {
    if (this.aligned) return this.starts[i]!;
    return this.base + i - (i > 0 && isPair(this.units[i - 1]!, this.units[i]!) ? 1 : 0);
  }

  /** Where unit `i` ends in the source. */
  endOf(i: number): number {
    if (this.aligned) return this.ends[i]!;
    return this.base + i + (i + 1 < this.length && isPair(this.units[i]!, this.units[i + 1]!) ? 2 : 1);
  }

  /** The code point at unit `i`, which is no second half of a pair. */
  codePointAt(i: number): number {
    const unit = this.units[i]!;
    if (i + 1 < this.length && isPair(unit, this.units[i + 1]!)) {
      return ((unit - 0xd800) << 10) + (this.units[i + 1]! - 0xdc00) + 0x10000;
    }
    return unit;
  }

  /** Units `from` to `to`, sharing this text's memory. For reading, while this text stays as it is. */
  view(from: number, to: number): AlignedText {
    const view = new AlignedText(0);
    view.units = this.units.subarray(from, to);
    view.length = to - from;
    view.base = this.base + from;
    view.aligned = this.aligned;
    if (this.aligned) {
      view.starts = this.starts.subarray(from, to);
      view.ends = this.ends.subarray(from, to);
    }
    return view;
  }

  /** Units `from` to `to` as a string. */
  slice(from = 0, to = this.length): string {
    return unitsToString(this.units, from, to);
  }
}

/** UTF-16 units `from` to `to` as a string. */
export function unitsToString(units: Uint16Array, from: number, to: number): string {
  if (to - from < 64) return String.fromCharCode(...units.subarray(from, to));
  return decoder.decode(units.subarray(from, to));
}

/** Whether two UTF-16 units are one code point. */
export function isPair(first: number, second: number): boolean {
  return (first & 0xfc00) === 0xd800 && (second & 0xfc00) === 0xdc00;
}
