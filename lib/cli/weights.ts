/** What `convert` and `quantize` have in common. */
import { InvalidArgumentError, Option } from "commander";
import type { ConvertProgress } from "../convert/progress.js";
import type { ConvertResult } from "../convert/index.js";
import { TENSOR_TYPES } from "../gguf/types.js";
import type { Output } from "./output.js";
import { ProgressBar } from "./progress.js";
import { formatBytes, formatCount, formatDuration, printable } from "./text.js";

/** An option whose value may be in lower case. */
export function typeOption(description: string): Option {
  const types = TENSOR_TYPES.join(", ");
  return new Option("-t, --type <type>", `${description}: ${types}`).argParser((value) => {
    const type = TENSOR_TYPES.find((name) => name === value.toUpperCase());
    if (type === undefined) throw new InvalidArgumentError(`Expected one of ${types}.`);
    return type;
  });
}

/** Writes a file while a bar shows how far it is, then says what was written. */
export async function writeModelFile<R extends ConvertResult>(
  label: string,
  json: boolean | undefined,
  out: Output,
  work: (onProgress: (progress: ConvertProgress) => void) => Promise<R>,
): Promise<R> {
  const begin = performance.now();
  const bar = new ProgressBar(label);
  let result: R;
  try {
    result = await work(({ done, total, tensor }) => bar.update(done / total, tensor));
  } finally {
    bar.hide();
  }
  if (json) await out.json(result);
  else await out.write(`${summary(result, performance.now() - begin)}\n`);
  return result;
}

function summary(
  { path, bytes, type, parameters, architecture }: ConvertResult,
  milliseconds: number,
): string {
  const what = `${architecture}, ${formatCount(parameters)} parameters, ${type}`;
  return `${printable(path)}: ${what}, ${formatBytes(bytes)}, ${formatDuration(milliseconds)}`;
}
