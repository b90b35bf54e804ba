/**
 * Sessions on disk. Little-endian:
 *
 * | bytes | content |
 * | --- | --- |
 * | 8 | `GGTSESSN` |
 * | 4 | version, 1 |
 * | 4 | length of the next part |
 * | … | JSON: `fingerprint` of the model, `tokens`, how many of them are `evaluated`, and `kvType` if not `"f32"` |
 * | 4 · tokens | token ids |
 * | … | float32 keys and values of the evaluated tokens, in chunks of {@link chunkTokens}: [L][2][n, {@link SessionModel.keyLength}] each |
 * | 32 | SHA-256 of everything before |
 */
import { createHash, type Hash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { SessionFileError } from "./errors.js";
import { callNative, type KvType, type NativeSession } from "./native.js";

const MAGIC = "GGTSESSN";
const VERSION = 1;
const PREFIX_BYTES = 16;
const MOST_HEADER_BYTES = 4096;
const DIGEST_BYTES = 32;
/** Keys and values are shared and kept in groups of as many tokens. */
const GROUP = 16;
const CHUNK_BYTES = 2 ** 20;

/** The model that a file is of. */
export interface SessionModel {
  readonly fingerprint: string;
  /** Layers, L. */
  readonly blockCount: number;
  /** Values of a token's keys, and of its values, in a layer: H, or less where heads share them. */
  readonly keyLength: number;
  /** Most tokens of the session. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** How the session keeps keys and values; the file has them as float32, which is exact. */
  readonly kvType: KvType;
}

/** Tokens whose keys and values are read or written at a time: about 1 MB, at least a group. */
function chunkTokens(model: SessionModel): number {
  return GROUP * Math.max(1, Math.floor(CHUNK_BYTES / rowBytes(model) / GROUP));
}

/** Bytes of a token's keys and values. */
function rowBytes({ blockCount, keyLength }: SessionModel): number {
  return 2 * blockCount * keyLength * Float32Array.BYTES_PER_ELEMENT;
}

/** Writes a session; what was at `path` is replaced when the new file is whole. */
export async function writeSession(
  path: string,
  model: SessionModel,
  tokens: Int32Array,
  session: NativeSession,
): Promise<void> {
  const cached = callNative(() => session.tokens());
  let same = 0;
  while (same < Math.min(cached.length, tokens.length) && cached[same] === tokens[same]) same++;
  const evaluated = same - (same % GROUP);
  const temporary = `${path}.${process.pid}-${Date.now()}.tmp`;
  const handle = await open(temporary, "wx");
  try {
    const file = new HashedWriter(handle);
    await file.write(header(model, tokens.length, evaluated));
    await file.write(bytesOf(tokens));
    const step = chunkTokens(model);
    for (let first = 0; first < evaluated; first += step) {
      const count = Math.min(step, evaluated - first);
      await file.write(bytesOf(callNative(() => session.read(first, count))));
    }
    await handle.write(file.digest());
    await handle.close();
    await rename(temporary, path);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Reads a session into one that is empty, and returns its tokens.
 *
 * @throws SessionFileError when the file is damaged, of another version or of another model.
 */
export async function readSession(
  path: string,
  model: SessionModel,
  session: NativeSession,
): Promise<Int32Array> {
  const handle = await openSession(path);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw damaged(path, "path");
    const file = new HashedReader(handle, path);
    const { tokens: count, evaluated } = await readHeader(file, model, status.size);
    const tokens = new Int32Array(buffer(await file.read(count * Int32Array.BYTES_PER_ELEMENT)));
    if (tokens.some((id) => id < 0 || id >= model.vocabSize)) throw damaged(path, "tokens");
    const step = chunkTokens(model);
    for (let first = 0; first < evaluated; first += step) {
      const length = Math.min(step, evaluated - first);
      const rows = new Float32Array(buffer(await file.read(length * rowBytes(model))));
      callNative(() => session.write(first, length, rows));
    }
    await file.verify();
    callNative(() => session.commit(tokens.slice(0, evaluated)));
    return tokens;
  } finally {
    await handle.close();
  }
}

function header(model: SessionModel, tokens: number, evaluated: number): Buffer {
  const { fingerprint, kvType } = model;
  const other = kvType === "f32" ? {} : { kvType };
  const json = Buffer.from(JSON.stringify({ fingerprint, tokens, evaluated, ...other }));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(MAGIC, "latin1");
  prefix.writeUInt32LE(VERSION, 8);
  prefix.writeUInt32LE(json.length, 12);
  return Buffer.concat([prefix, json]);
}

/** Checks everything that the sizes of the rest depend on against the size of the file. */
async function readHeader(
  file: HashedReader,
  model: SessionModel,
  fileSize: number,
): Promise<{ tokens: number; evaluated: number }> {
  const prefix = await file.read(PREFIX_BYTES);
  if (prefix.toString("latin1", 0, 8) !== MAGIC) throw damaged(file.path, "magic");
  const version = prefix.readUInt32LE(8);
  if (version !== VERSION) {
    throw new SessionFileError(
      `Expected a session file of version ${VERSION} but ${file.path} has version ${version}`,
      { path: file.path, field: "version" },
    );
  }
  const length = prefix.readUInt32LE(12);
  if (length > MOST_HEADER_BYTES) throw damaged(file.path, "header");
  const { fingerprint, tokens, evaluated, kvType } = parseHeader(file.path, await file.read(length));
  if (fingerprint !== model.fingerprint) {
    throw new SessionFileError(`${file.path} is a session of another model`, {
      path: file.path,
      field: "fingerprint",
    });
  }
  if (kvType !== model.kvType) {
    throw new SessionFileError(
      `Expected a session with kvType ${model.kvType} but that of ${file.path} has ${String(kvType)}`,
      { path: file.path, field: "kvType" },
    );
  }
  const size = PREFIX_BYTES + length + tokens * 4 + evaluated * rowBytes(model) + DIGEST_BYTES;
  if (evaluated > tokens || evaluated % GROUP !== 0 || size !== fileSize) throw damaged(file.path, "tokens");
  if (tokens > model.contextLength) {
    throw new SessionFileError(
      `Expected a session of at most ${model.contextLength} tokens but ${file.path} has ${tokens}`,
      { path: file.path, field: "tokens", length: tokens, limit: model.contextLength },
    );
  }
  return { tokens, evaluated };
}

function parseHeader(
  path: string,
  json: Buffer,
): { fingerprint: unknown; tokens: number; evaluated: number; kvType: unknown } {
  let value: { fingerprint?: unknown; tokens?: unknown; evaluated?: unknown; kvType?: unknown } | null;
  try {
    value = JSON.parse(json.toString()) as typeof value;
  } catch (error) {
    throw damaged(path, "header", error);
  }
  const { fingerprint, tokens, evaluated, kvType = "f32" } = value ?? {};
  if (!isCount(tokens) || !isCount(evaluated)) throw damaged(path, "header");
  return { fingerprint, tokens, evaluated, kvType };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

async function openSession(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw new SessionFileError(`${path} cannot be opened`, { path, field: "path" }, { cause: error });
  }
}

function damaged(path: string, field: string, cause?: unknown): SessionFileError {
  return new SessionFileError(
    `${path} is not a session file, or a damaged one: see its ${field}`,
    { path, field },
    { cause },
  );
}

/** The bytes of an array, where they lie. */
function bytesOf({ buffer: memory, byteOffset, byteLength }: Int32Array | Float32Array): Buffer {
  return Buffer.from(memory, byteOffset, byteLength);
}

/** A copy that begins where typed arrays may. */
function buffer(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

class HashedWriter {
  readonly #hash: Hash = createHash("sha256");
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Buffer): Promise<void> {
    this.#hash.update(bytes);
    await this.#handle.write(bytes);
  }

  digest(): Buffer {
    return this.#hash.digest();
  }
}

class HashedReader {
  readonly path: string;
  readonly #hash: Hash = createHash("sha256");
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.path = path;
  }

  async read(length: number): Promise<Buffer> {
    const bytes = await this.#readAll(length);
    this.#hash.update(bytes);
    return bytes;
  }

  async verify(): Promise<void> {
    const expected = this.#hash.digest();
    if (!expected.equals(await this.#readAll(DIGEST_BYTES))) throw damaged(this.path, "checksum");
  }

  async #readAll(length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(bytes, done, length - done);
      if (bytesRead === 0) throw damaged(this.path, "length");
      done += bytesRead;
    }
    return bytes;
  }
}
