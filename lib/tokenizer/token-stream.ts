import { tokenBytes } from "./decoders.js";

/** What a stream needs to know of its tokenizer. */
export interface StreamSource {
  /** Whether the decoder puts the bytes of all tokens together, and does nothing else. */
  readonly joinsBytes: boolean;
  idToToken(id: number): string | undefined;
  /** Whether the token is left out by `skipSpecialTokens`. */
  isSpecial(id: number): boolean;
  decode(ids: readonly number[]): string;
}

/** Tokens before that other decoders see again at each push, so that the text joins as it would in one piece. */
const CONTEXT = 8;

/** Tokens that a character can be spread over. */
const LONGEST_CHARACTER = 4;

/**
 * Text from tokens as they come. The parts put together are the text of all tokens; a character that is not complete
 * is held back until it is.
 */
export class TokenStream {
  /** Where the decoder joins bytes: holds those of a character that is not complete. */
  private readonly bytes = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Bytes that the last character lacks; it may be more than the truth when the bytes are not UTF-8. */
  private missing = 0;
  /** Elsewhere: the last tokens whose text is out, and those whose text is held back. */
  private context: number[] = [];
  private pending: number[] = [];

  /** @internal Made by `Tokenizer.createStream`. */
  constructor(
    private readonly source: StreamSource,
    private readonly skipSpecialTokens: boolean,
  ) {}

  /** Whether `end` may have text: what came last begins a character that is not complete. */
  get holds(): boolean {
    return this.missing > 0 || this.pending.length > 0;
  }

  /** The text that the next token completes; empty when it completes none. */
  push(id: number): string {
    const token = this.source.idToToken(id);
    if (token === undefined || (this.skipSpecialTokens && this.source.isSpecial(id))) return "";
    if (this.source.joinsBytes) {
      const bytes = tokenBytes(token);
      for (const byte of bytes) this.missing = missingAfter(byte, this.missing);
      return this.bytes.decode(bytes, { stream: true });
    }
    this.pending.push(id);
    const text = this.pendingText();
    const incomplete = text.endsWith("\ufffd") && this.pending.length < LONGEST_CHARACTER;
    return incomplete ? "" : this.release(text);
  }

  /** The text held back, with U+FFFD for a character that never became complete. The stream can be used again. */
  end(): string {
    const text = this.source.joinsBytes ? this.bytes.decode() : this.release(this.pendingText());
    this.missing = 0;
    this.context = [];
    return text;
  }

  /** What the pending tokens add to the text of those before. */
  private pendingText(): string {
    const before = this.source.decode(this.context);
    return this.source.decode([...this.context, ...this.pending]).slice(before.length);
  }

  private release(text: string): string {
    this.context = [...this.context, ...this.pending].slice(-CONTEXT);
    this.pending = [];
    return text;
  }
}

/** Bytes that the UTF-8 character lacks after `byte`, when it lacked `missing` before. */
function missingAfter(byte: number, missing: number): number {
  if (byte < 0x80) return 0;
  if (byte < 0xc0) return Math.max(0, missing - 1);
  if (byte < 0xe0) return 1;
  return byte < 0xf0 ? 2 : 3;
}
