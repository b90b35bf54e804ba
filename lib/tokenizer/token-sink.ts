/**
 * Tokens of one text as they are found: ids, where they came from in the text, and the word each belongs to.
 * Grows as needed and is used again for the next text.
 */
export class TokenSink {
  length = 0;
  ids: Int32Array;
  /** UTF-16 units into the source. */
  starts: Int32Array;
  ends: Int32Array;
  words: Int32Array;
  /** Words so far: the pieces of the pre-tokenizer and added tokens, in order. */
  wordCount = 0;

  constructor(capacity = 512) {
    this.ids = new Int32Array(capacity);
    this.starts = new Int32Array(capacity);
    this.ends = new Int32Array(capacity);
    this.words = new Int32Array(capacity);
  }

  reset(): void {
    this.length = 0;
    this.wordCount = 0;
  }

  push(id: number, start: number, end: number, word: number): void {
    const at = this.length;
    if (at === this.ids.length) this.grow();
    this.ids[at] = id;
    this.starts[at] = start;
    this.ends[at] = end;
    this.words[at] = word;
    this.length = at + 1;
  }

  private grow(): void {
    const capacity = this.ids.length * 2;
    const larger = (array: Int32Array): Int32Array => {
      const copy = new Int32Array(capacity);
      copy.set(array);
      return copy;
    };
    this.ids = larger(this.ids);
    this.starts = larger(this.starts);
    this.ends = larger(this.ends);
    this.words = larger(this.words);
  }
}
