/**
 * Long work on the JavaScript thread, done in slices: a generator yields whenever it could stop, and whoever runs it
 * decides whether to.
 */
import { AbortError } from "../errors.js";

/** Milliseconds of work between two visits of the event loop. */
const SLICE_MS = 4;

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

function openSlice(): void {
  if (sliceOpen) return;
  sliceOpen = true;
  sliceStart = performance.now();
  setImmediate(() => (sliceOpen = false)).unref();
}

/** Lets the event loop turn when the current slice is used up. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  openSlice();
  if (performance.now() - sliceStart < SLICE_MS) return;
  await eventLoopTurn();
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

/** Runs in slices of a few milliseconds, letting the event loop turn between them. */
export async function runInSlices<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  for (;;) {
    openSlice();
    while (performance.now() - sliceStart < SLICE_MS) {
      const step = steps.next();
      if (step.done) return step.value;
    }
    await eventLoopTurn();
    if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  }
}
