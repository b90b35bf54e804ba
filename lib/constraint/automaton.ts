/** Grammars as networks of states and edges, which the engine follows byte by byte. */
import { UnsatisfiableConstraintError, UnsupportedError } from "../errors.js";
import { characters, type Expression, type Grammar } from "./expression.js";
import { ofText } from "./code-points.js";
import { utf8Tree, type ByteTree } from "./utf8.js";

/** What the engine takes: see `Network` in native/constraint/automaton.h. */
export interface Automaton {
  /** [N + 1] where the edges of each state begin. */
  readonly firstEdges: Int32Array;
  /** [E, 4] kind, low, high, target. */
  readonly edges: Int32Array;
  /** [N] 1 where a text, or a rule, may end. State 0 is the start. */
  readonly finals: Uint8Array;
}

const BYTES = 0;
const FREE = 1;
const CALL = 2;
type Edge = readonly [kind: number, low: number, high: number, target: number];

/** A larger network is a mistake, or meant to do harm. */
const MOST_EDGES = 1 << 18;

/**
 * @throws {@link UnsatisfiableConstraintError} when no text is in the grammar, {@link UnsupportedError} when it is too
 *   large, or a rule begins with itself.
 */
export function buildAutomaton(grammar: Grammar): Automaton {
  const network = new NetworkBuilder(grammar);
  const useful = usefulStates(network);
  if (!useful[0]) throw new UnsatisfiableConstraintError("The constraint allows no text at all");
  return flatten(network, useful);
}

class NetworkBuilder {
  readonly edges: Edge[][] = [];
  readonly finals = new Set<number>();
  readonly #rules = new Map<string, number>();
  readonly #waiting: string[] = [];
  #count = 0;

  constructor(grammar: Grammar) {
    this.#network(grammar.start);
    for (let name = this.#waiting.pop(); name !== undefined; name = this.#waiting.pop()) {
      const begin = this.#rules.get(name)!;
      const end = this.#state();
      this.finals.add(end);
      this.#add(grammar.rules.get(name)!, begin, end);
    }
    refuseLeftRecursion(this.edges, [...this.#rules.values()]);
  }

  #network(expression: Expression): void {
    const begin = this.#state();
    const end = this.#state();
    this.finals.add(end);
    this.#add(expression, begin, end);
  }

  #state(): number {
    return this.edges.push([]) - 1;
  }

  #edge(from: number, ...edge: Edge): void {
    if (++this.#count > MOST_EDGES) {
      throw new UnsupportedError(`The constraint is too large: expected at most ${MOST_EDGES} edges`, {
        limit: MOST_EDGES,
      });
    }
    this.edges[from]!.push(edge);
  }

  /** Has the expression's texts lead from one state to the other. */
  #add(expression: Expression, from: number, to: number): void {
    switch (expression.kind) {
      case "characters":
        return this.#characters(utf8Tree(expression.set), from, to, new Map());
      case "text":
        return this.#chain(
          Array.from(expression.text, (each) => characters(ofText(each))),
          from,
          to,
        );
      case "sequence":
        return this.#chain(expression.items, from, to);
      case "choice":
        for (const option of expression.options) this.#add(option, from, to);
        return;
      case "repeat":
        return this.#repeat(expression, from, to);
      case "list":
        return this.#list(expression, from, to);
      case "rule":
        return this.#edge(from, CALL, this.#rule(expression.name), 0, to);
    }
  }

  #chain(items: readonly Expression[], from: number, to: number): void {
    let at = from;
    for (const [i, item] of items.entries()) {
      const next = i === items.length - 1 ? to : this.#state();
      this.#add(item, at, next);
      at = next;
    }
    if (items.length === 0) this.#edge(from, FREE, 0, 0, to);
  }

  /** One network for each place: what begins or ends alike shares its states. */
  #characters(tree: ByteTree, from: number, to: number, states: Map<ByteTree, number>): void {
    for (const { low, high, next } of tree.branches) {
      if (next.branches.length === 0) {
        this.#edge(from, BYTES, low, high, to);
        continue;
      }
      let state = states.get(next);
      if (state === undefined) {
        state = this.#state();
        states.set(next, state);
        this.#characters(next, state, to, states);
      }
      this.#edge(from, BYTES, low, high, state);
    }
  }

  #repeat({ item, least, most }: Expression & { kind: "repeat" }, from: number, to: number): void {
    let at = from;
    const once = () => {
      const next = this.#state();
      this.#add(item, at, next);
      at = next;
    };
    for (let i = 0; i < least; i++) once();
    if (most === Number.POSITIVE_INFINITY) {
      const loop = this.#state();
      this.#edge(at, FREE, 0, 0, loop);
      this.#add(item, loop, loop);
      this.#edge(loop, FREE, 0, 0, to);
      return;
    }
    for (let i = least; i < most; i++) {
      this.#edge(at, FREE, 0, 0, to);
      once();
    }
    this.#edge(at, FREE, 0, 0, to);
  }

  #list({ items, separator }: Expression & { kind: "list" }, from: number, to: number): void {
    let none = from;
    let some = this.#state();
    // Nothing leads to `some` before the first item.
    for (const { item, required, repeated } of items) {
      const begin = this.#state();
      const end = this.#state();
      this.#edge(none, FREE, 0, 0, begin);
      this.#add(separator, some, begin);
      this.#add(item, begin, end);
      if (repeated) this.#add(separator, end, begin);
      const [nextNone, nextSome] = [this.#state(), this.#state()];
      this.#edge(end, FREE, 0, 0, nextSome);
      if (!required) {
        this.#edge(none, FREE, 0, 0, nextNone);
        this.#edge(some, FREE, 0, 0, nextSome);
      }
      [none, some] = [nextNone, nextSome];
    }
    this.#edge(none, FREE, 0, 0, to);
    this.#edge(some, FREE, 0, 0, to);
  }

  #rule(name: string): number {
    const known = this.#rules.get(name);
    if (known !== undefined) return known;
    const begin = this.#state();
    this.#rules.set(name, begin);
    this.#waiting.push(name);
    return begin;
  }
}

