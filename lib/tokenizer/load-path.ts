/** A tokenizer from wherever it is: an embedded model, a GGUF file, a tokenizer's own file, or a folder. */
import { open, stat } from "node:fs/promises";
import { ModelFileError } from "../errors.js";
import { readGguf } from "../gguf/reader.js";
import { resolveModel } from "../model-file.js";
import { loadFromPath } from "./load-folder.js";
import { loadGguf } from "./load-gguf.js";
import { runInSlices } from "./time-slices.js";
import type { TokenizerParts } from "./tokenizer-parts.js";

/** Errors as documented for `Tokenizer.load`. */
export async function loadFromAnywhere(pathOrName: string, signal?: AbortSignal): Promise<TokenizerParts> {
  const isFolder = (await stat(pathOrName).catch(() => undefined))?.isDirectory() === true;
  if (isFolder) return loadFromPath(pathOrName, signal);
  const path = await resolveModel(pathOrName);
  if (!(await isGguf(path))) return loadFromPath(path, signal);
  const { metadata } = await readGguf(path, { signal });
  const values = new Map(Array.from(metadata, ([key, { value }]) => [key, value]));
  return runInSlices(loadGguf(values), signal);
}

async function isGguf(path: string): Promise<boolean> {
  const file = await open(path).catch((cause: Error) => {
    const message = `Cannot read ${path}: ${cause.message}`;
    throw new ModelFileError(message, { path }, "MODEL_FILE_INVALID", { cause });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString("latin1") === "GGUF";
  } finally {
    await file.close();
  }
}
