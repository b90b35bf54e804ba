/** Pairs the tensors of a checkpoint with those of a GGUF file, until none is left over. */
import { ModelFileError, UnsupportedError } from "../errors.js";
import type { MetadataItem } from "../gguf/writer.js";
import type { ModelSpec } from "../native.js";
import type { Checkpoint } from "./checkpoint.js";
import type { JsonFile } from "./json-file.js";
import type { SourceTensor } from "./safetensors.js";

/** Types of a checkpoint that hold weights. */
const FLOAT_DTYPES = ["F32", "F16", "BF16", "F64"];

/** A tensor of the GGUF file and where its values come from. */
export interface MappedTensor {
  /** Name in the GGUF file. */
  name: string;
  source: SourceTensor;
  checkpoint: Checkpoint;
  /** GGUF's shape: innermost dimension first, after transposing. */
  shape: number[];
  /** The checkpoint has it [in, out]; the file wants rows of `in` values. */
  transpose: boolean;
  /** Which values of the checkpoint's tensor the file has, in its order: pairs of first and end. */
  ranges: readonly (readonly [begin: number, end: number])[];
}

/** What the rest of the conversion needs to know of a mapped checkpoint. */
export interface MappedModel {
  metadata: MetadataItem[];
  vocabSize: number;
  contextLength: number;
  hiddenSize: number;
}

/** How checkpoints of one architecture are converted. */
export interface Architecture {
  /** `general.architecture` of the file. */
  kind: ModelSpec["architecture"];
  /** The classes of the transformers library that are. */
  classes: readonly string[];
  /** The class of a checkpoint that does not name its own, by `model_type`. */
  baseClasses: Readonly<Record<string, string>>;
  /** What may stand before the name of a tensor of the base model, `""` included. */
  prefixes: readonly string[];
  /** Maps the whole checkpoint, which is of class `name`; returns what the file says about the model. */
  map(mapper: TensorMapper, config: JsonFile, name: string): MappedModel;
}

export class TensorMapper {
  readonly mapped: MappedTensor[] = [];
  readonly #checkpoint: Checkpoint;
  /** What may stand before the name of a tensor of the base model, `""` included. */
  readonly #prefixes: readonly string[];
  readonly #used = new Set<string>();

  constructor(checkpoint: Checkpoint, prefixes: readonly string[]) {
    this.#checkpoint = checkpoint;
    this.#prefixes = prefixes;
  }

  /** The tensor of that name, with or without a prefix. */
  find(source: string): SourceTensor | undefined {
    for (const prefix of this.#prefixes) {
      const tensor = this.#checkpoint.get(prefix + source);
      if (tensor !== undefined) return tensor;
    }
    return undefined;
  }

  /** Requires `source` in that shape (PyTorch's: outermost first) and maps it to `name`. */
  map(source: string, name: string, shape: readonly number[], transpose = false): void {
    const tensor = this.#take(source, shape);
    const turned = transpose ? [...shape] : [...shape].reverse();
    const checkpoint = this.#checkpoint;
    const ranges = [[0, tensor.elements]] as const;
    this.mapped.push({ name, source: tensor, checkpoint, shape: turned, transpose, ranges });
  }

  /** Requires `source` as a matrix in that shape and maps all but its first `skip` rows to `name`. */
  mapRowsFrom(skip: number, source: string, name: string, [rows, width]: readonly [number, number]): void {
    const tensor = this.#take(source, [rows, width]);
    this.#pushRanges(tensor, name, [width, rows - skip], [[skip * width, rows * width]]);
  }

