/**
 * Long work on the JavaScript thread, done in slices: a generator yields whenever it could stop, and whoever runs it
 * decides whether to.
 */
import { AbortError } from "../errors.js";

/** Milliseconds of work between two visits of the event loop. */
const SLICE_MS = 2;

/** Work that may be interrupted at each `yield`. A stretch between two yields stays well under a millisecond. */
export type Steps<T> = Generator<void, T, void>;

/** Runs to the end at once. */
export function runNow<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * The time already used since the event loop last turned. Shared by everything that runs in slices, so that many
 * small pieces of work started together do not add up to a long stall.
 */
let sliceStart = 0;
let sliceOpen = false;

function startSlice(): void {
  sliceStart = performance.now();
  if (sliceOpen) return;
  sliceOpen = true;
  setImmediate(() => (sliceOpen = false)).unref();
}

function isSliceUsed(): boolean {
  if (!sliceOpen) startSlice();
  return performance.now() - sliceStart >= SLICE_MS;
}

/** Who waits for time, in the order of waiting: a short text is not kept waiting by the rest of a long one. */
const waiting: (() => void)[] = [];
let serving = false;

/** Resolves with time left in the slice. */
function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (!serving) void serve();
  });
}

async function serve(): Promise<void> {
  serving = true;
  while (waiting.length > 0) {
    await eventLoopTurn();
    startSlice();
    do {
      waiting.shift()!();
      // Who was resumed works in the microtask before the one that continues here.
      await undefined;
    } while (waiting.length > 0 && !isSliceUsed());
  }
  serving = false;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

/** Lets the event loop turn when the current slice is used up. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  if (!isSliceUsed()) return;
  await nextSlice();
  throwIfAborted(signal);
}

/** Runs in slices of a few milliseconds, letting the event loop turn between them. */
export async function runInSlices<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    throwIfAborted(signal);
    while (!isSliceUsed()) {
      const step = steps.next();
      if (step.done) return step.value;
    }
    await nextSlice();
  }
}
