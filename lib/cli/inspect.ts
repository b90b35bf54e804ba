import type { Command } from "commander";
import { inspect, type EmbeddingSummary, type Inspection } from "../inspect.js";
import { addExamples, addJsonOption, type JsonOption } from "./command-options.js";
import type { Output } from "./output.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { excerpt, formatBytes, formatCount, printable } from "./text.js";

interface Options extends JsonOption {
  tensors?: boolean;
}

export function define(command: Command, { out, signal }: Cli): void {
  command
    .argument("<models...>", "GGUF files, or names of embedded models")
    .option("--tensors", "list every tensor");
  addJsonOption(command);
  addExamples(command, [
    ["inspect mini-embed", "architecture, size, types of the weights, tokenizer, and what it can do"],
    ["inspect model.gguf --tensors", "name, type and shape of every tensor as well"],
    ["inspect *.gguf --json", "one JSON object per file"],
  ]);
  command.action(async (models: string[], { json, tensors }: Options) => {
    for (const [i, model] of models.entries()) {
      const inspection = await inspect(model, { signal });
      if (json) await out.json(inspection);
      else await out.write((i > 0 ? "\n" : "") + describe(inspection, tensors === true, out));
    }
  });
}

function describe(inspection: Inspection, listTensors: boolean, out: Output): string {
  const sections = [
    `${out.bold(printable(inspection.name))}\n`,
    formatTable(facts(inspection), { indent: "  " }),
    typeTable(inspection, out),
    exceptionTable(inspection, out),
    listTensors ? tensorTable(inspection, out) : "",
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function facts(inspection: Inspection): string[][] {
  const { tokenizer, hyperparameters: hyper, embedding, labels } = inspection;
  const rows: [string, string | undefined][] = [
    ["file", `${inspection.path}, ${formatBytes(inspection.fileSize)}, GGUF ${inspection.ggufVersion}`],
    ["architecture", inspection.architecture],
    ["parameters", formatCount(inspection.parameters)],
    ["weights", inspection.type],
    ["shape", hyper && shapeOf(hyper)],
    ["context", hyper && `${formatCount(hyper.contextLength)} tokens`],
    ["tokenizer", tokenizer && tokenizerLine(tokenizer)],
    ["heads", inspection.heads.join(", ") || undefined],
    ["labels", labels && labels.join(", ")],
    ["problem type", inspection.problemType],
    ["embedding", embedding && embeddingLine(embedding)],
    ["can", inspection.tasks.join(", ") || undefined],
    ["cannot run", inspection.problem],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, printable(value)]]));
}

function shapeOf(hyper: NonNullable<Inspection["hyperparameters"]>): string {
  const { blockCount, embeddingLength, headCount, feedForwardLength } = hyper;
  const shared = "keyValueHeadCount" in hyper ? ` over ${hyper.keyValueHeadCount} of keys` : "";
  return `${blockCount} layers, ${embeddingLength} hidden, ${headCount} heads${shared}, ${feedForwardLength} feed-forward`;
}

function tokenizerLine({ kind, size, original }: NonNullable<Inspection["tokenizer"]>): string {
  const algorithm = { bert: "WordPiece", gpt2: "byte-level BPE" }[kind] ?? kind;
  const source = original ? "with the original tokenizer.json" : "from GGUF keys";
  return `${algorithm}, ${formatCount(size)} tokens, ${source}`;
}

function embeddingLine({
  pooling,
  normalize,
  maxSequenceLength,
  prompts,
}: EmbeddingSummary): string | undefined {
  const parts = [
    pooling && `${pooling} pooling`,
    normalize === undefined ? undefined : normalize ? "normalized" : "not normalized",
    maxSequenceLength && `at most ${maxSequenceLength} tokens`,
    Object.keys(prompts).length > 0 && `prompts ${Object.keys(prompts).join(", ")}`,
  ];
  return parts.filter(Boolean).join(", ") || undefined;
}

function typeTable({ types }: Inspection, out: Output): string {
  const header = ["type", "tensors", "parameters", "bytes"];
  const rows = types.map(({ type, tensors, parameters, bytes }) => [
    printable(type),
    formatCount(tensors),
    formatCount(parameters),
    formatBytes(bytes),
  ]);
  return formatTable([header, ...rows], { indent: "  ", right: [1, 2, 3], header: out.dim });
}

function exceptionTable({ exceptions, type }: Inspection, out: Output): string {
  if (exceptions.length === 0) return "";
  const reasons = { width: `${type} cannot hold this width`, choice: "chosen by the file's maker" };
  const rows = exceptions.map(({ name, type: actual, shape, reason }) => [
    excerpt(name, 40),
    actual,
    shape.join(" x "),
    reasons[reason],
  ]);
  const header = [`not ${type}`, "type", "shape", "because"];
  return formatTable([header, ...rows], { indent: "  ", header: out.dim });
}

function tensorTable({ tensors }: Inspection, out: Output): string {
  const rows = tensors.map(({ name, type, shape }) => [excerpt(name, 60), type, shape.join(" x ")]);
  return formatTable([["tensor", "type", "shape"], ...rows], { indent: "  ", header: out.dim });
}
