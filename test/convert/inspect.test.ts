import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { inspect, type Task } from "../../lib/inspect.js";
import { buildGguf } from "../support/gguf-bytes.js";
import { writeRandomBert, writeRandomGpt2, type BertArchitecture } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyBert, withKey, withTensor } from "../support/tiny-gguf.js";

const folder = temporaryFolder();
let number = 0;

/** What a masked-token head does besides filling masks. */
const SCORES: Task[] = ["pseudo-log-likelihood", "bias-probe"];

describe("the tasks of a file", () => {
  const cases: [BertArchitecture, number, Task[]][] = [
    ["BertModel", 0, ["embed"]],
    ["BertForPreTraining", 0, ["embed", "fill-mask", "next-sentence", ...SCORES]],
    ["BertForMaskedLM", 0, ["embed", "fill-mask", ...SCORES]],
    ["BertForNextSentencePrediction", 0, ["embed", "next-sentence"]],
    ["BertForSequenceClassification", 3, ["embed", "classify"]],
    ["BertForSequenceClassification", 1, ["embed", "classify", "rerank"]],
    ["BertForTokenClassification", 5, ["embed", "recognize-entities"]],
    ["BertForQuestionAnswering", 0, ["embed", "answer"]],
  ];
  test.each(cases)("%s with %i labels", async (architecture, labels, tasks) => {
    const dir = join(folder, String(number++));
    await writeRandomBert(dir, { architecture, labels, hidden: 16, heads: 2, layers: 1 });
    await convert(dir, `${dir}.gguf`);
    const seen = await inspect(`${dir}.gguf`);
    expect(seen.tasks).toEqual(tasks);
    expect(seen.problem).toBeUndefined();
    expect(seen.labels?.length).toBe(labels || undefined);
  });

  test("GPT-2", async () => {
    const dir = join(folder, "gpt2");
    const { weights } = await writeRandomGpt2(dir, { hidden: 24, tied: false });
    await convert(dir, `${dir}.gguf`);
    const seen = await inspect(`${dir}.gguf`);
    const parameters = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(seen).toMatchObject({
      architecture: "gpt2",
      parameters,
      contextLength: 128,
      type: "F32",
      types: [{ type: "F32", tensors: weights.size, parameters, bytes: parameters * 4 }],
      exceptions: [],
      tokenizer: { kind: "gpt2", size: 400, original: true },
      tasks: ["generate", "score"],
      heads: ["lm"],
    });
  });

  test("a classifier of entailment classifies zero-shot, and says what its labels are to each other", async () => {
    const dir = join(folder, "nli");
    const labels = ["contradiction", "ENTAILMENT"];
    const config = { problem_type: "single_label_classification" };
    await writeRandomBert(dir, {
      architecture: "BertForSequenceClassification",
      labels,
      config,
      hidden: 16,
      layers: 1,
    });
    await convert(dir, `${dir}.gguf`);
    const seen = await inspect(`${dir}.gguf`);
    expect(seen.tasks).toEqual(["embed", "classify", "classify-zero-shot"]);
    expect(seen).toMatchObject({ labels, problemType: config.problem_type });
  });

  test("a classifier without its pooler, as llama.cpp's converter leaves it, does not classify", async () => {
    const path = join(folder, "headless.gguf");
    const spec = withTensor(withTensor(tinyBert(), "cls.weight", undefined), "cls.bias", undefined);
    writeFileSync(path, buildGguf(spec).bytes);
    expect((await inspect(path)).tasks).toEqual(["embed", "fill-mask", ...SCORES, "answer"]);
  });
});

test("a sound file of another architecture is described, with the reason it cannot run", async () => {
  const path = join(folder, "llama.gguf");
  writeFileSync(
    path,
    buildGguf(withKey(tinyBert(), "general.architecture", { type: "string", value: "llama" })).bytes,
  );
  const seen = await inspect(path);
  expect(seen).toMatchObject({
    architecture: "llama",
    name: "tiny",
    tasks: [],
    tokenizer: { size: 6, original: false },
  });
  expect(seen.problem).toContain('"llama"');
  expect(seen.tensors).toHaveLength(tinyBert().tensors.length);
});

test("a broken file is an error", async () => {
  const path = join(folder, "broken.gguf");
  writeFileSync(path, buildGguf(withKey(tinyBert(), "bert.block_count", undefined)).bytes);
  await expect(inspect(path)).rejects.toMatchObject({ details: { field: "bert.block_count" } });
  await expect(inspect(path, { nothing: 1 } as never)).rejects.toThrow("nothing");
});

test("the embedded models are found by name", async () => {
  const seen = await inspect("mini-embed");
  expect(seen).toMatchObject({
    name: "mini-embed",
    type: "Q8_0",
    exceptions: [],
    embedding: { pooling: "mean", normalize: true, maxSequenceLength: 128 },
  });
  expect(seen.types.map(({ type }) => type)).toEqual(["Q8_0", "F32"]);
});
