// Writes SentencePiece's compiled normalization rules, the blob of the Precompiled normalizer: a double-array trie in
// the format of Darts-clone and the replacements. For tests, and for generate-unigram.mjs.

const BLOCK = 256;
const HAS_VALUE = 1 << 8;

/** Finds places for the children of a unit: a block in which every label's unit is free. */
class Units {
  units = new Uint32Array(BLOCK);
  used = new Uint8Array(BLOCK);
  usedBlocks = new Set([0]);
  firstFree = 1;

  ensure(place) {
    while (place >= this.units.length) {
      const grow = (array) => {
        const larger = new array.constructor(array.length * 2);
        larger.set(array);
        return larger;
      };
      this.units = grow(this.units);
      this.used = grow(this.used);
    }
  }

  /** A block for children with these labels, the first of which is the least. */
  place(labels, parent) {
    for (let free = this.firstFree; ; free++) {
      this.ensure(free | 0xff);
      if (this.used[free]) {
        if (free === this.firstFree) this.firstFree++;
        continue;
      }
      const block = free ^ labels[0];
      const offset = block ^ parent;
      // A larger offset is stored without its low eight bits.
      if (this.usedBlocks.has(block) || (offset >= 1 << 21 && (offset & 0xff) !== 0)) continue;
      if (labels.some((label) => this.used[block ^ label])) continue;
      this.usedBlocks.add(block);
      for (const label of labels) this.used[block ^ label] = 1;
      return block;
    }
  }
}

const encodeOffset = (offset) => (offset < 1 << 21 ? offset << 10 : (offset << 2) | (1 << 9)) >>> 0;

function buildTrie(keys, values) {
  const all = new Units();
  all.used[0] = 1;
  /** Keys from `from` to `to` share `depth` bytes and lead to the unit at `at`. */
  const build = (from, to, depth, at) => {
    const labels = [];
    const groups = [];
    for (let i = from; i < to; i++) {
      const label = keys[i][depth] ?? 0;
      if (labels.at(-1) !== label) {
        labels.push(label);
        groups.push(i);
      }
    }
    const block = all.place(labels, at);
    all.units[at] = (all.units[at] | encodeOffset(block ^ at) | (labels[0] === 0 ? HAS_VALUE : 0)) >>> 0;
    for (const label of labels) if (label !== 0) all.units[block ^ label] = label;
    labels.forEach((label, n) => {
      if (label === 0) all.units[block] = (0x80000000 | values[groups[n]]) >>> 0;
      else build(groups[n], groups[n + 1] ?? to, depth + 1, block ^ label);
    });
  };
  if (keys.length > 0) build(0, keys.length, 0, 0);
  let length = all.units.length;
  while (length > BLOCK && !all.used.subarray(length - BLOCK, length).includes(1)) length -= BLOCK;
  return all.units.subarray(0, length);
}

/**
 * The map of rules from strings (or bytes without a zero) to strings. Keys must not be empty.
 *
 * @param {Iterable<[string | Uint8Array, string]>} rules
 * @returns {Buffer}
 */
export function compileCharsmap(rules) {
  const texts = [];
  const places = new Map();
  let size = 0;
  const placeOf = (text) => {
    if (!places.has(text)) {
      places.set(text, size);
      texts.push(Buffer.from(`${text}\0`));
      size += texts.at(-1).length;
    }
    return places.get(text);
  };
  const entries = [...rules]
    .map(([key, text]) => ({ key: Buffer.from(key), value: placeOf(text) }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  const units = buildTrie(
    entries.map(({ key }) => key),
    entries.map(({ value }) => value),
  );
  const head = Buffer.alloc(4 + units.length * 4);
  head.writeUInt32LE(units.length * 4, 0);
  units.forEach((unit, i) => head.writeUInt32LE(unit, 4 + i * 4));
  return Buffer.concat([head, ...texts]);
}
