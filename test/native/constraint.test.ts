/** The engine's own checks of vocabularies and automata. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Automaton } from "../../lib/constraint/automaton.js";
import { native, type NativeConstraint, type NativeVocabulary } from "../../lib/native.js";
import { read } from "../support/automaton.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { loadNative, randomGpt2 } from "./models.js";
import { generate } from "./requests.js";

const folder = temporaryFolder();

const NETWORK = {
  firstEdges: Int32Array.of(0, 1, 1),
  edges: Int32Array.of(0, 97, 98, 1),
  finals: Uint8Array.of(0, 1),
  counts: new Int32Array(0),
};
const REPEATED = { ...NETWORK, edges: Int32Array.of(3, 0, 0, 1) };
const make = (bytes: unknown = Buffer.from("abc"), offsets: unknown = Int32Array.of(0, 1, 3)) =>
  new (native().Vocabulary)(bytes as Uint8Array, offsets as Int32Array);

describe("a vocabulary", () => {
  it("takes bytes and their offsets", () => {
    expect(make()).toBeDefined();
    expect(make(new Uint8Array(0), Int32Array.of(0, 0, 0))).toBeDefined();
  });

  it.each([
    ["offsets beyond the bytes", Buffer.from("a"), Int32Array.of(0, 2)],
    ["offsets that do not reach their end", Buffer.from("ab"), Int32Array.of(0, 1)],
    ["offsets out of order", Buffer.from("ab"), Int32Array.of(0, 2, 1, 2)],
    ["negative offsets", Buffer.from("ab"), Int32Array.of(-1, 2)],
    ["no tokens", Buffer.from(""), Int32Array.of(0)],
    ["other arrays", [1, 2], Int32Array.of(0, 1)],
    ["other offsets", Buffer.from("ab"), [0, 2]],
  ])("is refused for %s", (_, bytes, offsets) => {
    expect(() => make(bytes, offsets)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error,
    );
  });

  it("is refused for a token that is too long", () => {
    expect(() => make(new Uint8Array(70_000), Int32Array.of(0, 70_000))).toThrow(/65535/);
  });
});

describe("an automaton", () => {
  let vocabulary: NativeVocabulary;
  beforeAll(() => void (vocabulary = make()));

  it.each([
    ["no object", 7],
    ["no states", { ...NETWORK, firstEdges: Int32Array.of(0), finals: new Uint8Array(0) }],
    ["too few edges", { ...NETWORK, edges: new Int32Array(0) }],
    ["edges in pieces", { ...NETWORK, edges: Int32Array.of(0, 97, 98) }],
    ["edges out of order", { ...NETWORK, firstEdges: Int32Array.of(0, 2, 1) }],
    ["an edge to no state", { ...NETWORK, edges: Int32Array.of(0, 97, 98, 2) }],
    ["an edge to a negative state", { ...NETWORK, edges: Int32Array.of(1, 0, 0, -1) }],
    ["no byte", { ...NETWORK, edges: Int32Array.of(0, 97, 256, 1) }],
    ["no range", { ...NETWORK, edges: Int32Array.of(0, 98, 97, 1) }],
    ["no kind", { ...NETWORK, edges: Int32Array.of(4, 97, 98, 1) }],
    ["a call of no state", { ...NETWORK, edges: Int32Array.of(2, 5, 0, 1) }],
    ["a repetition without a count", REPEATED],
    [
      "a repetition of no state",
      { ...REPEATED, edges: Int32Array.of(3, 5, 0, 1), counts: Int32Array.of(1, 2) },
    ],
    ["half a count", { ...NETWORK, counts: Int32Array.of(1) }],
    ["a count of nothing", { ...NETWORK, counts: Int32Array.of(0, 2) }],
    ["a count with least above most", { ...NETWORK, counts: Int32Array.of(3, 2) }],
  ])("is refused for %s", (_, network) => {
    expect(() => vocabulary.constrain(network as typeof NETWORK)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error,
    );
  });

  it.each([undefined, {}, make, Object.create(null)])("is no constraint: %s", async (constraint) => {
    const { spec } = await randomGpt2(folder, { type: "F32", H: 32, A: 2, F: 64, L: 1, V: 8, context: 16 });
    const model = await loadNative(spec, { threads: 1 });
    const run = () => generate(model, [1], 2, { sampling: { constraint: constraint as NativeConstraint } });
    if (constraint === undefined) await run();
    else await expect(run()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await model.dispose();
  });
});

const V = 67;

const NO_LIMIT = 2 ** 31 - 1;

/** A network of a few states without pruning: it has dead ends, and rules that call themselves. */
function randomNetwork(next: () => number): Automaton {
  const states = 2 + integer(next, 6);
  const counts = Array.from({ length: 3 }, () => {
    const least = 1 + integer(next, 8);
    return [least, [least, least + integer(next, 9), NO_LIMIT][integer(next, 3)]!];
  });
  const bytes = () => {
    const low = 97 + integer(next, 5);
    return [0, low, low + integer(next, 4), integer(next, states)];
  };
  const edge = () => {
    const target = integer(next, states);
    switch (integer(next, 7)) {
      case 0:
        return [1, 0, 0, target];
      case 1:
        return [2, integer(next, states), 0, target];
      case 2:
        return [3, states - 1, integer(next, counts.length), target];
      default:
        return bytes();
    }
  };
  // What is repeated begins in the last state, with a byte.
  const lists = Array.from({ length: states }, (_, i) =>
    i === states - 1 ? [bytes(), bytes()] : Array.from({ length: 1 + integer(next, 3) }, edge),
  );
  const firstEdges = new Int32Array(states + 1);
  lists.forEach((list, i) => (firstEdges[i + 1] = firstEdges[i]! + list.length));
  return {
    firstEdges,
    edges: Int32Array.from(lists.flat(2)),
    finals: Uint8Array.from({ length: states }, (_, i) => (i < states - 1 && integer(next, 3) === 0 ? 1 : 0)),
    counts: Int32Array.from(counts.flat()),
  };
}

