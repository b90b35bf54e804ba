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

  /** @internal Made by `Tokenizer.createStream`. */
  constructor(
    private readonly source: StreamSource,
    private readonly skipSpecialTokens: boolean,
  ) {}

  /** The text that the next token completes; empty when it completes none. */
  push(id: number): string {
    const token = this.source.idToToken(id);
    if (token === undefined || (this.skipSpecialTokens && this.source.isSpecial(id))) return "";
    if (this.source.byteLevel) return this.bytes.decode(tokenBytes(token), { stream: true });
    const before = this.source.decode(this.recent);
    this.recent.push(id);
    const text = this.source.decode(this.recent).slice(before.length);
    if (this.recent.length > CONTEXT) this.recent.shift();
    return text;
  }

  /** The text held back, with U+FFFD for a character that never became complete. The stream can be used again. */
  end(): string {
    this.recent.length = 0;
    return this.source.byteLevel ? this.bytes.decode() : "";
  }
}
