/** The weights of a checkpoint folder: one safetensors file, or several with an index. */
import type { FileHandle } from "node:fs/promises";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { ModelFileError } from "../errors.js";
import { openForReading } from "../gguf/reader.js";
import { JsonFile } from "./json-file.js";
import { readExactly, readSafetensorsHeader, type SourceTensor } from "./safetensors.js";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
/** Other formats a folder may hold instead, to say what to do about them. */
const FOREIGN = ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"];

interface StoredTensor extends SourceTensor {
  handle: FileHandle;
  path: string;
}

/** Open files and the tensors in them. Close it when done. */
export class Checkpoint {
  readonly path: string;
  readonly #tensors = new Map<string, StoredTensor>();
  readonly #handles: FileHandle[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /** Opens the weights in `folder`. */
  static async open(folder: string): Promise<Checkpoint> {
    const checkpoint = new Checkpoint(folder);
    try {
      const index = existsSync(join(folder, SINGLE)) ? undefined : await JsonFile.find(folder, INDEX);
      if (index === undefined) await checkpoint.#addFile(folder, findSingle(folder));
      else await checkpoint.#addShards(folder, index);
      return checkpoint;
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
  }

  get tensors(): Iterable<SourceTensor> {
    return this.#tensors.values();
  }

  get(name: string): SourceTensor | undefined {
    return this.#tensors.get(name);
  }

  /** Bytes of a tensor, counted from its beginning. */
  read(name: string, offset: number, bytes: number): Promise<Buffer<ArrayBuffer>> {
    const { handle, path, offset: start } = this.#tensors.get(name)!;
    return readExactly(handle, path, start + offset, bytes);
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.splice(0).map((handle) => handle.close()));
  }

  async #addFile(folder: string, file: string): Promise<void> {
    const path = join(folder, file);
    const handle = await openForReading(path);
    this.#handles.push(handle);
    for (const tensor of await readSafetensorsHeader(handle, path)) {
      if (this.#tensors.has(tensor.name)) {
        const message = `Expected tensor ${tensor.name} in one file but it is in several (${path})`;
        throw new ModelFileError(message, { path, field: tensor.name });
      }
      this.#tensors.set(tensor.name, { ...tensor, handle, path });
    }
  }

  /** Every tensor is in the file that the index says, and the index lists every tensor. */
  async #addShards(folder: string, index: JsonFile): Promise<void> {
    const weightMap = index.value["weight_map"];
    const files = isWeightMap(weightMap) ? new Set(Object.values(weightMap)) : new Set<string>();
    if (!isWeightMap(weightMap) || files.size === 0)
      throw index.error("weight_map", "an object of file names");
    for (const file of files) {
      // An index may not send us outside the folder.
      if (basename(file) !== file || file.includes("\\") || !file.endsWith(".safetensors")) {
        throw index.error("weight_map", `plain names of safetensors files, and not ${JSON.stringify(file)},`);
      }
      await this.#addFile(folder, file);
    }
    for (const [name, file] of Object.entries(weightMap)) {
      if (this.#tensors.get(name)?.path === join(folder, file)) continue;
      const message = `Expected tensor ${name} in ${file}, as ${index.path} says, but it is not there`;
      throw new ModelFileError(message, { path: index.path, field: name });
    }
  }
}

function findSingle(folder: string): string {
  if (existsSync(join(folder, SINGLE))) return SINGLE;
  const foreign = FOREIGN.find((file) => existsSync(join(folder, file)));
  const advice = foreign
    ? `${foreign} is not read: save the model with save_pretrained(folder, safe_serialization=True)`
    : `the folder has neither it nor ${INDEX}`;
  const message = `Expected ${SINGLE} in ${folder} but ${advice}`;
  throw new ModelFileError(message, { path: folder, field: SINGLE }, "MODEL_FILE_NOT_FOUND");
}

function isWeightMap(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).every((file) => typeof file === "string");
}
