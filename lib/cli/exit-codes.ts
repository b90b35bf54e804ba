/** What the process says to its caller. */
export const EXIT = {
  /** The work was done, or whoever read the output had seen enough and closed it. */
  ok: 0,
  /** The work failed: a file, a model, the machine. */
  failure: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
} as const;

/** By convention 128 plus the number of the signal that ended the work: 130 for Ctrl-C. */
export function exitCodeOfSignal(signalNumber: number): number {
  return 128 + signalNumber;
}

export const EXIT_CODES_HELP = `
Exit codes:
  0    done (also when the reader of the output closed it)
  1    the work failed; the reason is on standard error
  2    wrong usage: an unknown command or option, or a value that is not allowed
  130  stopped by Ctrl-C; no unfinished file is left behind
`;
