/** Commands whose models do not come with the package. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, Encoder } from "../../lib/index.js";
import type {
  AnswerResult,
  Classification,
  Entity,
  RankedDocument,
  TokenReplacement,
  ZeroShotClassification,
} from "../../lib/index.js";
import { writeRandomEncoder } from "../support/random-encoders.js";
import { writeRandomGpt2 } from "../support/random-models.js";
import { taskModel, type TaskModel } from "../support/task-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { requireBuilt } from "./built.js";
import { cli, cliJson, jsonError } from "./run-cli.js";

const folder = temporaryFolder();
const models: TaskModel[] = [];
async function model(options: Parameters<typeof taskModel>[1]): Promise<TaskModel> {
  const made = await taskModel(folder, options);
  models.push(made);
  return made;
}
/** What JSON keeps of a value. */
const asJson = <T>(value: T) => JSON.parse(JSON.stringify(value)) as T;

beforeAll(requireBuilt);
afterAll(() => Promise.all(models.map(({ encoder }) => encoder.dispose())));

describe("classify", () => {
  let nli: TaskModel;
  beforeAll(async () => {
    nli = await model({ architecture: "BertForSequenceClassification", labels: ["yes", "no", "perhaps"] });
  });

  it("prints what the library returns", async () => {
    const texts = ["the cat", "a man and a dog"];
    const printed = await cliJson<Classification>(["classify", ...texts, "-m", nli.path, "-k", "2"]);
    const results = await nli.encoder.classify(texts, { topK: 2 });
    expect(printed.map(({ predictions }) => predictions)).toEqual(
      results.map(({ predictions }) => predictions),
    );
    for (const [i, { logits }] of printed.entries()) {
      expect(Float32Array.from(Object.values(logits))).toEqual(results[i]!.logits);
    }
  });

  it("takes a decoder with a classifier, and draws a decoder's attention", async () => {
    const dir = join(folder, "gpt2-classifier");
    await writeRandomGpt2(dir, { architecture: "GPT2ForSequenceClassification" });
    await convert(dir, `${dir}.gguf`);
    const [printed] = await cliJson<Classification>(["classify", "the cat", "-m", `${dir}.gguf`]);
    expect(printed!.predictions.map(({ label }) => label).toSorted()).toEqual([
      "label 0",
      "label 1",
      "label 2",
    ]);
    const { exit, stdout } = await cli(["attention", "The ship sailed", "-m", "mini-gpt2"]);
    expect(exit).toBe(0);
    expect(stdout.trimEnd().split("\n").length).toBeGreaterThan(3);
  });

  it("takes pairs with a tab, and names the line that is none", async () => {
    const file = join(folder, "pairs.tsv");
    await writeFile(file, "the cat\tthe dog\n\nthe dog\tthe cat\n");
    const args = ["classify", "--pairs", "--file", file, "-m", nli.path, "--activation", "none"];
    const printed = await cliJson<Classification & { pair: string }>(args);
    expect(printed.map(({ pair }) => pair)).toEqual(["the dog", "the cat"]);
    const [first] = await nli.encoder.classify([{ text: "the cat", pair: "the dog" }], {
      activation: "none",
    });
    expect(printed[0]!.predictions).toEqual(asJson(first!.predictions));
    const wrong = await cli(["classify", "--pairs", "no tab", "-m", nli.path, "--json"]);
    expect([wrong.exit, jsonError(wrong).code]).toEqual([2, "USAGE"]);
  });

  it("prints a table per text", async () => {
    const { exit, stdout, stderr } = await cli(["classify", "the cat", "a dog", "-m", nli.path]);
    expect([exit, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^the cat\n( +\d+\.\d % +(yes|no|perhaps)\n){3}\na dog\n( +\d+\.\d % +\w+\n){3}$/);
  });

  it("needs a model, and one with the head", async () => {
    const none = await cli(["classify", "a", "--json"]);
    expect([none.exit, jsonError(none).code]).toEqual([2, "USAGE"]);
    expect(jsonError(none).message).toContain("--model");
    const headless = await cli(["classify", "a", "-m", "mini-bert", "--json"]);
    expect([headless.exit, jsonError(headless).code]).toEqual([1, "UNSUPPORTED"]);
  });
});

describe("rerank", () => {
  const documents = ["the cat", "a dog and a man", "it is in the man"];

  it("prints what the library returns, with the documents", async () => {
    const { path, encoder } = await model({ architecture: "BertForSequenceClassification", labels: 1 });
    const ranked = await encoder.rerank("the dog", documents);
    const args = ["rerank", "the dog", "-m", path];
    const printed = await cliJson<RankedDocument>([...args, ...documents]);
    expect(printed).toEqual(ranked.map(({ index, score }) => ({ index, score, document: documents[index] })));
    expect(await cliJson([...args, "--top-k", "1"], `${documents.join("\n\n")}\n`)).toEqual(
      printed.slice(0, 1),
    );
    const raw = await cliJson<RankedDocument>([...args, ...documents, "--activation", "none"]);
    expect(raw).toMatchObject(await encoder.rerank("the dog", documents, { activation: "none" }));
    const { stdout } = await cli([...args, ...documents]);
    expect(stdout).toMatch(/^(0\.\d{4}  [123]  .*\n){3}$/);
    const long = await cli([...args, "man ".repeat(200), "--overflow", "refuse", "--json"]);
    expect([long.exit, jsonError(long).code]).toEqual([1, "INPUT_TOO_LONG"]);
  });
});

describe("recognize-entities", () => {
  const texts = ["the cat and the man", "it is a dog, Zürich"];

  it("prints what the library returns", async () => {
    const { path, encoder } = await model({
      architecture: "BertForTokenClassification",
      labels: ["B-A", "I-A"],
    });
    const args = ["recognize-entities", ...texts, "-m", path];
    const printed = await cliJson<{ text: string; entities: Entity[] }>([...args, "--aggregation", "first"]);
    const results = await encoder.recognizeEntities(texts, { aggregation: "first" });
    expect(printed).toEqual(results.map((entities, i) => ({ text: texts[i], entities })));
    const { exit, stdout, stderr } = await cli(args);
    expect([exit, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^the cat and the man\n( +\d+\.\d %  A  \S.*\n)+\nit is a dog, Zürich\n/);
    expect((await cli([...args, "--aggregation", "last"])).exit).toBe(2);
  });
});

describe("answer", () => {
  const question = "is it the cat?";
  const contexts = ["the man and the dog", "it is in the cat, Zürich"];

  it("prints what the library returns", async () => {
    const { path, encoder } = await model({ architecture: "BertForQuestionAnswering" });
    const args = ["answer", question, ...contexts, "-m", path, "-k", "3"];
    const inputs = contexts.map((context) => ({ question, context }));
    const printed = await cliJson<AnswerResult>(args);
    const results = await encoder.answer(inputs, { topK: 3 });
    expect(printed).toEqual(results.map((result, i) => Object.assign({}, inputs[i], result)));
    const loose = await cliJson<AnswerResult>([...args, "--no-align-to-words", "--max-answer-length", "2"]);
    const options = { topK: 3, alignToWords: false, maxAnswerLength: 2 };
    expect(loose.map(({ answers }) => answers)).toEqual(
      (await encoder.answer(inputs, options)).map(({ answers }) => answers),
    );
    const { exit, stdout } = await cli([...args, "--may-have-none"]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^the man and the dog\n( +\d+\.\d %  \S.*\n){3}\nit is in the cat, Zürich\n/);
  });
});

describe("classify-zero-shot", () => {
  it("prints what the library returns", async () => {
    const labels = ["contradiction", "neutral", "entailment"];
    const { path, encoder } = await model({ architecture: "BertForSequenceClassification", labels });
    const texts = ["the man and the dog", "it is in the cat"];
    const args = ["classify-zero-shot", ...texts, "--labels", "cat, dog", "--labels", "man", "-m", path];
    const printed = await cliJson<ZeroShotClassification>(args);
    const results = await encoder.classifyZeroShot(texts, ["cat", "dog", "man"]);
    expect(printed).toEqual(results.map(({ predictions }, i) => ({ text: texts[i], predictions })));
    const [loose] = await cliJson<ZeroShotClassification>([...args, "--multi-label", "--hypothesis", "a {}"]);
    const options = { multiLabel: true, hypothesis: "a {}" };
    expect(loose).toMatchObject(await encoder.classifyZeroShot(texts[0]!, ["cat", "dog", "man"], options));
    const { stdout } = await cli(args);
    expect(stdout).toMatch(/^the man and the dog\n( +\d+\.\d %  (cat|dog|man)\n){3}\nit is in the cat\n/);
    expect((await cli(["classify-zero-shot", "a", "-m", path])).exit).toBe(2);
    expect((await cli([...args, "--hypothesis", "nothing"])).exit).toBe(2);
  });
});

describe("detect-replaced", () => {
  it("prints what the library returns", async () => {
    const dir = join(folder, "discriminator");
    await writeRandomEncoder(dir, { family: "electra", architecture: "ElectraForPreTraining" });
    await convert(dir, `${dir}.gguf`);
    await using encoder = await Encoder.load(`${dir}.gguf`);
    const texts = ["the a of", "of x, Zürich"];
    const args = ["detect-replaced", ...texts, "-m", `${dir}.gguf`];
    const printed = await cliJson<{ text: string; tokens: TokenReplacement[] }>(args);
    const results = await encoder.detectReplaced(texts);
    expect(printed).toEqual(results.map((tokens, i) => ({ text: texts[i], tokens })));
    const { exit, stdout } = await cli(args);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^the a of\n( +\d+\.\d %  \S+ +\d+-\d+\n)+\nof x, Zürich\n/);
    const refused = await cli(["detect-replaced", "a", "-m", "mini-bert", "--json"]);
    expect([refused.exit, jsonError(refused).code]).toEqual([1, "UNSUPPORTED"]);
  });
});
