/** Grammars as networks of states and edges, which the engine follows byte by byte. */
import { UnsatisfiableConstraintError, UnsupportedError } from "../errors.js";
import { runNow, type Steps } from "../tokenizer/time-slices.js";
import type { CodePoints } from "./code-points.js";
import type { Expression, Grammar } from "./expression.js";
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

/** States and edges. A larger network is a mistake, or meant to do harm. */
const MOST_PARTS = 3 << 17;

/**
 * @throws {@link UnsatisfiableConstraintError} when no text is in the grammar, {@link UnsupportedError} when it is too
 *   large, or a rule begins with itself.
 */
export function buildAutomaton(grammar: Grammar): Automaton {
  return runNow(automatonSteps(grammar));
}

/** The same, in steps. */
export function* automatonSteps(grammar: Grammar): Steps<Automaton> {
  const network = new NetworkBuilder(grammar);
  yield* network.build();
  refuseLeftRecursion(network.edges, network.ruleStates);
  const useful = yield* usefulStates(network);
  if (!useful[0]) throw new UnsatisfiableConstraintError("The constraint allows no text at all");
  return yield* flatten(network, useful);
}

/** Ranges of code points from which on calling a set takes less than repeating it. */
const LARGE_SET = 32;

/** An expression whose texts are to lead from one state to another. */
interface Part {
  readonly expression: Expression;
  readonly from: number;
  readonly to: number;
}

class NetworkBuilder {
  readonly edges: Edge[][] = [];
  readonly finals = new Set<number>();
  readonly #grammar: Grammar;
  readonly #rules = new Map<string, number>();
  readonly #trees = new Map<string, ByteTree>();
  readonly #sets = new Map<ByteTree, number>();
  /** Not called by each other: however deep expressions are nested, the stack is not. */
  readonly #parts: Part[] = [];
  #count = 0;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  get ruleStates(): readonly number[] {
    return [...this.#rules.values()];
  }

  *build(): Steps<void> {
    this.#network(this.#grammar.start, this.#state());
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) {
      yield* this.#connect(part);
      yield;
    }
  }

  #network(expression: Expression, from: number): void {
    const to = this.#state();
    this.finals.add(to);
    this.#add(expression, from, to);
  }

  #state(): number {
    this.#grow();
    return this.edges.push([]) - 1;
  }

  #edge(from: number, ...edge: Edge): void {
    this.#grow();
    this.edges[from]!.push(edge);
  }

  #grow(): void {
    if (++this.#count <= MOST_PARTS) return;
    throw new UnsupportedError(
      `The constraint is too large: expected at most ${MOST_PARTS} states and edges`,
      { limit: MOST_PARTS },
    );
  }

  #add(expression: Expression, from: number, to: number): void {
    this.#parts.push({ expression, from, to });
  }

  *#connect({ expression, from, to }: Part): Steps<void> {
    switch (expression.kind) {
      case "characters":
        return this.#set(expression.set, from, to);
      case "text":
        return yield* this.#text(expression.text, from, to);
      case "sequence":
        return yield* this.#sequence(expression.items, from, to);
      case "choice":
        for (const option of expression.options) {
          this.#add(option, from, to);
          yield;
        }
        return;
      case "repeat":
        return yield* this.#repeat(expression, from, to);
      case "list":
        return yield* this.#list(expression, from, to);
      case "rule":
        return this.#edge(from, CALL, this.#rule(expression.name), 0, to);
    }
  }

  *#text(text: string, from: number, to: number): Steps<void> {
    let at = from;
    const bytes = Buffer.from(text);
    for (const [i, byte] of bytes.entries()) {
      const next = i === bytes.length - 1 ? to : this.#state();
      this.#edge(at, BYTES, byte, byte, next);
      at = next;
      yield;
    }
    if (bytes.length === 0) this.#edge(from, FREE, 0, 0, to);
  }

  *#sequence(items: readonly Expression[], from: number, to: number): Steps<void> {
    let at = from;
    for (const [i, item] of items.entries()) {
      const next = i === items.length - 1 ? to : this.#state();
      this.#add(item, at, next);
      at = next;
      yield;
    }
    if (items.length === 0) this.#edge(from, FREE, 0, 0, to);
  }

  /** A large set has a network of its own, which each place calls. */
  #set(set: CodePoints, from: number, to: number): void {
    const tree = this.#tree(set);
    if (set.length < LARGE_SET) return this.#characters(tree, from, to, new Map());
    let begin = this.#sets.get(tree);
    if (begin === undefined) {
      begin = this.#state();
      const end = this.#state();
      this.finals.add(end);
      this.#sets.set(tree, begin);
      this.#characters(tree, begin, end, new Map());
    }
    this.#edge(from, CALL, begin, 0, to);
  }

  #tree(set: CodePoints): ByteTree {
    const key = set.join();
    let tree = this.#trees.get(key);
    if (!tree) this.#trees.set(key, (tree = utf8Tree(set)));
    return tree;
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

  *#repeat({ item, least, most }: Expression & { kind: "repeat" }, from: number, to: number): Steps<void> {
    let at = from;
    const once = () => {
      const next = this.#state();
      this.#add(item, at, next);
      at = next;
    };
    for (let i = 0; i < least; i++) {
      once();
      yield;
    }
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
      yield;
    }
    this.#edge(at, FREE, 0, 0, to);
  }

  *#list({ items, separator }: Expression & { kind: "list" }, from: number, to: number): Steps<void> {
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
      yield;
    }
    this.#edge(none, FREE, 0, 0, to);
    this.#edge(some, FREE, 0, 0, to);
  }

  /** Where the rule begins. */
  #rule(name: string): number {
    const known = this.#rules.get(name);
    if (known !== undefined) return known;
    const begin = this.#state();
    this.#rules.set(name, begin);
    this.#network(this.#grammar.rules.get(name)!, begin);
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
function* usefulStates({ edges, finals }: NetworkBuilder): Steps<Uint8Array> {
  const useful = new Uint8Array(edges.length);
  const sources: { from: number; needs: number | undefined }[][] = Array.from(edges, () => []);
  for (const [from, list] of edges.entries()) {
    for (const [kind, low, , target] of list) {
      // A call leads on when its rule ends and what follows it does.
      sources[target]!.push({ from, needs: kind === CALL ? low : undefined });
      if (kind === CALL) sources[low]!.push({ from, needs: target });
    }
    yield;
  }
  const waiting: number[] = [];
  const mark = (state: number) => {
    if (useful[state]) return;
    useful[state] = 1;
    waiting.push(state);
  };
  for (const state of finals) mark(state);
  for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
    for (const { from, needs } of sources[state]!) {
      if (needs === undefined || useful[needs]) mark(from);
    }
    yield;
  }
  return useful;
}

function* flatten({ edges, finals }: NetworkBuilder, useful: Uint8Array): Steps<Automaton> {
  const firstEdges = new Int32Array(edges.length + 1);
  const kept: number[] = [];
  for (const [i, list] of edges.entries()) {
    for (const [kind, low, high, target] of list) {
      if (useful[target] && (kind !== CALL || useful[low])) kept.push(kind, low, high, target);
    }
    firstEdges[i + 1] = kept.length / 4;
    yield;
  }
  const isFinal = new Uint8Array(edges.length);
  for (const state of finals) isFinal[state] = 1;
  return { firstEdges, edges: Int32Array.from(kept), finals: isFinal };
}
