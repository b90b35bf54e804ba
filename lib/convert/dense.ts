/** The `Dense` modules of a sentence-transformers folder: linear layers that a pooled vector goes through. */
import { ModelFileError, UnsupportedError } from "../errors.js";
import type { DenseActivation } from "../gguf/dense.js";
import type { MetadataItem } from "../gguf/writer.js";
import { Checkpoint } from "./checkpoint.js";
import { JsonFile } from "./json-file.js";
import { TensorMapper, type MappedTensor } from "./tensor-mapper.js";

export interface DenseModule {
  folder: string;
  from: number;
  to: number;
  bias: boolean;
  activation: DenseActivation;
}

/** Modules and their weights, open. Close the checkpoints when done. */
export interface DenseModules {
  checkpoints: Checkpoint[];
  tensors: MappedTensor[];
  metadata: MetadataItem[];
}

/** PyTorch's classes of activations, without the path before the name. */
const ACTIVATIONS: Readonly<Record<string, DenseActivation>> = {
  Identity: "none",
  Tanh: "tanh",
  ReLU: "relu",
  GELU: "gelu",
  SiLU: "silu",
};
const MAX_SIZE = 2 ** 20;

export async function readDenseModule(folder: string): Promise<DenseModule> {
  const file = await JsonFile.read(folder, "config.json");
  const input = file.value["module_input_name"] ?? "sentence_embedding";
  if (input !== "sentence_embedding") throw unsupported(file, "module_input_name", input);
  // The module's own default.
  const stated = file.value["activation_function"] ?? "torch.nn.modules.activation.Tanh";
  const name = String(stated).split(".").at(-1)!;
  if (!Object.hasOwn(ACTIVATIONS, name)) throw unsupported(file, "activation_function", stated);
  return {
    folder,
    from: file.integer("in_features", 1, MAX_SIZE),
    to: file.integer("out_features", 1, MAX_SIZE),
    bias: file.boolean("bias", true),
    activation: ACTIVATIONS[name]!,
  };
}

function unsupported({ path }: JsonFile, field: string, value: unknown): UnsupportedError {
  const what = `Dense with ${field} ${JSON.stringify(value)}`;
  return new UnsupportedError(`${what} is not computed (${path})`, { path, field, value });
}

/**
 * Finds the weights of modules that begin with vectors of `size` values. The file names them by the module's place, as
 * llama.cpp does: 0 is the transformer.
 */
export async function openDenseModules(modules: readonly DenseModule[], size: number): Promise<DenseModules> {
  checkSizes(modules, size);
  const opened: DenseModules = { checkpoints: [], tensors: [], metadata: [] };
  if (modules.length === 0) return opened;
  try {
    for (const [i, { folder, from, to, bias }] of modules.entries()) {
      const checkpoint = await Checkpoint.open(folder);
      opened.checkpoints.push(checkpoint);
      const mapper = new TensorMapper(checkpoint, [""]);
      mapper.map("linear.weight", `dense_${2 + i}.weight`, [to, from]);
      if (bias) mapper.map("linear.bias", `dense_${2 + i}.bias`, [to]);
      mapper.finish(false);
      opened.tensors.push(...mapper.mapped);
    }
  } catch (error) {
    for (const checkpoint of opened.checkpoints) await checkpoint.close();
    throw error;
  }
  const value = modules.map(({ activation }) => activation);
  const key = "sentence_transformers.dense_activations";
  opened.metadata.push({ key, type: "array", itemType: "string", value });
  return opened;
}

/** Each module takes what the one before it gives. */
function checkSizes(modules: readonly DenseModule[], size: number): void {
  for (const { folder: path, from, to } of modules) {
    if (from !== size) {
      const message = `Expected ${size} for in_features but found ${from} (${path})`;
      throw new ModelFileError(message, { path, field: "in_features" });
    }
    size = to;
  }
}
