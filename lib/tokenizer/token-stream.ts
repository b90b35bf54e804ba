import { tokenBytes } from "./decoders.js";

/** What a stream needs to know of its tokenizer. */
export interface StreamSource {
  readonly byteLevel: boolean;
  idToToken(id: number): string | undefined;
  /** Whether the token is left out by `skipSpecialTokens`. */
  isSpecial(id: number): boolean;
  decode(ids: readonly number[]): string;
}

/** Tokens a stream without bytes decodes again at each push, so that the text joins as it would in one piece. */
const CONTEXT = 8;

/**
 * Text from tokens as they come. The parts put together are the text of all tokens; a character that is not complete
 * is held back until it is.
 */
export class TokenStream {
  /** For byte-level tokens: holds the bytes of a character that is not complete. */
  private readonly bytes = new TextDecoder("utf-8", { ignoreBOM: true });
  private readonly recent: number[] = [];
  /** Bytes that the last character lacks; it may be more than the truth when the bytes are not UTF-8. */
  private missing = 0;

  /** @internal Made by `Tokenizer.createStream`. */
  constructor(
    private readonly source: StreamSource,
    private readonly skipSpecialTokens: boolean,
  ) {}

  /** Whether `end` may have text: the last bytes begin a character that is not complete. */
  get holds(): boolean {
    return this.missing > 0;
  }

  /** The text that the next token completes; empty when it completes none. */
  push(id: number): string {
    const token = this.source.idToToken(id);
    if (token === undefined || (this.skipSpecialTokens && this.source.isSpecial(id))) return "";
    if (this.source.byteLevel) {
      const bytes = tokenBytes(token);
      for (const byte of bytes) this.missing = missingAfter(byte, this.missing);
      return this.bytes.decode(bytes, { stream: true });
    }
    const before = this.source.decode(this.recent);
    this.recent.push(id);
    const text = this.source.decode(this.recent).slice(before.length);
    if (this.recent.length > CONTEXT) this.recent.shift();
    return text;
  }

  /** The text held back, with U+FFFD for a character that never became complete. The stream can be used again. */
  end(): string {
    this.recent.length = 0;
    this.missing = 0;
    return this.source.byteLevel ? this.bytes.decode() : "";
  }
}

/** Bytes that the UTF-8 character lacks after `byte`, when it lacked `missing` before. */
function missingAfter(byte: number, missing: number): number {
  if (byte < 0x80) return 0;
  if (byte < 0xc0) return Math.max(0, missing - 1);
  if (byte < 0xe0) return 1;
  return byte < 0xf0 ? 2 : 3;
}
