import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { ModelSpec } from "../../lib/native.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { BUILD_TIMEOUT } from "./build-program.js";
import { buildEngineCheck, engineCheck, HAS_ENGINE_CHECK } from "./engine-check.js";
import { randomBert, randomGpt2 } from "./models.js";

const folder = temporaryFolder();

/** Writes the model's table as the program reads it, and runs the program. */
function run({ path, architecture, hyperparameters, tensors }: ModelSpec): unknown {
  const lines = [`path ${path}`, `architecture ${architecture}`];
  for (const [key, value] of Object.entries(hyperparameters)) {
    lines.push(typeof value === "string" ? `string ${key} ${value}` : `number ${key} ${Number(value)}`);
  }
  for (const { name, type, offset, shape } of tensors) {
    lines.push(`tensor ${name} ${type} ${offset} ${shape.join(" ")}`);
  }
  const file = join(folder, `${architecture}.txt`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  return engineCheck(file);
}

// The program counts by replacing glibc's allocator.
describe.runIf(HAS_ENGINE_CHECK)("once everything has its size, the engine allocates", () => {
  beforeAll(buildEngineCheck, BUILD_TIMEOUT);

  const sizes = { type: "Q8_0", L: 4, H: 64, A: 4, F: 128, V: 97 } as const;

  it("nothing from token to token, sampling included", async () => {
    const { spec } = await randomGpt2(folder, { ...sizes, context: 256 });
    expect(run(spec)).toEqual({ tokens: 200, most: expect.any(Number) as number, settled: 0 });
  });

  it("for a request, not for its batches", async () => {
    const { spec } = await randomBert(folder, { ...sizes, context: 32 });
    const counts = run(spec) as Record<"pooled" | "heads", { few: number; many: number }>;

    // 8 and 61 batches of 7,700 and 61,900 tokens. What is left are the request's own tables, a few of which
    // depend on how it was told.
    const most = 40;
    expect(counts.pooled.few).toBeLessThan(most);
    expect(counts.pooled.many).toBeLessThan(most);
    // One small list for each sequence that has a masked token.
    expect(counts.heads.few).toBeLessThan(500 + most);
    expect(counts.heads.many).toBeLessThan(4000 + most);
  });
});
