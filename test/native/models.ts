/**
 * Models with random weights for the engine alone: a file that holds nothing but tensor data, the table that
 * says where each tensor lies, and the values as the reference reads them (after quantization).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCudaAddon } from "../../lib/cuda-addon.js";
import {
  loadNativeModel,
  native,
  runTask,
  type Activation,
  type BertHyperparameters,
  type Gpt2Hyperparameters,
  type GptNeoxHyperparameters,
  type ModelSpec,
  type NativeLoadOptions,
  type NativeModel,
  type TensorEntry,
  type TensorType,
} from "../../lib/native.js";
import type { ReferenceTensor } from "../reference/arithmetic.js";
import { gaussian, random } from "../support/random.js";

export interface ModelOptions {
  seed?: number;
  /** Type of the matrices, or of each by name; vectors are F32. Default: F32. */
  type?: TensorType | ((name: string) => TensorType);
  L?: number;
  H?: number;
  A?: number;
  F?: number;
  V?: number;
  context?: number;
  activation?: Activation;
  /** One matrix for queries, keys and values. Default: false for BERT, true for GPT-2. */
  fused?: boolean;
  /** Whether the head shares the token embedding. Default: true. */
  tied?: boolean;
  /** Standard deviation of the matrices: attention and logits are far from uniform. Default: 2 / sqrt(H). */
  std?: number;
  epsilon?: number;
}

export interface BertOptions extends ModelOptions {
  /** Default: tanh. */
  poolerActivation?: Activation;
  segments?: number;
  /** The pooler and every head. Default: true. */
  heads?: boolean;
  /** Labels of the sequence classifier. Default: 3; that of tokens has two more. */
  labels?: number;
}

export interface Gpt2Options extends ModelOptions {
  /** Heads of keys and values. Default: A. */
  keyValueHeads?: number;
  scaleAttention?: boolean;
  scaleAttentionByInverseLayer?: boolean;
}

/** A tensor before it is written. */
interface Draft {
  name: string;
  shape: number[];
  type: TensorType;
  data: Float32Array;
}

export interface TestModel<P> {
  spec: ModelSpec & { hyperparameters: P };
  /** What the file holds, as numbers. */
  weights: Map<string, ReferenceTensor>;
}

export async function randomBert(
  folder: string,
  options: BertOptions = {},
): Promise<TestModel<BertHyperparameters>> {
  const { L = 2, H = 32, A = 4, F = 2 * H, V = 101, context = 32, segments = 2, heads = true } = options;
  const make = maker(options, H);
  const drafts = [
    make.matrix("token_embd", H, V),
    make.matrix("position_embd", H, context),
    ...(segments > 0 ? [make.matrix("token_types", H, segments)] : []),
    ...make.norm("token_embd_norm", H),
  ];
  for (let i = 0; i < L; i++) {
    const block = `blk.${i}`;
    drafts.push(...make.projections(block, H, options.fused ?? false));
    drafts.push(...make.linear(`${block}.attn_output`, H, H), ...make.norm(`${block}.attn_output_norm`, H));
    drafts.push(...make.linear(`${block}.ffn_up`, H, F), ...make.linear(`${block}.ffn_down`, F, H));
    drafts.push(...make.norm(`${block}.layer_output_norm`, H));
  }
  if (heads) {
    drafts.push(...make.linear("cls", H, H), ...make.linear("nsp", H, 2));
    drafts.push(...make.linear("mlm.transform", H, H), ...make.norm("mlm.transform_norm", H));
    drafts.push(make.vector("mlm.output.bias", V, 0));
    if (!(options.tied ?? true)) drafts.push(make.matrix("mlm.output", H, V));
    const labels = options.labels ?? 3;
    drafts.push(...make.linear("cls.output", H, labels), ...make.linear("token_cls", H, labels + 2));
    drafts.push(...make.linear("qa", H, 2));
  }
  const hyperparameters = {
    vocabSize: V,
    contextLength: context,
    embeddingLength: H,
    feedForwardLength: F,
    blockCount: L,
    headCount: A,
    layerNormEpsilon: options.epsilon ?? 1e-12,
    segmentCount: segments,
    activation: options.activation ?? "gelu",
    poolerActivation: options.poolerActivation ?? "tanh",
  };
  return write(folder, "bert", hyperparameters, drafts);
}

