/** Token strings and their ids, packed: one pool of UTF-16 units and open-addressing tables over it. */
import { TokenizerError } from "../errors.js";
import { unitsToString } from "./aligned-text.js";
import type { Steps } from "./time-slices.js";

/** Multiplier of the rolling hash; odd, so that no information is lost. */
export const HASH_FACTOR = 0x9e3779b1 | 0;

/** No vocabulary has larger ids: what lies above is a hostile file. */
const LARGEST_ID = (1 << 22) - 1;

/** Rolling hash of units `from` to `to`: h = h * HASH_FACTOR + unit. */
export function hashUnits(units: Uint16Array, from: number, to: number): number {
  let hash = 0;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, HASH_FACTOR) + units[i]!) | 0;
  return hash;
}

function hashString(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, HASH_FACTOR) + text.charCodeAt(i)) | 0;
  return hash;
}

/** Spreads a rolling hash over the low bits. */
export function mixHash(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  return h ^ (h >>> 13);
}

/** Smallest power of two that leaves a table of `count` entries at most half full. */
export function tableSize(count: number): number {
  let size = 16;
  while (size < count * 2) size *= 2;
  return size;
}

/** UTF-16 units the pool has room for at first, per token. */
const USUAL_TOKEN_LENGTH = 8;

/** Where each id's token lies in the pool; a length of -1 means that no token has the id. */
export interface TokenPool {
  units: Uint16Array;
  begins: Int32Array;
  lengths: Int32Array;
}

/** Finds the id of a stretch of units by its rolling hash. */
export class TokenTable {
  private readonly slots: Int32Array;
  private readonly mask: number;
  private readonly hashes: Int32Array;
  /** Length of the longest entry, in units. */
  longest = 0;

  /** `skip`: leading units of every token that the table leaves out (a continuation prefix). */
  constructor(
    private readonly pool: TokenPool,
    count: number,
    private readonly skip: number,
  ) {
    this.slots = new Int32Array(tableSize(count));
    this.mask = this.slots.length - 1;
    this.hashes = new Int32Array(pool.begins.length);
  }

  add(id: number): void {
    const { units, begins, lengths } = this.pool;
    const from = begins[id]! + this.skip;
    const to = begins[id]! + lengths[id]!;
    const hash = hashUnits(units, from, to);
    if (this.find(units, from, to, hash) >= 0) return;
    this.hashes[id] = hash;
    let slot = mixHash(hash) & this.mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = id + 1;
    this.longest = Math.max(this.longest, to - from);
  }

  /** The id of units `from` to `to`, whose rolling hash is `hash`, or -1. */
  find(units: Uint16Array, from: number, to: number, hash: number): number {
    let slot = mixHash(hash) & this.mask;
    for (;;) {
      const id = this.slots[slot]! - 1;
      if (id < 0) return -1;
      if (this.hashes[id] === hash && this.equals(id, units, from, to)) return id;
      slot = (slot + 1) & this.mask;
    }
  }

  /** The id of a string, or -1. */
  findString(text: string): number {
    const hash = hashString(text);
    let slot = mixHash(hash) & this.mask;
    for (;;) {
      const id = this.slots[slot]! - 1;
      if (id < 0) return -1;
      if (this.hashes[id] === hash && this.equalsString(id, text)) return id;
      slot = (slot + 1) & this.mask;
    }
  }

  private equals(id: number, units: Uint16Array, from: number, to: number): boolean {
    const pool = this.pool;
    if (pool.lengths[id]! - this.skip !== to - from) return false;
    const pooled = pool.units;
    let at = pool.begins[id]! + this.skip;
    for (let i = from; i < to; i++, at++) if (pooled[at] !== units[i]) return false;
    return true;
  }

  private equalsString(id: number, text: string): boolean {
    const pool = this.pool;
    if (pool.lengths[id]! - this.skip !== text.length) return false;
    const begin = pool.begins[id]! + this.skip;
    for (let i = 0; i < text.length; i++) if (pool.units[begin + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}

/** Tokens in an order, made when asked for: an array, or strings that a file still holds as bytes. */
export interface TokenList {
  readonly length: number;
  /** The token at `index`, which is not negative; undefined after the last. */
  at(index: number): string | undefined;
}

/** A vocabulary of a model, without added tokens. */
export class Vocabulary {
  private constructor(
    readonly pool: TokenPool,
    /** Number of tokens. */
    readonly size: number,
    /** Ids by token. */
    readonly table: TokenTable,
  ) {}

  /** Ids are below this. */
  get idLimit(): number {
    return this.pool.lengths.length;
  }

  /**
   * Packs tokens and ids. Two tokens with one id are an error; a string that comes again keeps its last id, as in the
   * reference, and its earlier ids still name it.
   */
  static *build(tokens: TokenList, ids: ArrayLike<number>, field: string): Steps<Vocabulary> {
    let limit = 0;
    for (let i = 0; i < tokens.length; i++) {
      const id = ids[i]!;
      if (!Number.isInteger(id) || id < 0 || id > LARGEST_ID) throw badId(tokens.at(i)!, id, field);
      limit = Math.max(limit, id + 1);
      if (i % 4096 === 0) yield;
    }
    const pool: TokenPool = {
      units: new Uint16Array(tokens.length * USUAL_TOKEN_LENGTH),
      begins: new Int32Array(limit),
      lengths: new Int32Array(limit).fill(-1),
    };
    yield;
    const table = new TokenTable(pool, tokens.length, 0);
    yield;
    // The last id of a string is the one found: entries that are there are not replaced, so add from the end.
    let at = 0;
    for (let i = tokens.length - 1; i >= 0; i--) {
      at = store(pool, tokens.at(i)!, ids[i]!, at, field);
      table.add(ids[i]!);
      if (i % 256 === 0) yield;
    }
    return new Vocabulary(pool, tokens.length, table);
  }

  /** The id of units `from` to `to`, whose rolling hash is `hash`, or -1. */
  find(units: Uint16Array, from: number, to: number, hash: number): number {
    return this.table.find(units, from, to, hash);
  }

  /** The id of a token, or -1. */
  idOf(token: string): number {
    return this.table.findString(token);
  }

  /** The token of an id, or undefined. */
  tokenOf(id: number): string | undefined {
    const length = this.pool.lengths[id];
    if (length === undefined || length < 0) return undefined;
    const begin = this.pool.begins[id]!;
    return unitsToString(this.pool.units, begin, begin + length);
  }

  /** Length of the longest token, in UTF-16 units. */
  get longest(): number {
    return this.table.longest;
  }
}

function store(pool: TokenPool, token: string, id: number, at: number, field: string): number {
  if (pool.lengths[id] !== -1) {
    const message = `Expected one token per id in ${field} but received id ${id} twice`;
    throw new TokenizerError(message, { field, id });
  }
  pool.begins[id] = at;
  pool.lengths[id] = token.length;
  if (at + token.length > pool.units.length) reserve(pool, at + token.length);
  const { units } = pool;
  for (let i = 0; i < token.length; i++) units[at++] = token.charCodeAt(i);
  return at;
}

function reserve(pool: TokenPool, length: number): void {
  const larger = new Uint16Array(Math.max(length, Math.ceil(pool.units.length * 1.5)));
  larger.set(pool.units);
  pool.units = larger;
}

function badId(token: string, id: number, field: string): TokenizerError {
  const shown = JSON.stringify(token.slice(0, 40));
  const message = `Expected an id from 0 to ${LARGEST_ID} for token ${shown} of ${field} but received ${String(id)}`;
  return new TokenizerError(message, { field, token, id });
}
