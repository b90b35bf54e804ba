/** A function of the caller's between the model and the choice of a token. */
import type { LogitsExchange } from "./native.js";

/**
 * Changes the logits of the next token in place. `logits` [V] is the same array each time, valid until the
 * function returns, or until the promise it returns resolves. `context` tells what came before.
 */
export type LogitsProcessor = (logits: Float32Array, context: LogitsContext) => void | Promise<void>;

/** What a {@link LogitsProcessor} is told. */
export interface LogitsContext {
  /** The prompt's token ids. */
  readonly prompt: Int32Array;
  /** The new token ids so far. */
  readonly tokens: readonly number[];
  /** Fires when the generation has been ended while the processor is at work. */
  readonly signal: AbortSignal;
}

/** Takes the logits from the engine through the processor and back, unless it fails or the request has ended. */
export async function processLogits(
  processor: LogitsProcessor,
  exchange: LogitsExchange,
  logits: Float32Array,
  context: LogitsContext,
): Promise<void> {
  exchange.read!(logits);
  // Not the functions of a request that is begun meanwhile.
  const { write } = exchange;
  const pending = processor(logits, context);
  if (pending !== undefined) await pending;
  if (!context.signal.aborted) write!(logits);
}
