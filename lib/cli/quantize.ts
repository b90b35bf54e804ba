import type { Command } from "commander";
import { quantize, type QuantizeOptions } from "../quantize.js";
import { addExamples, addJsonOption, type JsonOption } from "./command-options.js";
import type { Cli } from "./program.js";
import { typeOption, writeModelFile } from "./weights.js";

interface Options extends JsonOption {
  type: QuantizeOptions["type"];
}

export function define(command: Command, { out, signal }: Cli): void {
  command
    .argument("<model>", "a GGUF file, or the name of an embedded model")
    .argument("<out>", "the GGUF file to write; it appears when complete, and replaces one that is there")
    .addOption(typeOption("type of the weights").makeOptionMandatory());
  addJsonOption(command);
  addExamples(command, [
    ["quantize minilm.gguf minilm-q4.gguf --type Q4_K", "smaller and a little less exact"],
    ["quantize minilm-q8.gguf minilm-f32.gguf --type F32", "the exact values of a quantized file"],
  ]);
  command.action(async (model: string, path: string, { json, type }: Options) => {
    const { requantized } = await writeModelFile("Quantizing", json, out, (onProgress) =>
      quantize(model, path, { type, signal, onProgress }),
    );
    if (requantized.length > 0 && !json) {
      process.stderr.write(
        `${requantized.length} tensors were quantized before and now carry both errors; ` +
          "a file made from F32 or F16 is more exact\n",
      );
    }
  });
}
