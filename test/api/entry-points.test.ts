import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const DIST = resolve(__dirname, "../../dist");
const commonJs = createRequire(__filename)(resolve(DIST, "index.js")) as Record<string, unknown>;

describe("the entry points", () => {
  it("export the same objects to require and to import", async () => {
    const esm = (await import(pathToFileURL(resolve(DIST, "index.mjs")).href)) as Record<string, unknown>;
    const names = Object.keys(esm).filter((name) => name !== "default" && name !== "module.exports");
    expect(names.sort()).toEqual(Object.keys(commonJs).sort());
    for (const name of names) expect(esm[name], name).toBe(commonJs[name]);
  });

  it("export what the documentation names, and nothing else", () => {
    expect(Object.keys(commonJs).sort()).toEqual(
      `Encoder Generator Tokenizer Encoding TokenStream attentionHtml convert devices embeddingRanges inspect
      maxSim quantize quantizeEmbedding similarity sparseSimilarity AbortError DeviceError
      DisposedError GgmlTransformersError InputTooLongError InternalError InvalidArgumentError ModelFileError SessionFileError
      NativeUnavailableError OutOfMemoryError TokenizerError UnsatisfiableConstraintError
      UnsupportedError`
        .split(/\s+/)
        .sort(),
    );
  });

  it("cost nothing until they are used: the addon is not loaded on import", () => {
    const loaded = Object.keys(createRequire(__filename).cache).filter((file) => file.endsWith(".node"));
    expect(loaded).toEqual([]);
  });
});
