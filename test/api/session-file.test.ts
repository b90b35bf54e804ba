import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generator, InvalidArgumentError, SessionFileError } from "../../lib/index.js";
import { integer, random } from "../support/random.js";
import { writeRandomGpt2 } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { convert } from "../../lib/index.js";

const folder = temporaryFolder();
const path = join(folder, "session");
let generator: Generator;
let bytes: Buffer;
let tokens: Int32Array;

beforeAll(async () => {
  generator = await Generator.load("mini-gpt2", { threads: 2 });
  using session = generator.createSession();
  await session.append("The sea was calm that morning, and the men stood at the rail to watch the whales");
  await session.generate({ maxTokens: 30 });
  await session.save(path);
  bytes = await readFile(path);
  tokens = session.tokens;
});
afterAll(() => generator.dispose());

/** Restores from these bytes into a session with content, which a failure must leave alone. */
async function restoring(content: Uint8Array): Promise<unknown> {
  const file = join(folder, "other");
  await writeFile(file, content);
  using session = generator.createSession();
  await session.append("As before.");
  const before = session.tokens;
  try {
    await session.restore(file);
    return undefined;
  } catch (error) {
    expect(session.tokens).toEqual(before);
    expect((await session.generate({ maxTokens: 1 })).tokens).toHaveLength(1);
    return error;
  }
}

describe("a saved session", () => {
  it("continues as one that was never saved, bit for bit and without evaluating again", async () => {
    for (const kept of [0, 1, 15, 16, 17, tokens.length]) {
      using original = generator.createSession();
      await original.append({ ids: tokens.subarray(0, kept) });
      const file = join(folder, `kept-${kept}`);
      await original.save(file);
      using restored = generator.createSession();
      await restored.append("something else");
      await restored.restore(file);
      expect(restored.tokens).toEqual(original.tokens);
      const [a, b] = [
        await original.generate({ maxTokens: 12, logprobs: true, seed: 3 }),
        await restored.generate({ maxTokens: 12, logprobs: true, seed: 3 }),
      ];
      expect(b.tokens).toEqual(a.tokens);
      expect(b.logprobs).toEqual(a.logprobs);
      if (kept > 16) expect(b.timings.cachedTokens).toBeGreaterThanOrEqual(kept - 16);
      expect(restored.tokens).toEqual(original.tokens);
    }
  });

  it("replaces a file only when it is whole, and leaves nothing else behind", async () => {
    using session = generator.createSession();
    await session.append("short");
    const file = join(folder, "replaced");
    await session.save(file);
    const { size } = await stat(file);
    await session.generate({ maxTokens: 40 });
    await session.save(file);
    expect((await stat(file)).size).toBeGreaterThan(size);
    await expect(session.save(join(folder, "missing", "file"))).rejects.toThrow(/ENOENT/);
    await mkdir(join(folder, "a-folder"));
    await expect(session.save(join(folder, "a-folder"))).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    await expect(session.save("")).rejects.toThrow(InvalidArgumentError);
  });

  it("is refused when it is missing, a folder, empty or cut short anywhere (seed 4)", async () => {
    using session = generator.createSession();
    await expect(session.restore(join(folder, "nowhere"))).rejects.toThrow(SessionFileError);
    await expect(session.restore(folder)).rejects.toThrow(SessionFileError);
    const next = random(4);
    const lengths = [0, 1, 7, 8, 15, 16, 17, bytes.length - 33, bytes.length - 32, bytes.length - 1];
    for (let i = 0; i < 20; i++) lengths.push(integer(next, bytes.length));
    for (const length of lengths) {
      expect(await restoring(bytes.subarray(0, length)), `${length} bytes`).toBeInstanceOf(SessionFileError);
    }
    expect(await restoring(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeInstanceOf(SessionFileError);
  });

  it("is refused when any byte has changed (seed 5)", async () => {
    const next = random(5);
    const places = Array.from({ length: 120 }, (_, i) => (i < 60 ? i : integer(next, bytes.length)));
    for (const place of [...places, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[place]! ^= 1 + integer(next, 255);
      expect(await restoring(changed), `byte ${place}`).toBeInstanceOf(SessionFileError);
    }
    expect(await restoring(bytes)).toBeUndefined();
  });

  it("is refused with hostile counts", async () => {
    const length = bytes.readUInt32LE(12);
    const header = JSON.parse(bytes.toString("utf8", 16, 16 + length)) as Record<string, unknown>;
    const hostile = [
      { ...header, tokens: 2 ** 31 },
      { ...header, tokens: 2 ** 60 },
      { ...header, tokens: -1 },
      { ...header, evaluated: 1e12 },
      { ...header, evaluated: 16.5 },
      { ...header, tokens: "5" },
      { ...header, fingerprint: "0".repeat(64) },
      [],
      null,
      5,
    ];
    for (const each of hostile) {
      const json = Buffer.from(JSON.stringify(each));
      const prefix = Buffer.from(bytes.subarray(0, 16));
      prefix.writeUInt32LE(json.length, 12);
      const content = Buffer.concat([prefix, json, bytes.subarray(16 + length)]);
      expect(await restoring(content), json.toString()).toBeInstanceOf(SessionFileError);
    }
    const endless = Buffer.from(bytes);
    endless.writeUInt32LE(2 ** 32 - 1, 12);
    expect(await restoring(endless)).toMatchObject({ details: { field: "header" } });
    const later = Buffer.from(bytes);
    later.writeUInt32LE(2, 8);
    expect(await restoring(later)).toMatchObject({ details: { field: "version" } });
  });

  it("is refused by a session that is too short, and by another model of the same shape", async () => {
    using short = generator.createSession({ contextLength: 20 });
    await expect(short.restore(path)).rejects.toMatchObject({ details: { field: "tokens", limit: 20 } });

    const models = await Promise.all(
      [1, 2].map(async (seed) => {
        const checkpoint = join(folder, `checkpoint-${seed}`);
        await writeRandomGpt2(checkpoint, { seed });
        const file = join(folder, `${seed}.gguf`);
        await convert(checkpoint, file, { type: "F32" });
        return Generator.load(file, { threads: 1 });
      }),
    );
    const file = join(folder, "of-the-first");
    using session = models[0]!.createSession();
    await session.append({ ids: [1, 2, 3] });
    await session.save(file);
    using other = models[1]!.createSession();
    await expect(other.restore(file)).rejects.toMatchObject({ details: { field: "fingerprint" } });
    await Promise.all(models.map((model) => model.dispose()));
  });
});
