import type { Command } from "commander";
import { convert, type ConvertOptions } from "../convert/index.js";
import { addExamples, addJsonOption, given, type JsonOption } from "./command-options.js";
import type { Cli } from "./program.js";
import { typeOption, writeModelFile } from "./weights.js";

interface Options extends JsonOption {
  type?: ConvertOptions["type"];
  name?: string;
  ignoreUnknown?: boolean;
}

export function define(command: Command, { out, signal }: Cli): void {
  command
    .argument("<folder>", "a Hugging Face folder: config.json, model.safetensors, tokenizer files")
    .argument("<out>", "the GGUF file to write; it appears when complete, and replaces one that is there")
    .addOption(typeOption("type of the weights, by default the checkpoint's own"))
    .option("--name <name>", "name to write into the file (default: the folder's)")
    .option("--ignore-unknown", "leave out tensors that are not known, instead of refusing the folder");
  addJsonOption(command);
  addExamples(command, [
    ["convert ./all-MiniLM-L6-v2 minilm.gguf", "every weight as it is"],
    ["convert ./all-MiniLM-L6-v2 minilm-q8.gguf --type Q8_0", "a quarter of the size"],
  ]);
  command.action(async (folder: string, path: string, { json, ...options }: Options) => {
    const { type, name, ignoreUnknown } = options;
    await writeModelFile("Converting", json, out, (onProgress) =>
      convert(folder, path, { ...given({ type, name, ignoreUnknown }), signal, onProgress }),
    );
  });
}
