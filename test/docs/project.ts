/**
 * A project as the documentation supposes it: the package installed, the models it calls by name in the folder, and
 * the files that its commands read. The models are random ones of the right kind.
 */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convert } from "../../lib/index.js";
import { ROOT } from "../cli/run-cli.js";
import { writeRandomEncoder } from "../support/random-encoders.js";
import { writeRandomBert, writeRandomGpt2, type RandomBertOptions } from "../support/random-models.js";

const CLASSIFIER = "BertForSequenceClassification";

/** Checkpoints that become `<name>.gguf`. */
const BERTS: Record<string, RandomBertOptions> = {
  sentiment: { architecture: CLASSIFIER, labels: ["negative", "positive"] },
  ner: { architecture: "BertForTokenClassification", labels: ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"] },
  qa: { architecture: "BertForQuestionAnswering" },
  nli: { architecture: CLASSIFIER, labels: ["contradiction", "neutral", "entailment"] },
  reranker: { architecture: CLASSIFIER, labels: 1 },
};

const STORY = "Herman Melville was born in New York. He sailed on a whaler, and wrote a book about a whale.";

const FILES: Record<string, string> = {
  "package.json": '{ "type": "module" }\n',
  "notes.txt": "A bird that cannot fly.\n\nA small boat moved by oars.\n",
  "reviews.txt": "A delightful film.\nTwo hours of my life.\n",
  "prompts.txt": "The sea was\nThe President of the\n",
  "pairs.tsv": "The women stayed at home.\tThe men stayed at home.\n",
  "book.txt": `${`${STORY} `.repeat(30)}\n`,
};

/** Makes the project; its folder, and how to be rid of it. */
export async function makeProject(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "docs-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(ROOT, join(folder, "node_modules", "ggml-transformers"), "junction");
  await Promise.all(Object.entries(FILES).map(([name, text]) => writeFile(join(folder, name), text)));
  await writeRandomBert(join(folder, "all-MiniLM-L6-v2"), {
    architecture: "BertModel",
    hidden: 384,
    heads: 12,
    keepWeights: false,
    sentenceTransformers: { maxSequenceLength: 128 },
  });
  for (const [name, options] of Object.entries(BERTS)) {
    await writeModel(folder, name, (dir) => writeRandomBert(dir, { ...options, keepWeights: false }));
  }
  await writeModel(folder, "gpt2-sentiment", (dir) =>
    writeRandomGpt2(dir, { architecture: "GPT2ForSequenceClassification", labels: 2 }),
  );
  await writeModel(folder, "electra", (dir) =>
    writeRandomEncoder(dir, { architecture: "ElectraForPreTraining", family: "electra" }),
  );
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function writeModel(folder: string, name: string, write: (dir: string) => Promise<unknown>) {
  await write(join(folder, name));
  await convert(join(folder, name), join(folder, `${name}.gguf`));
}
