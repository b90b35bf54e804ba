/** Numbers per token: its id, where it begins and ends in the source (UTF-16 units), its word. */
export const TOKEN_STRIDE = 4;
export const TOKEN_ID = 0;
export const TOKEN_START = 1;
export const TOKEN_END = 2;
export const TOKEN_WORD = 3;

/** Tokens per block: growing never copies more than one. A power of two. */
const BLOCK_BITS = 14;
const BLOCK_TOKENS = 1 << BLOCK_BITS;

/** All the tokens of one text. */
export class TokenSequence {
  constructor(
    readonly source: string,
    /** Number of tokens. */
    readonly length: number,
    private readonly blocks: readonly Int32Array[],
  ) {}

  /** One of the numbers of token `i`. */
  get(i: number, which: number): number {
    return this.blocks[i >> BLOCK_BITS]![(i & (BLOCK_TOKENS - 1)) * TOKEN_STRIDE + which]!;
  }
}

/** Tokens of a text as they are found. Used again for the next text. */
export class TokenSink {
  /** Words so far: the pieces of the pre-tokenizer and added tokens, in order. */
  wordCount = 0;
  /** Full blocks. */
  private blocks: Int32Array[] = [];
  /** The block that is being filled. */
  private block = new Int32Array(256 * TOKEN_STRIDE);
  /** Next number in `block`. */
  private at = 0;

  /** Number of tokens so far. */
  get length(): number {
    return this.blocks.length * BLOCK_TOKENS + this.at / TOKEN_STRIDE;
  }

  reset(): void {
    this.blocks = [];
    this.at = 0;
    this.wordCount = 0;
  }

  push(id: number, start: number, end: number, word: number): void {
    if (this.at === this.block.length) this.makeRoom();
    const { block, at } = this;
    block[at] = id;
    block[at + TOKEN_START] = start;
    block[at + TOKEN_END] = end;
    block[at + TOKEN_WORD] = word;
    this.at = at + TOKEN_STRIDE;
  }

  private makeRoom(): void {
    if (this.block.length < BLOCK_TOKENS * TOKEN_STRIDE) {
      const larger = new Int32Array(this.block.length * 2);
      larger.set(this.block);
      this.block = larger;
      return;
    }
    this.blocks.push(this.block);
    this.block = new Int32Array(BLOCK_TOKENS * TOKEN_STRIDE);
    this.at = 0;
  }

  /** The tokens so far. Full blocks are handed over, the last is copied. */
  finish(source: string): TokenSequence {
    const { length } = this;
    const blocks = [...this.blocks, this.block.slice(0, this.at)];
    return new TokenSequence(source, length, blocks);
  }
}