describe("random automata (seed 98)", () => {
  it("are followed as they are when read plainly", async () => {
    const next = random(98);
    const { spec } = await randomGpt2(folder, { type: "F32", H: 32, A: 2, F: 64, L: 1, V, context: 64 });
    const model = await loadNative(spec, { threads: 2 });
    // Tokens of one to three letters, some of them the same; the last two ids have none.
    const tokens = Array.from({ length: V - 2 }, () =>
      Array.from({ length: 1 + integer(next, 3) }, () => String.fromCharCode(97 + integer(next, 8))).join(""),
    );
    const offsets = new Int32Array(V - 1);
    tokens.forEach((token, id) => (offsets[id + 1] = offsets[id]! + token.length));
    const vocabulary = make(Buffer.from(tokens.join("")), offsets);
    const stopIds = Int32Array.of(V - 1);
    const outcomes = { complete: 0, unfinished: 0, stuck: 0 };
    for (let round = 0; round < 300; round++) {
      const network = randomNetwork(next);
      const constraint = vocabulary.constrain(network);
      const sampling = { temperature: 2, seed: round, constraint };
      const [first, second] = await Promise.allSettled([
        generate(model, [1, 2], 8, { sampling, stopIds }),
        generate(model, [1, 2], 8, { sampling, stopIds }),
      ]);
      if (first.status === "rejected") {
        // Nothing may follow; or rules that begin with themselves are read in too many ways.
        expect(["INVALID_ARGUMENT", "UNSUPPORTED"]).toContain((first.reason as { code: string }).code);
        outcomes.stuck++;
        continue;
      }
      const text = Array.from(first.value.tokens, (id) => tokens[id]!).join("");
      const outcome = read(network, text);
      expect(outcome).not.toBe("neither");
      if (first.value.finishReason === "stop") {
        expect(outcome).toBe("text");
        outcomes.complete++;
      } else outcomes.unfinished++;
      expect((second as typeof first).value.tokens).toEqual(first.value.tokens);
      // Each token was allowed, and one that was not would have shown.
      let before = "";
      for (const id of first.value.tokens) {
        before += tokens[id]!;
        expect(read(network, before)).not.toBe("neither");
      }
    }
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(10);
    await model.dispose();
  });
});
