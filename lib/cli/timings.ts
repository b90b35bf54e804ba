/** `--timings`: how fast it was, on standard error. */
import type { Command } from "commander";
import type { BeamSearchTimings } from "../beam-search.js";
import type { Generation } from "../generator.js";
import { formatCount, formatDuration } from "./text.js";

export function addTimingsOption(command: Command): Command {
  return command.option("--timings", "say on standard error how fast it was");
}

function tell(...lines: string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}

function speed(tokens: number, milliseconds: number): string {
  const perSecond = milliseconds > 0 ? (1000 * tokens) / milliseconds : 0;
  return `${formatCount(Math.round(perSecond))} tokens/s`;
}

const inTime = (tokens: number, milliseconds: number) =>
  `${formatCount(tokens)} tokens in ${formatDuration(milliseconds)}, ${speed(tokens, milliseconds)}`;

/** Of a text that was evaluated before its continuation was asked for. */
export interface Appended {
  readonly tokens: number;
  readonly milliseconds: number;
}

export function reportTimings({ timings, speculation }: Generation, appended?: Appended): void {
  const { promptTokens, cachedTokens, generatedTokens, queuedMs, decodeMs } = timings;
  const promptMs = timings.promptMs + (appended?.milliseconds ?? 0);
  const lines = [
    `prompt: ${inTime(appended?.tokens || promptTokens - cachedTokens, promptMs)}`,
    `first token: after ${formatDuration(queuedMs + promptMs)}`,
    `continuation: ${formatCount(generatedTokens)} tokens, those after the first in ` +
      `${formatDuration(decodeMs)}, ${formatCount(Math.round(timings.generatedTokensPerSecond))} tokens/s`,
  ];
  if (speculation) {
    const { acceptedTokens, draftedTokens } = speculation;
    lines.push(`guessed ahead: ${formatCount(acceptedTokens)} of ${formatCount(draftedTokens)} tokens right`);
  }
  tell(...lines);
}

/** @param steps - Tokens of the longest sequence: each is a step for all of them. */
export function reportSearch(timings: BeamSearchTimings, steps: number): void {
  const { promptTokens, cachedTokens, promptMs, queuedMs, searchMs } = timings;
  tell(
    `prompt: ${inTime(promptTokens - cachedTokens, promptMs)}`,
    `first token: after ${formatDuration(queuedMs + promptMs)}`,
    `search: ${formatCount(steps)} steps in ${formatDuration(searchMs)}`,
  );
}

export function reportScored(tokens: number, milliseconds: number): void {
  tell(`scored: ${inTime(tokens, milliseconds)}`);
}
