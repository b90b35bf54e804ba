/** Checks a file's tensors against what an architecture consists of. */
import { ModelFileError, UnsupportedError } from "../errors.js";
import type { GgufFile, GgufTensor } from "./reader.js";
import { isTensorType } from "./types.js";

/** A tensor and its shape, innermost dimension first; `undefined` stands for any size. */
export interface TensorRule {
  name: string;
  shape: readonly (number | undefined)[];
}

/** `weight` [width, rows] and `bias` [rows] of one linear layer. */
export function linear(name: string, width: number, rows: number | undefined): TensorRule[] {
  return [
    { name: `${name}.weight`, shape: [width, rows] },
    { name: `${name}.bias`, shape: [rows] },
  ];
}

/** `weight` [width] and `bias` [width] of one layer normalization. */
export function norm(name: string, width: number): TensorRule[] {
  return [
    { name: `${name}.weight`, shape: [width] },
    { name: `${name}.bias`, shape: [width] },
  ];
}

/** The tensors of one file; each is accounted for by a rule, or the file is refused. */
export class TensorChecker {
  readonly #file: GgufFile;
  readonly #tensors: Map<string, GgufTensor>;
  readonly #known = new Set<string>();

  constructor(file: GgufFile) {
    this.#file = file;
    this.#tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** The shape of a tensor of two dimensions; missing or of another rank is an error. */
  matrix(name: string): [width: number, rows: number] {
    const tensor = this.#find(name);
    if (tensor.shape.length !== 2) throw this.#wrongShape(tensor, "two dimensions");
    return tensor.shape as [number, number];
  }

  /** Requires these tensors, in these shapes. */
  require(rules: Iterable<TensorRule>): void {
    for (const rule of rules) {
      const tensor = this.#find(rule.name);
      if (!matches(tensor.shape, rule.shape)) {
        throw this.#wrongShape(tensor, `the shape [${rule.shape.map((size) => size ?? "any").join(", ")}]`);
      }
      this.#known.add(rule.name);
    }
  }

  /** Requires all of the tensors or none; true when they are there. */
  optional(rules: readonly TensorRule[]): boolean {
    if (!rules.some((rule) => this.has(rule.name))) return false;
    this.require(rules);
    return true;
  }

  /** Refuses tensors no rule has named (ignoring them would compute another model) and types not computed. */
  finish(): void {
    const { path } = this.#file;
    for (const { name, type } of this.#file.tensors) {
      if (!this.#known.has(name)) {
        throw new UnsupportedError(`Tensor ${name} is not part of a model this package computes (${path})`, {
          path,
          field: name,
        });
      }
      if (!isTensorType(type.name)) {
        throw new UnsupportedError(`Type ${type.name} of tensor ${name} is not computed (${path})`, {
          path,
          field: name,
          type: type.name,
        });
      }
    }
  }

  #find(name: string): GgufTensor {
    const tensor = this.#tensors.get(name);
    if (tensor !== undefined) return tensor;
    const { path } = this.#file;
    throw new ModelFileError(`Expected a tensor ${name} but the file has none (${path})`, {
      path,
      field: name,
    });
  }

  #wrongShape(tensor: GgufTensor, expected: string): ModelFileError {
    const { path } = this.#file;
    const message = `Expected ${expected} for tensor ${tensor.name} but found [${tensor.shape.join(", ")}] (${path})`;
    return new ModelFileError(message, { path, field: tensor.name, shape: tensor.shape });
  }
}

/** Dimensions missing at the end are 1. */
function matches(shape: readonly number[], rule: TensorRule["shape"]): boolean {
  for (let i = 0; i < Math.max(shape.length, rule.length); i++) {
    const expected = i < rule.length ? rule[i] : 1;
    if (expected !== undefined && (shape[i] ?? 1) !== expected) return false;
  }
  return true;
}