export async function randomGpt2(
  folder: string,
  options: Gpt2Options = {},
): Promise<TestModel<Gpt2Hyperparameters>> {
  const { L = 2, H = 32, A = 4, F = 2 * H, V = 101, context = 32, keyValueHeads = A } = options;
  const make = maker(options, H);
  const drafts = [make.matrix("token_embd", H, V), make.matrix("position_embd", H, context)];
  for (let i = 0; i < L; i++) {
    const block = `blk.${i}`;
    drafts.push(...make.norm(`${block}.attn_norm`, H));
    drafts.push(...make.projections(block, H, options.fused ?? true, (H / A) * keyValueHeads));
    drafts.push(...make.linear(`${block}.attn_output`, H, H), ...make.norm(`${block}.ffn_norm`, H));
    drafts.push(...make.linear(`${block}.ffn_up`, H, F), ...make.linear(`${block}.ffn_down`, F, H));
  }
  drafts.push(...make.norm("output_norm", H));
  if (!(options.tied ?? true)) drafts.push(make.matrix("output", H, V));
  const hyperparameters = {
    vocabSize: V,
    contextLength: context,
    embeddingLength: H,
    feedForwardLength: F,
    blockCount: L,
    headCount: A,
    keyValueHeadCount: keyValueHeads,
    layerNormEpsilon: options.epsilon ?? 1e-5,
    activation: options.activation ?? "gelu_new",
    scaleAttention: options.scaleAttention ?? true,
    scaleAttentionByInverseLayer: options.scaleAttentionByInverseLayer ?? false,
  };
  return write(folder, "gpt2", hyperparameters, drafts);
}

export interface GptNeoxOptions extends ModelOptions {
  /** Values of each head that are rotated. Default: half of them. */
  rotated?: number;
  /** Default: true. */
  parallel?: boolean;
}

export async function randomGptNeox(
  folder: string,
  options: GptNeoxOptions = {},
): Promise<TestModel<GptNeoxHyperparameters>> {
  const { L = 2, H = 32, A = 4, F = 2 * H, V = 101, context = 32, tied = false } = options;
  const make = maker(options, H);
  const drafts = [make.matrix("token_embd", H, V), ...make.norm("output_norm", H)];
  for (let i = 0; i < L; i++) {
    const block = `blk.${i}`;
    drafts.push(...make.norm(`${block}.attn_norm`, H), ...make.projections(block, H, true));
    drafts.push(...make.linear(`${block}.attn_output`, H, H), ...make.norm(`${block}.ffn_norm`, H));
    drafts.push(...make.linear(`${block}.ffn_up`, H, F), ...make.linear(`${block}.ffn_down`, F, H));
  }
  if (!tied) drafts.push(make.matrix("output", H, V));
  const hyperparameters = {
    vocabSize: V,
    contextLength: context,
    embeddingLength: H,
    feedForwardLength: F,
    blockCount: L,
    headCount: A,
    layerNormEpsilon: options.epsilon ?? 1e-5,
    activation: options.activation ?? "gelu",
    parallelResidual: options.parallel ?? true,
    ropeDimensions: options.rotated ?? H / A / 2,
    ropeBase: 10_000,
  };
  return write(folder, "gptneox", hyperparameters, drafts);
}

function maker(options: ModelOptions, H: number) {
  const normal = gaussian(random(options.seed ?? 1));
  const type = options.type ?? "F32";
  const std = options.std ?? 2 / Math.sqrt(H);
  const values = (count: number, mean: number, deviation: number) =>
    Float32Array.from({ length: count }, () => mean + deviation * normal());
  const matrix = (name: string, width: number, rows: number): Draft => ({
    name: `${name}.weight`,
    shape: [width, rows],
    type: typeof type === "function" ? type(`${name}.weight`) : type,
    data: values(width * rows, 0, std),
  });
  const vector = (name: string, size: number, mean: number): Draft => ({
    name,
    shape: [size],
    type: "F32",
    data: values(size, mean, 0.1),
  });
  const linear = (name: string, width: number, rows: number) => [
    matrix(name, width, rows),
    vector(`${name}.bias`, rows, 0),
  ];
  const norm = (name: string, size: number) => [
    vector(`${name}.weight`, size, 1),
    vector(`${name}.bias`, size, 0),
  ];
  const projections = (block: string, size: number, fused: boolean, shared = size) =>
    fused
      ? linear(`${block}.attn_qkv`, size, size + 2 * shared)
      : ["q", "k", "v"].flatMap((part) =>
          linear(`${block}.attn_${part}`, size, part === "q" ? size : shared),
        );
  return { matrix, vector, linear, norm, projections };
}

