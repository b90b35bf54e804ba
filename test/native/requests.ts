/** Short forms of requests to the engine. */
import {
  runTask,
  type EncodeRequest,
  type EncodeResult,
  type GenerateRequest,
  type GenerateResult,
  type NativeModel,
  type SamplingOptions,
} from "../../lib/native.js";
import { integer } from "../support/random.js";

/** Random token ids. */
export function randomIds(next: () => number, length: number, V: number): Int32Array {
  return Int32Array.from({ length }, () => integer(next, V));
}

/** Sequences laid end to end. */
export function ragged(sequences: readonly Int32Array[]): Pick<EncodeRequest, "ids" | "lengths"> {
  const lengths = Int32Array.from(sequences, (ids) => ids.length);
  const ids = new Int32Array(lengths.reduce((a, b) => a + b, 0));
  let at = 0;
  for (const sequence of sequences) {
    ids.set(sequence, at);
    at += sequence.length;
  }
  return { ids, lengths };
}

export function encode(model: NativeModel, request: EncodeRequest): Promise<EncodeResult> {
  return runTask(() => model.encode(request));
}

export function logits(model: NativeModel, ids: Int32Array): Promise<Float32Array> {
  return runTask(() => model.logits(ids));
}

const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1, seed: 0 };

/** Greedy, without stop tokens, with log-probabilities, unless `options` says otherwise. */
export function generateRequest(
  ids: ArrayLike<number>,
  maxTokens: number,
  options: Partial<Omit<GenerateRequest, "sampling">> & { sampling?: Partial<SamplingOptions> } = {},
): GenerateRequest {
  const { sampling, ...rest } = options;
  return {
    ids: Int32Array.from(ids),
    maxTokens,
    stopIds: new Int32Array(0),
    logprobs: true,
    ...rest,
    sampling: { ...GREEDY, ...sampling },
  };
}

export function generate(
  model: NativeModel,
  ...args: Parameters<typeof generateRequest>
): Promise<GenerateResult> {
  return runTask(() => model.generate(generateRequest(...args)));
}