  /**
   * `weight` [3 H, H] and `bias` [3 H] of a layer for queries, keys and values, which the checkpoint has head by head:
   * a head's queries, its keys, its values, then the next head's. The file has all queries first, as llama.cpp does.
   */
  interleaved(source: string, name: string, heads: number, H: number, bias = true): void {
    const D = H / heads;
    const ranges = (width: number) =>
      [0, 1, 2].flatMap((part) =>
        Array.from({ length: heads }, (_, head) => {
          const first = (3 * head + part) * D * width;
          return [first, first + D * width] as const;
        }),
      );
    const weight = this.#take(`${source}.weight`, [3 * H, H]);
    this.#pushRanges(weight, `${name}.weight`, [H, 3 * H], ranges(H));
    if (!bias) return;
    this.#pushRanges(this.#take(`${source}.bias`, [3 * H]), `${name}.bias`, [3 * H], ranges(1));
  }

  #pushRanges(source: SourceTensor, name: string, shape: number[], ranges: MappedTensor["ranges"]): void {
    this.mapped.push({ name, source, checkpoint: this.#checkpoint, shape, transpose: false, ranges });
  }

  #take(source: string, shape: readonly number[]): SourceTensor {
    const { path } = this.#checkpoint;
    const tensor = this.find(source);
    if (tensor === undefined) {
      const message = `Expected a tensor ${source} in the checkpoint but there is none (${path})`;
      throw new ModelFileError(message, { path, field: source });
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      const message = `Expected the shape [${shape.join(", ")}] for tensor ${tensor.name}`;
      const found = `found [${tensor.shape.join(", ")}] (${path})`;
      throw new ModelFileError(`${message} but ${found}`, { path, field: tensor.name, shape: tensor.shape });
    }
    if (!FLOAT_DTYPES.includes(tensor.dtype)) {
      const message = `Type ${tensor.dtype} of tensor ${tensor.name} is not converted (${path})`;
      throw new UnsupportedError(message, { path, field: tensor.name, dtype: tensor.dtype });
    }
    this.#used.add(tensor.name);
    return tensor;
  }

  /** `weight` [rows, width] and `bias` [rows] of a linear layer. */
  linear(source: string, name: string, rows: number, width: number): void {
    this.map(`${source}.weight`, `${name}.weight`, [rows, width]);
    this.map(`${source}.bias`, `${name}.bias`, [rows]);
  }

  /** A linear layer as GPT-2 stores it, `weight` [from, to] and `bias` [to]. */
  conv1d(source: string, name: string, from: number, to: number): void {
    this.map(`${source}.weight`, `${name}.weight`, [from, to], true);
    this.map(`${source}.bias`, `${name}.bias`, [to]);
  }

  /** Layer normalization; checkpoints converted from TensorFlow say `gamma` and `beta`. */
  norm(source: string, name: string, size: number): void {
    const old = this.find(`${source}.gamma`) !== undefined;
    this.map(`${source}.${old ? "gamma" : "weight"}`, `${name}.weight`, [size]);
    this.map(`${source}.${old ? "beta" : "bias"}`, `${name}.bias`, [size]);
  }

  /** Accepts tensors that carry no information of their own. */
  ignore(pattern: RegExp): void {
    for (const { name } of this.#checkpoint.tensors) if (pattern.test(name)) this.#used.add(name);
  }

  /** Accepts the tensor of that name, which repeats another. */
  ignoreName(source: string): void {
    const tensor = this.find(source);
    if (tensor !== undefined) this.#used.add(tensor.name);
  }

  /** Refuses tensors that were neither mapped nor ignored: leaving one out would make another model. */
  finish(ignoreUnknown: boolean): void {
    if (ignoreUnknown) return;
    const unknown = [...this.#checkpoint.tensors]
      .map(({ name }) => name)
      .filter((name) => !this.#used.has(name));
    if (unknown.length === 0) return;
    const { path } = this.#checkpoint;
    const shown =
      unknown.slice(0, 5).join(", ") + (unknown.length > 5 ? `, and ${unknown.length - 5} more` : "");
    const message = `Tensors of the checkpoint are unknown: ${shown} (${path}); ignoreUnknown leaves them out`;
    throw new UnsupportedError(message, { path, field: unknown[0], unknown });
  }
}
