/** A file that appears under its name only when it is complete. */
import { randomBytes } from "node:crypto";
import { unlinkSync } from "node:fs";
import { open, rename, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ModelFileError } from "../errors.js";

/** Temporary files of this thread, removed even when the process exits in the middle of the work. */
const unfinished = new Set<string>();

function removeUnfinished(): void {
  for (const path of unfinished) {
    try {
      unlinkSync(path);
    } catch {
      // Gone already, or not removable: the process is ending and nobody is left to tell.
    }
  }
}

/** Writes go to a hidden neighbour of the target; {@link commit} renames it, {@link discard} removes it. */
export class TemporaryFile {
  readonly #target: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  /** Bytes written. */
  position = 0;

  private constructor(target: string, path: string, handle: FileHandle) {
    this.#target = target;
    this.#path = path;
    this.#handle = handle;
  }

  /** Creates the neighbour. Throws a {@link ModelFileError} when the folder cannot be written. */
  static async create(target: string): Promise<TemporaryFile> {
    const folder = dirname(resolve(target));
    const path = join(folder, `.${basename(target)}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
    const handle = await open(path, "wx").catch((cause: unknown) => {
      throw unwritable(target, cause);
    });
    if (unfinished.size === 0) process.on("exit", removeUnfinished);
    unfinished.add(path);
    return new TemporaryFile(target, path, handle);
  }

  /** Appends. */
  async write(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const result = await this.#handle
        .write(bytes, written, bytes.length - written, this.position)
        .catch((cause: unknown) => {
          throw unwritable(this.#target, cause);
        });
      written += result.bytesWritten;
      this.position += result.bytesWritten;
    }
  }

  /** Flushes to the disk and gives the file its name, replacing one that is there. */
  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#path, this.#target);
    } catch (cause) {
      throw unwritable(this.#target, cause);
    }
    this.#forget();
    await syncFolder(dirname(resolve(this.#target)));
  }

  /** Removes what was written. Never throws: it runs while another error is on its way. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await unlink(this.#path).catch(() => {});
    this.#forget();
  }

  #forget(): void {
    unfinished.delete(this.#path);
    if (unfinished.size === 0) process.off("exit", removeUnfinished);
  }
}

/** Makes the rename itself durable where the platform can (Windows cannot open folders). */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function unwritable(path: string, cause: unknown): ModelFileError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const details = { path, field: "path", cause: code };
  return new ModelFileError(`Cannot write ${path}: ${message}`, details, "MODEL_FILE_INVALID", { cause });
}
