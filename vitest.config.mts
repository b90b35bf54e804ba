import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    // A process per test file: a native crash then names its file and takes nothing else down.
    pool: "forks",
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
