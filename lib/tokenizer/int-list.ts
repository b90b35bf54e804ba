/** A growing list of 32-bit integers. */
export class IntList {
  length = 0;
  private data = new Int32Array(8);

  push(value: number): void {
    if (this.length === this.data.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = value;
  }

  /** Replaces the last integer. */
  setLast(value: number): void {
    this.data[this.length - 1] = value;
  }

  /** The integers so far; valid until the list grows. */
  view(): Int32Array {
    return this.data.subarray(0, this.length);
  }
}
