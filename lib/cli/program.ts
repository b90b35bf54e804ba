/** The commands by name. Each is loaded only when it is called for, so that help is quick. */
import { Command } from "commander";
import { version } from "./version.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import type { Output } from "./output.js";

/** What a command works with. */
export interface Cli {
  readonly out: Output;
  /** Fires when the work is to stop; every call takes it. */
  readonly signal: AbortSignal;
}

/** What the file of a command exports. */
interface CommandModule {
  /** Adds arguments, options, examples and the action. */
  define(command: Command, cli: Cli): void;
}

interface CommandEntry {
  name: string;
  summary: string;
  load: () => Promise<CommandModule>;
}

const COMMANDS: readonly CommandEntry[] = [
  { name: "embed", summary: "turn texts into vectors", load: () => import("./embed.js") },
  {
    name: "embed-sparse",
    summary: "turn texts into weights of words, for SPLADE models",
    load: () => import("./embed-sparse.js"),
  },
  {
    name: "embed-windows",
    summary: "turn texts of any length into vectors, window by window",
    load: () => import("./embed-windows.js"),
  },
  { name: "fill-mask", summary: "predict the word behind [MASK]", load: () => import("./fill-mask.js") },
  {
    name: "next-sentence",
    summary: "tell whether one sentence follows another",
    load: () => import("./next-sentence.js"),
  },
  {
    name: "pseudo-log-likelihood",
    summary: "score texts by masking each of their tokens",
    load: () => import("./pseudo-log-likelihood.js"),
  },
  {
    name: "bias-probe",
    summary: "tell how often a model prefers stereotypes",
    load: () => import("./bias-probe.js"),
  },
  {
    name: "classify",
    summary: "score the labels of a text or of a pair of texts",
    load: () => import("./classify.js"),
  },
  {
    name: "classify-zero-shot",
    summary: "score labels of your own, with a model of entailment",
    load: () => import("./classify-zero-shot.js"),
  },
  {
    name: "rerank",
    summary: "order documents by how well they answer a query",
    load: () => import("./rerank.js"),
  },
  {
    name: "recognize-entities",
    summary: "find names and other things in texts",
    load: () => import("./recognize-entities.js"),
  },
  {
    name: "detect-replaced",
    summary: "find tokens that do not belong, with an ELECTRA discriminator",
    load: () => import("./detect-replaced.js"),
  },
  { name: "answer", summary: "find the answer to a question in a text", load: () => import("./answer.js") },
  {
    name: "attention",
    summary: "show what the tokens of a text look at",
    load: () => import("./attention.js"),
  },
  { name: "generate", summary: "continue a text", load: () => import("./generate.js") },
  {
    name: "score",
    summary: "tell how likely texts are, token by token",
    load: () => import("./score.js"),
  },
  {
    name: "perplexity",
    summary: "tell how well a model predicts documents",
    load: () => import("./perplexity.js"),
  },
  { name: "tokenize", summary: "show the tokens of a text", load: () => import("./tokenize.js") },
  { name: "inspect", summary: "say what is in a model file", load: () => import("./inspect.js") },
  {
    name: "convert",
    summary: "make a GGUF file from a Hugging Face folder",
    load: () => import("./convert.js"),
  },
  { name: "quantize", summary: "make a smaller GGUF file from another", load: () => import("./quantize.js") },
  { name: "devices", summary: "list what models can run on", load: () => import("./devices.js") },
];

const INTRODUCTION =
  "BERT and GPT-2 models on this machine: vectors, missing words, text. Nothing is sent anywhere.";

const AFTER_HELP = `
Text comes from arguments, --file, or standard input. Three small models come
along, for trying things out: mini-embed, mini-bert, mini-gpt2.
Bring others with convert, or use GGUF files you have.

Examples:
  $ ggml-transformers embed "a small boat" "a little ship" "tax law"
  $ ggml-transformers fill-mask "In the fiscal [MASK] ending June 30 the revenue was large."
  $ ggml-transformers generate "The sea was" --max-tokens 40 --seed 7
  $ ggml-transformers help convert
${EXIT_CODES_HELP}`;

/** The program; `parseAsync` throws commander's errors instead of ending the process. */
export function createProgram(cli: Cli): Command {
  const program = new Command("ggml-transformers")
    .description(INTRODUCTION)
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureOutput({
      outputError: () => {},
      getOutHelpWidth: () => Math.min(process.stdout.columns ?? 100, 100),
    })
    .showSuggestionAfterError()
    .addHelpText("after", AFTER_HELP);

  const loaders = new Map<Command, CommandEntry>();
  for (const entry of COMMANDS) {
    const command = program.command(entry.name).summary(entry.summary);
    command.description(`${entry.summary[0]!.toUpperCase()}${entry.summary.slice(1)}.`);
    loaders.set(command, entry);
  }
  program.hook("preSubcommand", async (_program, command) => {
    const module = await loaders.get(command)?.load();
    module?.define(command, cli);
  });
  return program;
}
