import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const SOAK = resolve(__dirname, "../soak/memory.mjs");

it("keeps resident memory flat over loads, disposals, embeddings, aborts and generations", async () => {
  // The long form, 1,000 loads and 100,000 embeddings, is the program's default.
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", SOAK, "100", "5000"]).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  const lines = stdout.trim().split("\n");
  expect(lines, stdout).toHaveLength(6);
  for (const line of lines) expect(line).toMatch(/^flat/);
});
