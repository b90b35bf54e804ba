/** Why a command is to stop before its end: signals, and an output that nobody reads any more. */
import { constants } from "node:os";
import { EXIT, exitCodeOfSignal } from "./exit-codes.js";

/** The reason of the signal that every command passes on to its work. */
export class Stop extends Error {
  constructor(
    message: string,
    /** What the process exits with. */
    readonly exitCode: number,
    /** Whether there is anyone left to tell. */
    readonly isSilent: boolean,
  ) {
    super(message);
  }
}

const SIGNALS = { SIGINT: "stopped by Ctrl-C", SIGTERM: "terminated", SIGHUP: "hung up" } as const;

/**
 * Installs the handlers and returns the signal they fire. A second Ctrl-C ends the process at once; unfinished
 * files are removed all the same.
 */
export function installStopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const [name, message] of Object.entries(SIGNALS)) {
    const exitCode = exitCodeOfSignal(constants.signals[name as keyof typeof SIGNALS]);
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCode);
      controller.abort(new Stop(message, exitCode, false));
    });
  }
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    controller.abort(
      error.code === "EPIPE"
        ? new Stop("the reader of the output closed it", EXIT.ok, true)
        : new Stop(`cannot write the output: ${error.message}`, EXIT.failure, false),
    );
  });
  // Nobody reads the messages: that is no reason to stop the work.
  process.stderr.on("error", () => {});
  return controller.signal;
}
