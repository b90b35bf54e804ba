import { AbortError } from "./errors.js";

/**
 * Callbacks waiting for a signal, which itself gets one listener however many calls share it: Node warns of a
 * leak at the eleventh.
 */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `callback` when the signal fires, unless the returned function is called before. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {};
  const callbacks = waiting.get(signal) ?? listen(signal);
  // A function of its own, so that the same callback can wait twice.
  const entry = () => callback();
  callbacks.add(entry);
  return () => callbacks.delete(entry);
}

function listen(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>();
  waiting.set(signal, callbacks);
  const fire = () => {
    for (const callback of callbacks) callback();
    callbacks.clear();
  };
  signal.addEventListener("abort", fire, { once: true });
  return callbacks;
}

/** The promise's outcome, or an {@link AbortError} when the signal fires before. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortError(undefined, { cause: signal.reason }));
    if (signal.aborted) abort();
    const forget = onAbort(signal, abort);
    promise.then(resolve, reject).finally(forget);
  });
}