let files = 0;

async function write<P extends BertHyperparameters | Gpt2Hyperparameters | GptNeoxHyperparameters>(
  folder: string,
  architecture: ModelSpec["architecture"],
  hyperparameters: P,
  drafts: readonly Draft[],
): Promise<TestModel<P>> {
  const tensors: TensorEntry[] = [];
  const weights = new Map<string, ReferenceTensor>();
  // Something before the first tensor, as in a real file.
  const chunks: Uint8Array[] = [new Uint8Array(64)];
  let offset = 64;
  for (const { name, shape, type, data } of drafts) {
    const bytes = await encode(type, data, shape[0]!);
    tensors.push({ name, type, shape, offset });
    const values = await runTask(() => native().dequantizeRows(type, bytes, shape[0]!));
    weights.set(name, { shape, data: Float64Array.from(values) });
    const padding = (32 - (bytes.length % 32)) % 32;
    chunks.push(bytes, new Uint8Array(padding));
    offset += bytes.length + padding;
  }
  const path = join(folder, `${architecture}-${++files}.weights`);
  writeFileSync(path, Buffer.concat(chunks));
  return { spec: { path, architecture, hyperparameters, tensors }, weights };
}

async function encode(type: TensorType, data: Float32Array, width: number): Promise<Uint8Array> {
  if (type === "F32") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return runTask(() => native().quantizeRows(type, data, width));
}

/**
 * The two lowerings of a graph on the CPU, the second in memory that is handled as a GPU's, and a device of this
 * machine.
 */
export type Lowering = "fused" | "generic" | "discrete" | "device";

/** A device to run tests on instead of the processor, for example `"cuda"`. */
export const TEST_DEVICE = process.env["GGML_TRANSFORMERS_TEST_DEVICE"];

/** Those to test: the plain operations do not depend on the instruction set that is chosen. */
export const LOWERINGS: readonly Lowering[] = lowerings();

function lowerings(): Lowering[] {
  if (TEST_DEVICE) return ["device"];
  return process.env["GGML_TRANSFORMERS_ISA"] ? ["fused"] : ["fused", "generic", "discrete"];
}

/** What results may be off by: on a GPU, which rounds factors of products, more than here. */
export function tolerance(here: number): number {
  return TEST_DEVICE ? Math.max(here, 1e-3) : here;
}

/**
 * Numbers of threads whose results are compared. GGML's own threads spin while they wait for each other: more
 * of them than cores, on a busy machine, take minutes for what takes milliseconds.
 */
export const THREADS: Record<Lowering, readonly number[]> = {
  fused: [1, 2, 3],
  generic: [1, 2],
  discrete: [1, 1],
  device: [1, 1],
};

export function loadNative(
  spec: ModelSpec,
  options: Partial<NativeLoadOptions> & { lowering?: Lowering } = {},
): Promise<NativeModel> {
  const { lowering = TEST_DEVICE ? "device" : "fused", ...rest } = options;
  const modes = { generic: lowering === "generic", discrete: lowering === "discrete" };
  const device = lowering === "device" ? TEST_DEVICE! : "cpu";
  const addon = device.startsWith("cuda") ? findCudaAddon().path : undefined;
  // What memory is used has nothing to do with threads, and one does not spin.
  const threads = lowering === "discrete" ? 1 : 2;
  return loadNativeModel(addon, spec, { device, threads, maxMemory: 0, ...rest, ...modes });
}

/** Loads, works, disposes. */
export async function withModel<T>(
  spec: ModelSpec,
  options: Parameters<typeof loadNative>[1],
  work: (model: NativeModel) => Promise<T>,
): Promise<T> {
  const model = await loadNative(spec, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}
