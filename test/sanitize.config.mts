import path from "node:path";
import { mergeConfig } from "vitest/config";
import base from "../vitest.config.mjs";

// For scripts/test-sanitize.mjs: the same tests, slower, with an environment for the processes they run in.
const workers = JSON.parse(process.env["SANITIZE_WORKERS"] ?? "{}") as Record<string, string>;

export default mergeConfig(base, {
  test: {
    root: path.resolve(import.meta.dirname, ".."),
    env: workers,
    maxWorkers: 1,
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
});
