/** The parts of generators, for options whose value is another generator. */
import type { GeneratorCore } from "./generator.js";

const cores = new WeakMap<object, GeneratorCore>();

export function rememberCore(generator: object, core: GeneratorCore): void {
  cores.set(generator, core);
}

/** Undefined for anything but a generator. */
export function coreOf(value: object): GeneratorCore | undefined {
  return cores.get(value);
}
