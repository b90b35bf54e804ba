/** Sets of code points as sequences of ranges of bytes: their UTF-8. */
import type { Steps } from "../tokenizer/time-slices.js";
import type { CodePoints } from "./code-points.js";

/** A range for each byte, from the first to the last. */
export type ByteRanges = readonly (readonly [number, number])[];

/** The same as a tree in which sequences that begin or end alike share that; its leaves have no branches. */
export interface ByteTree {
  readonly branches: readonly { readonly low: number; readonly high: number; readonly next: ByteTree }[];
}

const trees = new WeakMap<CodePoints, ByteTree>();

export function* utf8Tree(set: CodePoints): Steps<ByteTree> {
  const tree = trees.get(set) ?? (yield* treeOf(utf8Ranges(set), new Map()));
  trees.set(set, tree);
  return tree;
}

function* treeOf(parts: readonly ByteRanges[], known: Map<string, ByteTree>): Steps<ByteTree> {
  yield;
  const shape = JSON.stringify(parts);
  const found = known.get(shape);
  if (found) return found;
  const byFirst = new Map<string, ByteRanges[]>();
  for (const [first, ...rest] of parts) {
    if (!first) continue;
    const key = first.join();
    const alike = byFirst.get(key);
    if (alike) alike.push(rest);
    else byFirst.set(key, [rest]);
  }
  const branches: { low: number; high: number; next: ByteTree }[] = [];
  for (const [key, rests] of byFirst) {
    const [low, high] = key.split(",").map(Number) as [number, number];
    branches.push({ low, high, next: yield* treeOf(rests, known) });
  }
  const tree = { branches };
  known.set(shape, tree);
  return tree;
}

/** Where UTF-8 takes a byte more. */
const LIMITS = [0x80, 0x800, 0x10000, 0x110000];

export function utf8Ranges(set: CodePoints): ByteRanges[] {
  return set.flatMap(([first, last]) => {
    const parts: ByteRanges[] = [];
    let from = first;
    LIMITS.forEach((limit, continuations) => {
      if (from > last || from >= limit) return;
      const to = Math.min(last, limit - 1);
      parts.push(...sameLength(from, to, continuations));
      from = to + 1;
    });
    return parts;
  });
}

/** Of code points that take as many bytes: their first and their continuations. */
function sameLength(first: number, last: number, continuations: number): ByteRanges[] {
  if (continuations === 0) return [[[first, last]]];
  const a = bytes(first, continuations);
  const b = bytes(last, continuations);
  return between(a, b);
}

function bytes(code: number, continuations: number): number[] {
  const all: number[] = [];
  for (let i = 0; i < continuations; i++) all.unshift(0x80 | ((code >> (6 * i)) & 0x3f));
  const rest = code >> (6 * continuations);
  const lead = continuations === 1 ? 0xc0 : continuations === 2 ? 0xe0 : 0xf0;
  return [lead | rest, ...all];
}

/** All byte sequences from `a` to `b`, of the same length; bytes after the first go from 0x80 to 0xbf. */
function between(a: readonly number[], b: readonly number[]): ByteRanges[] {
  const [x, ...restA] = a;
  const [y, ...restB] = b;
  if (restA.length === 0) return [[[x!, y!]]];
  if (x === y) return after([x!, x!], between(restA, restB));
  const lowest = restA.map(() => 0x80);
  const highest = restA.map(() => 0xbf);
  const from = restA.every((byte) => byte === 0x80) ? x! : x! + 1;
  const to = restB.every((byte) => byte === 0xbf) ? y! : y! - 1;
  return [
    ...(from === x ? [] : after([x!, x!], between(restA, highest))),
    ...(from > to ? [] : after([from, to], between(lowest, highest))),
    ...(to === y ? [] : after([y!, y!], between(lowest, restB))),
  ];
}

function after(first: readonly [number, number], rests: readonly ByteRanges[]): ByteRanges[] {
  return rests.map((rest) => [first].concat(rest as [number, number][]));
}
