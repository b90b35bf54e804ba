/** Follows automata plainly: all positions at once, calls on a list, what is repeated counted there. */
import type { Automaton } from "../../lib/constraint/automaton.js";
import { integer } from "./random.js";

type Calls = Call | undefined;
interface Call {
  readonly target: number;
  readonly outer: Calls;
  /** Of what is repeated, and how often it was read before. */
  readonly repeat?: { readonly begin: number; readonly least: number; readonly most: number };
  readonly read: number;
}
interface Position {
  readonly state: number;
  readonly calls: Calls;
}

/** Limited for rules alone. */
const depthOf = (calls: Calls): number => (calls ? (calls.repeat ? 0 : 1) + depthOf(calls.outer) : 0);
const keyOf = ({ state, calls }: Position): string => {
  const open: string[] = [];
  for (let at = calls; at; at = at.outer) {
    const { begin, least, most } = at.repeat ?? {};
    open.push([at.target, begin, least, most, at.read].join(" "));
  }
  return `${state}:${open.join()}`;
};

function edgesOf({ firstEdges, edges }: Automaton, state: number) {
  const found: (readonly [number, number, number, number])[] = [];
  for (let e = firstEdges[state]!; e < firstEdges[state + 1]!; e++) {
    found.push([edges[e * 4]!, edges[e * 4 + 1]!, edges[e * 4 + 2]!, edges[e * 4 + 3]!]);
  }
  return found;
}

function reachable(automaton: Automaton, from: readonly Position[]): Position[] {
  const seen = new Map<string, Position>();
  const waiting = [...from];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const key = keyOf(at);
    if (seen.has(key)) continue;
    seen.set(key, at);
    if (automaton.finals[at.state] && at.calls) waiting.push(...ended(at.calls));
    for (const [kind, low, high, target] of edgesOf(automaton, at.state)) {
      if (kind === 1) waiting.push({ state: target, calls: at.calls });
      if (kind === 2 && depthOf(at.calls) < 128) {
        waiting.push({ state: low, calls: { target, outer: at.calls, read: 0 } });
      }
      if (kind === 3) {
        const { counts } = automaton;
        const repeat = { begin: low, least: counts[2 * high]!, most: counts[2 * high + 1]! };
        waiting.push({ state: low, calls: { target, outer: at.calls, repeat, read: 0 } });
      }
    }
  }
  return [...seen.values()];
}

/** Where it goes on after what was called. */
function ended(call: Call): Position[] {
  const { target, outer, repeat } = call;
  const read = call.read + 1;
  const positions: Position[] = [];
  if (!repeat || read >= repeat.least) positions.push({ state: target, calls: outer });
  if (repeat && read < repeat.most) positions.push({ state: repeat.begin, calls: { ...call, read } });
  return positions;
}

const START = [{ state: 0, calls: undefined }];
const isEnd = (automaton: Automaton) => (at: Position) => automaton.finals[at.state] === 1 && !at.calls;

/** `"text"` when it is one of the automaton's, `"beginning"` when only more of it would be, `"neither"`. */
export function read(automaton: Automaton, text: string | Buffer): "text" | "beginning" | "neither" {
  let positions = reachable(automaton, START);
  for (const byte of typeof text === "string" ? Buffer.from(text) : text) {
    const next = positions.flatMap(({ state, calls }) =>
      edgesOf(automaton, state)
        .filter(([kind, low, high]) => kind === 0 && low <= byte && byte <= high)
        .map(([, , , target]) => ({ state: target, calls })),
    );
    if (next.length === 0) return "neither";
    positions = reachable(automaton, next);
  }
  return positions.some(isEnd(automaton)) ? "text" : "beginning";
}

/** A random text of the automaton, or undefined when it became longer than `most` bytes. */
export function randomText(automaton: Automaton, next: () => number, most: number): string | undefined {
  const bytes: number[] = [];
  let positions = reachable(automaton, START);
  for (;;) {
    const choices = positions.flatMap(({ state, calls }) =>
      edgesOf(automaton, state)
        .filter(([kind]) => kind === 0)
        .map(([, low, high, target]) => ({ low, high, at: { state: target, calls } })),
    );
    const mayEnd = positions.some(isEnd(automaton));
    if (mayEnd && (choices.length === 0 || integer(next, 4) === 0)) return Buffer.from(bytes).toString();
    if (bytes.length >= most) return undefined;
    const { low, high } = choices[integer(next, choices.length)]!;
    const byte = low + integer(next, high - low + 1);
    bytes.push(byte);
    const reached = choices.filter((each) => each.low <= byte && byte <= each.high).map(({ at }) => at);
    positions = reachable(automaton, reached);
  }
}
