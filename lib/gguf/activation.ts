/** Names of feed-forward activations, as Hugging Face configurations spell them. */
import type { Activation } from "../native.js";

/**
 * Every name whose function the engine computes to float rounding. Sources: "Gaussian Error Linear Units",
 * Hendrycks and Gimpel 2016 (erf form and tanh form); the activations of the transformers library.
 * `gelu_fast` writes sqrt(2 / pi) with ten digits and `gelu_accurate` factors differently: both are the tanh
 * form to float rounding. `quick_gelu` (a sigmoid) and `gelu_10` (clipped) are other functions.
 */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: "gelu",
  gelu_python: "gelu",
  gelu_new: "gelu_new",
  gelu_pytorch_tanh: "gelu_new",
  gelu_python_tanh: "gelu_new",
  gelu_fast: "gelu_new",
  gelu_accurate: "gelu_new",
  relu: "relu",
  silu: "silu",
  swish: "silu",
  tanh: "tanh",
};

/** The activation of that name, or undefined when the engine does not compute it. */
export function activationByName(name: string): Activation | undefined {
  return Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
}