/** A rule that calls itself before it has read anything would never end. */
function refuseLeftRecursion(edges: readonly Edge[][], rules: readonly number[]): void {
  const calledFirst = new Map(rules.map((begin) => [begin, callsWithoutBytes(edges, begin)]));
  const open = new Set<number>();
  const done = new Set<number>();
  const visit = (begin: number): void => {
    if (done.has(begin)) return;
    if (open.has(begin)) {
      throw new UnsupportedError("A part of the constraint refers to itself before it has any text");
    }
    open.add(begin);
    for (const called of calledFirst.get(begin)!) visit(called);
    open.delete(begin);
    done.add(begin);
  };
  for (const begin of rules) visit(begin);
}

function callsWithoutBytes(edges: readonly Edge[][], begin: number): Set<number> {
  const calls = new Set<number>();
  const seen = new Set([begin]);
  const waiting = [begin];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const [kind, low, , target] of edges[at]!) {
      if (kind === CALL) calls.add(low);
      if (kind !== FREE || seen.has(target)) continue;
      seen.add(target);
      waiting.push(target);
    }
  }
  return calls;
}

/** Whether each state leads to the end of its rule. */
function usefulStates({ edges, finals }: NetworkBuilder): Uint8Array {
  const useful = new Uint8Array(edges.length);
  const sources = new Map<number, { from: number; needs: number | undefined }[]>();
  const remember = (state: number, from: number, needs?: number) => {
    const list = sources.get(state);
    if (list) list.push({ from, needs });
    else sources.set(state, [{ from, needs }]);
  };
  edges.forEach((list, from) => {
    for (const [kind, low, , target] of list) {
      // A call leads on when its rule ends and what follows it does.
      remember(target, from, kind === CALL ? low : undefined);
      if (kind === CALL) remember(low, from, target);
    }
  });
  const waiting: number[] = [];
  const mark = (state: number) => {
    if (useful[state]) return;
    useful[state] = 1;
    waiting.push(state);
  };
  for (const state of finals) mark(state);
  for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
    for (const { from, needs } of sources.get(state) ?? []) {
      if (needs === undefined || useful[needs]) mark(from);
    }
  }
  return useful;
}

function flatten({ edges, finals }: NetworkBuilder, useful: Uint8Array): Automaton {
  const kept = edges.map((list) =>
    list.filter(([kind, low, , target]) => useful[target] && (kind !== CALL || useful[low])),
  );
  const firstEdges = new Int32Array(edges.length + 1);
  kept.forEach((list, i) => (firstEdges[i + 1] = firstEdges[i]! + list.length));
  return {
    firstEdges,
    edges: Int32Array.from(kept.flat(2)),
    finals: Uint8Array.from(edges, (_, i) => (finals.has(i) ? 1 : 0)),
  };
}
