import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyInputs,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask, type EncodeResult } from "../native.js";
import { boolean, checkOptions } from "../options.js";
import type { Tensor } from "../tensor.js";
import { breathe } from "../tokenizer/time-slices.js";
import { requireHead } from "./heads.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.encode}. */
export interface EncodeOptions extends InputOptions {
  /** Return `lastHiddenState`. Default: true. */
  lastHiddenState?: boolean;
  /** Return `poolerOutput`; an {@link UnsupportedError} when true and there is no pooler. Default: when there is. */
  poolerOutput?: boolean;
  /** Return `hiddenStates`: the embedding's and every layer's output. Default: false. */
  hiddenStates?: boolean;
  /** Return `attentions`: every layer's attention probabilities. Default: false. */
  attentions?: boolean;
}

/** What an encoder computes for one input of `S` tokens (`L` layers, `H` hidden, `A` heads). */
export interface EncoderOutput {
  /** Token ids, [S]. */
  readonly ids: Int32Array;
  /** Segment ids, [S]: 0 for the first text, 1 for the second. */
  readonly segmentIds: Int32Array;
  /** The vocabulary's form of each token, [S]. */
  readonly tokens: readonly string[];
  /**
   * Where each token lies in the text it belongs to, [2 S]: token i begins at UTF-16 unit `offsets[2 * i]` and ends
   * before `offsets[2 * i + 1]`; special tokens have 0 and 0. Empty when the input was ids.
   */
  readonly offsets: Int32Array;
  /** Whether tokens were cut off. */
  readonly truncated: boolean;
  /** [S, H]. */
  readonly lastHiddenState?: Tensor;
  /** tanh(W h + b) of the first token's last hidden state h, [H]. */
  readonly poolerOutput?: Float32Array;
  /** `[L + 1, S, H]`: the embedding's output, then each layer's. */
  readonly hiddenStates?: Tensor;
  /** `[L, A, S, S]`: layer, head, query, key. */
  readonly attentions?: Tensor;
}

type Wanted = Required<
  Pick<EncodeOptions, "lastHiddenState" | "poolerOutput" | "hiddenStates" | "attentions">
>;

/** Encodes one input or many; the method's own limit is the context length. */
export async function encode(
  core: EncoderCore,
  inputs: unknown,
  options: unknown,
): Promise<EncoderOutput | EncoderOutput[]> {
  const { info } = core;

  // Arguments
  const { items, isArray } = await oneOrManyInputs(core, inputs);
  const checked = checkOptions(options, "encode", {
    ...inputOptions(core),
    lastHiddenState: boolean,
    poolerOutput: boolean,
    hiddenStates: boolean,
    attentions: boolean,
  });
  const wanted: Wanted = {
    lastHiddenState: checked.lastHiddenState ?? true,
    poolerOutput: checked.poolerOutput ?? info.heads.pooler,
    hiddenStates: checked.hiddenStates ?? false,
    attentions: checked.attentions ?? false,
  };
  if (wanted.poolerOutput) requireHead(core, "pooler", "poolerOutput");
  const policy = lengthPolicy(checked, info.contextLength);

  const outputs = await runBatches<TokenizedInput, EncoderOutput>(
    {
      total: items.length,
      prepare: (begin, end, signal) => tokenizeInputs(core, items.slice(begin, end), begin, policy, signal),
      outputSize: ({ ids }) => outputSize(core, wanted, ids.length),
      async compute(batch, signal) {
        const request = encodeRequest(batch, wanted);
        const result = new ResultReader(await runTask(() => core.model.encode(request), signal));
        const read: EncoderOutput[] = [];
        for (const input of batch) {
          read.push(readOutput(core, input, result, wanted));
          await breathe(signal);
        }
        return read;
      },
    },
    checked,
  );
  return isArray ? outputs : outputs[0]!;
}

/** Numbers returned for a sequence of S tokens. */
function outputSize({ info }: EncoderCore, wanted: Wanted, S: number): number {
  const { embeddingLength: H, blockCount: L, headCount: A } = info;
  return (
    (wanted.lastHiddenState ? S * H : 0) +
    (wanted.poolerOutput ? H : 0) +
    (wanted.hiddenStates ? (L + 1) * S * H : 0) +
    (wanted.attentions ? L * A * S * S : 0)
  );
}

/** Takes the sequences of a batch out of its result, front to back. */
class ResultReader {
  readonly #result: EncodeResult;
  readonly #taken = { lastHiddenState: 0, poolerOutput: 0, hiddenStates: 0, attentions: 0 };

  constructor(result: EncodeResult) {
    this.#result = result;
  }

  take(field: keyof Wanted, size: number): Float32Array {
    const data = this.#result[field]!;
    const start = this.#taken[field];
    this.#taken[field] += size;
    // A batch of one needs no copy; a longer one would be kept alive whole by any of its parts.
    return size === data.length ? data : data.slice(start, start + size);
  }

  tensor(field: keyof Wanted, shape: readonly number[]): Tensor {
    return {
      data: this.take(
        field,
        shape.reduce((size, n) => size * n, 1),
      ),
      shape,
    };
  }
}

function readOutput(
  { info, tokenizer }: EncoderCore,
  { ids, segments, encoding, truncated }: TokenizedInput,
  result: ResultReader,
  wanted: Wanted,
): EncoderOutput {
  const { embeddingLength: H, blockCount: L, headCount: A } = info;
  const S = ids.length;
  return {
    ids,
    segmentIds: segments ?? new Int32Array(S),
    tokens: encoding?.tokens ?? Array.from(ids, (id) => tokenizer.idToToken(id) ?? ""),
    offsets: encoding?.offsets ?? new Int32Array(0),
    truncated,
    ...(wanted.lastHiddenState && { lastHiddenState: result.tensor("lastHiddenState", [S, H]) }),
    ...(wanted.poolerOutput && { poolerOutput: result.take("poolerOutput", H) }),
    ...(wanted.hiddenStates && { hiddenStates: result.tensor("hiddenStates", [L + 1, S, H]) }),
    ...(wanted.attentions && { attentions: result.tensor("attentions", [L, A, S, S]) }),
  };
}
