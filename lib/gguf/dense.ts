/** Linear layers that a pooled vector goes through: sentence-transformers' `Dense` modules. */
import type { Activation } from "../native.js";
import type { ModelSource } from "./model-keys.js";

const ACTIVATIONS = ["none", "tanh", "relu", "gelu", "silu"] as const;

/** What is applied to the output of one of them. */
export type DenseActivation = "none" | Extract<Activation, (typeof ACTIVATIONS)[number]>;

/** The layers in the file, in order. */
export interface DenseLayers {
  activations: readonly DenseActivation[];
  /** Values of a vector that has gone through all; H when there are none. */
  dimensions: number;
}

const MAX_LAYERS = 16;

export function readDense({ keys, tensors }: ModelSource, embeddingLength: number): DenseLayers {
  const key = "sentence_transformers.dense_activations";
  const names = keys.optionalStrings(key) ?? [];
  if (names.length > MAX_LAYERS) throw keys.error(key, `at most ${MAX_LAYERS} names`, names);
  let dimensions = embeddingLength;
  const activations = names.map((name, i) => {
    const activation = ACTIVATIONS.find((known) => known === name);
    if (activation === undefined) throw keys.error(key, `some of ${ACTIVATIONS.join(", ")}`, name);
    const layer = `dense_${2 + i}`;
    const [, rows] = tensors.matrix(`${layer}.weight`);
    tensors.require([{ name: `${layer}.weight`, shape: [dimensions, rows] }]);
    tensors.optional([{ name: `${layer}.bias`, shape: [rows] }]);
    dimensions = rows;
    return activation;
  });
  return { activations, dimensions };
}
