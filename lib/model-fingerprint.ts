/** What tells one model's weights from another's, without reading all of them. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { ModelSpec } from "./native.js";

const SAMPLE_BYTES = 4096;

/** Of the architecture, every tensor's name, type and shape, and the first 4 KB of its data; hexadecimal. */
export async function modelFingerprint(spec: ModelSpec): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([spec.architecture, spec.hyperparameters]));
  const sample = Buffer.alloc(SAMPLE_BYTES);
  const file = await open(spec.path, "r");
  try {
    for (const { name, type, shape, offset } of spec.tensors) {
      hash.update(JSON.stringify([name, type, shape]));
      const { bytesRead } = await file.read(sample, 0, SAMPLE_BYTES, offset);
      hash.update(sample.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}
