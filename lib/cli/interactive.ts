/** `generate --interactive`: a text that the user and the model write in turns. */
import { createInterface, type Interface } from "node:readline";
import { AbortError, GgmlTransformersError } from "../errors.js";
import type { GenerateOptions, Generation, Generator } from "../generator.js";
import type { Session, SessionOptions } from "../session.js";
import { UsageError } from "./failure.js";
import type { Output } from "./output.js";
import type { Cli } from "./program.js";
import { printableLines } from "./text.js";
import type { Appended } from "./timings.js";

const HELP = `The model continues what you write, and you what it writes.
End a line with \\ to go on in the next one; an empty line lets the model go on.
Blanks count: most continuations begin with one. Ctrl-C stops the model.
  /undo           take back the last turn
  /reset          begin anew
  /text           print all there is
  /save FILE      keep the session
  /restore FILE   go on with a session that was kept
  /help           print this
  /quit           end; so does Ctrl-D
`;

/** How a conversation is to go. */
export interface ConversationOptions {
  /** Texts to begin with. */
  readonly first: readonly string[];
  readonly session: Pick<SessionOptions, "contextLength" | "kvType">;
  /** Told of each turn of the model's. */
  readonly report?: Report;
}

/** `appended`: what the turn began with. */
type Report = (generation: Generation, appended: Appended) => void;

export async function interact(
  generator: Generator,
  { first, session: limits, report }: ConversationOptions,
  settings: GenerateOptions,
  cli: Cli,
): Promise<void> {
  const isTerminal = process.stdin.isTTY === true && cli.out.isTerminal;
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal && { output: process.stdout, prompt: "> " }),
    terminal: isTerminal,
  });
  // From here on no line is lost, however long the first turn takes.
  const received = lines[Symbol.asyncIterator]();
  const close = () => lines.close();
  cli.signal.addEventListener("abort", close, { once: true });
  await using session = generator.createSession({ ...limits, overflow: "reevaluate" });
  const conversation = new Conversation(session, settings, cli.out, lines, report);
  try {
    if (isTerminal) await cli.out.write(HELP);
    for (const text of first) await conversation.turn(text);
    lines.prompt();
    let begun = "";
    for await (const line of received) {
      if (line.endsWith("\\")) {
        begun += `${line.slice(0, -1)}\n`;
        continue;
      }
      const text = begun + line;
      const isCommand = begun === "" && line.startsWith("/");
      begun = "";
      if (isCommand ? await conversation.command(line) : await conversation.turn(text)) break;
      lines.prompt();
    }
    cli.signal.throwIfAborted();
  } finally {
    cli.signal.removeEventListener("abort", close);
    lines.close();
  }
}

class Conversation {
  readonly #session: Session;
  readonly #settings: GenerateOptions;
  readonly #out: Output;
  readonly #lines: Interface;
  readonly #report: Report | undefined;
  /** The session's length before each turn. */
  #turns: number[] = [];

  constructor(
    session: Session,
    settings: GenerateOptions,
    out: Output,
    lines: Interface,
    report: Report | undefined,
  ) {
    this.#report = report;
    this.#session = session;
    this.#settings = settings;
    this.#out = out;
    this.#lines = lines;
  }

  /** Adds the text and has the model continue. True when nobody is left to talk to. */
  async turn(text: string): Promise<boolean> {
    const stop = new AbortController();
    const interrupt = () => stop.abort();
    this.#lines.on("SIGINT", interrupt);
    try {
      const before = this.#session.length;
      const begin = performance.now();
      if (text !== "") await this.#session.append(text, { signal: this.#settings.signal });
      this.#turns.push(before);
      // Where the oldest tokens were dropped, it is not told how many are new.
      const tokens = Math.max(0, this.#session.length - before);
      await this.#continue(stop.signal, { tokens, milliseconds: performance.now() - begin });
    } catch (error) {
      await this.#tell(error);
    } finally {
      this.#lines.off("SIGINT", interrupt);
      this.#out.endLine();
    }
    return false;
  }

  async #continue(interrupted: AbortSignal, appended: Appended): Promise<void> {
    const stream = this.#session.stream(this.#settings);
    stream.result.catch(() => {});
    for await (const { text } of stream) {
      await this.#out.write(this.#out.isTerminal ? printableLines(text) : text);
      if (interrupted.aborted) break;
    }
    const generation = await stream.result;
    if (this.#report === undefined) return;
    this.#out.endLine();
    this.#report(generation, appended);
  }

  /** True for the one that ends the conversation. */
  async command(line: string): Promise<boolean> {
    const [, name, argument = ""] = /^\/(\S*)\s*(.*?)\s*$/.exec(line)!;
    if (name === "quit") return true;
    try {
      await this.#run(name!, argument);
    } catch (error) {
      await this.#tell(error);
    }
    return false;
  }

  async #run(name: string, argument: string): Promise<void> {
    const session = this.#session;
    if ((name === "save" || name === "restore") && argument === "") {
      throw new UsageError(`/${name} wants the name of a file`);
    }
    switch (name) {
      case "undo": {
        const before = this.#turns.pop();
        // A full session drops its oldest tokens: what was counted from there is no longer.
        if (before === undefined || before > session.length) throw new UsageError("There is nothing to undo");
        return session.truncate(before);
      }
      case "reset":
        this.#turns = [];
        return session.truncate(0);
      case "text":
        return this.#out.write(`${printableLines(session.text)}\n`);
      case "save":
        return session.save(argument);
      case "restore":
        this.#turns = [];
        return session.restore(argument);
      case "help":
        return this.#out.write(HELP);
      default:
        throw new UsageError(`There is no /${name}; /help tells what there is`);
    }
  }

  /** What goes wrong in a turn does not end the conversation. */
  async #tell(error: unknown): Promise<void> {
    this.#settings.signal?.throwIfAborted();
    if (!(error instanceof GgmlTransformersError) || error instanceof AbortError) throw error;
    this.#out.endLine();
    process.stderr.write(`${printableLines(error.message)}\n`);
  }
}
