import { beforeAll, expect, it } from "vitest";
import { requireBuilt } from "./built.js";
import { cli } from "./run-cli.js";

beforeAll(requireBuilt);

it.each([
  [
    ["embed", "a whale"],
    ["qkv", "attention", "ffn up", "ffn down"],
  ],
  [["fill-mask", "The [MASK] was large."], ["masked-token head"]],
  [["next-sentence", "The war is over.", "Peace came."], ["next-sentence head"]],
  [
    ["generate", "The sea", "--max-tokens", "5"],
    ["head", "between"],
  ],
])("--profile of %s is a table on standard error, and leaves the output alone", async (args, names) => {
  const plain = await cli(args);
  const profiled = await cli([...args, "--profile"]);
  expect(profiled).toMatchObject({ exit: 0, stdout: plain.stdout });
  expect(profiled.stderr).toMatch(/batch(es)? in .*; kernel peak [\d,]+ GOPS int8, [\d,]+ GOPS float32/);
  for (const name of names) expect(profiled.stderr).toMatch(new RegExp(`^${name} +\\d`, "m"));
  expect(plain.stderr).toBe("");
});
