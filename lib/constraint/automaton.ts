/** Grammars as networks of states and edges, which the engine follows byte by byte. */
import { UnsatisfiableConstraintError, UnsupportedError } from "../errors.js";
import { runNow, type Steps } from "../tokenizer/time-slices.js";
import type { CodePoints } from "./code-points.js";
import { mayBeEmpty, type Expression, type Grammar } from "./expression.js";
import { utf8Tree, type ByteTree } from "./utf8.js";

/** What the engine takes: see `Network` in native/constraint/automaton.h. */
export interface Automaton {
  /** [N + 1] where the edges of each state begin. */
  readonly firstEdges: Int32Array;
  /** [E, 4] kind, low, high, target. */
  readonly edges: Int32Array;
  /** [N] 1 where a text, a rule, or what is repeated may end. State 0 is the start. */
  readonly finals: Uint8Array;
  /** [C, 2] how often something is repeated, at least and at most. */
  readonly counts: Int32Array;
}

const BYTES = 0;
const FREE = 1;
/** Through the network that begins at `low`. */
const CALL = 2;
/** The same, as often as counts[high] say. */
const REPEAT = 3;
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
  refuseLeftRecursion(network.edges, network.called);
  const useful = yield* usefulStates(network);
  if (!useful[0]) throw new UnsatisfiableConstraintError("The constraint allows no text at all");
  return yield* flatten(network, useful);
}

/** Ranges of code points from which on calling a set takes less than repeating it. */
const LARGE_SET = 32;
/** Occurrences from which on they are counted instead of written out. Fewer are cheaper to follow in writing. */
const MANY = 17;
/** More than any text has: for the engine, no limit. */
const MOST_COUNTED = 2 ** 31 - 1;

/** An expression whose texts are to lead from one state to another. */
interface Part {
  readonly expression: Expression;
  readonly from: number;
  readonly to: number;
}

class NetworkBuilder {
  readonly edges: Edge[][] = [];
  readonly finals = new Set<number>();
  readonly counts: number[] = [];
  readonly #grammar: Grammar;
  readonly #rules = new Map<string, number>();
  readonly #trees = new Map<string, ByteTree>();
  readonly #sets = new Map<ByteTree, number>();
  readonly #items = new Map<Expression, number>();
  readonly #mayBeEmpty = new Map<Expression, boolean>();
  /** Not called by each other: however deep expressions are nested, the stack is not. */
  readonly #parts: Part[] = [];
  #count = 0;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  /** Where the networks that others call begin. */
  get called(): readonly number[] {
    return [...this.#rules.values(), ...this.#sets.values(), ...this.#items.values()];
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
        return this.#set(expression.set, yield* this.#tree(expression.set), from, to);
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
  #set(set: CodePoints, tree: ByteTree, from: number, to: number): void {
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

  *#tree(set: CodePoints): Steps<ByteTree> {
    const key = set.join();
    const tree = this.#trees.get(key) ?? (yield* utf8Tree(set));
    this.#trees.set(key, tree);
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

  *#repeat(expression: Expression & { kind: "repeat" }, from: number, to: number): Steps<void> {
    const { item, least, most } = expression;
    const isMany = (most === Number.POSITIVE_INFINITY ? least : most) >= MANY;
    // Each occurrence that is counted takes a byte: the engine relies on it.
    if (isMany && !(yield* mayBeEmpty(item, this.#mayBeEmpty))) return this.#counted(expression, from, to);
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

  #counted({ item, least, most }: Expression & { kind: "repeat" }, from: number, to: number): void {
    if (least > MOST_COUNTED) {
      throw new UnsupportedError(`The constraint is too large: ${least} times is more than any text has`, {
        limit: MOST_COUNTED,
      });
    }
    if (least === 0) this.#edge(from, FREE, 0, 0, to);
    let begin = this.#items.get(item);
    if (begin === undefined) {
      begin = this.#state();
      this.#items.set(item, begin);
      this.#network(item, begin);
    }
    this.counts.push(Math.max(1, least), Math.min(most, MOST_COUNTED));
    this.#edge(from, REPEAT, begin, this.counts.length / 2 - 1, to);
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
function refuseLeftRecursion(edges: readonly Edge[][], called: readonly number[]): void {
  const calledFirst = new Map(called.map((begin) => [begin, callsWithoutBytes(edges, begin)]));
  const open = new Set<number>();
  const done = new Set<number>();
  const visit = (begin: number): void => {
    if (done.has(begin)) return;
    if (open.has(begin)) {
      throw new UnsupportedError("A part of the constraint refers to itself before it has any text");
    }
    open.add(begin);
    for (const next of calledFirst.get(begin)!) visit(next);
    open.delete(begin);
    done.add(begin);
  };
  for (const begin of called) visit(begin);
}

function isCall(kind: number): boolean {
  return kind === CALL || kind === REPEAT;
}

function callsWithoutBytes(edges: readonly Edge[][], begin: number): Set<number> {
  const calls = new Set<number>();
  const seen = new Set([begin]);
  const waiting = [begin];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const [kind, low, , target] of edges[at]!) {
      if (isCall(kind)) calls.add(low);
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
  const sources: { from: number; needs: number | undefined }[][] = [];
  for (const _ of edges) {
    sources.push([]);
    yield;
  }
  for (const [from, list] of edges.entries()) {
    for (const [kind, low, , target] of list) {
      // A call leads on when its network ends and what follows it does.
      sources[target]!.push({ from, needs: isCall(kind) ? low : undefined });
      if (isCall(kind)) sources[low]!.push({ from, needs: target });
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

function* flatten({ edges, finals, counts }: NetworkBuilder, useful: Uint8Array): Steps<Automaton> {
  const firstEdges = new Int32Array(edges.length + 1);
  const isKept = ([kind, low, , target]: Edge) => useful[target] && (!isCall(kind) || useful[low]);
  for (const [i, list] of edges.entries()) {
    firstEdges[i + 1] = firstEdges[i]! + list.filter(isKept).length;
    yield;
  }
  const kept = new Int32Array(4 * firstEdges.at(-1)!);
  let at = 0;
  for (const list of edges) {
    for (const edge of list.filter(isKept)) {
      kept.set(edge, at);
      at += 4;
    }
    yield;
  }
  const isFinal = new Uint8Array(edges.length);
  for (const state of finals) isFinal[state] = 1;
  return { firstEdges, edges: kept, finals: isFinal, counts: Int32Array.from(counts) };
}
