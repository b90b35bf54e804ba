/** Safetensors files made to hurt: the answer is a table of tensors or a typed error naming the field. */
import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Checkpoint } from "../../lib/convert/checkpoint.js";
import { readSafetensorsHeader } from "../../lib/convert/safetensors.js";
import { ModelFileError, UnsupportedError } from "../../lib/errors.js";
import { integer, random } from "../support/random.js";
import { writeRandomBert } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const path = join(folder, "hostile.safetensors");

async function read() {
  const handle = await open(path);
  try {
    return await readSafetensorsHeader(handle, path);
  } finally {
    await handle.close();
  }
}

/** The field at fault, or undefined when the file is sound. */
async function fieldAtFault(): Promise<string | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelFileError || error instanceof UnsupportedError)) throw error;
    expect(error.details).toMatchObject({ path, field: expect.any(String) });
    return error.details["field"] as string;
  }
}

function build(header: string | object, dataBytes: number, length?: bigint): void {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  writeFileSync(path, Buffer.concat([prefix, json, Buffer.alloc(dataBytes)]));
}

const tensor = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = "F32") => {
  return { dtype, shape, data_offsets: [begin, end] };
};

test("a sound file gives its tensors in the order of their data", async () => {
  build(
    {
      __metadata__: { format: "pt" },
      b: tensor([2], 24, 32),
      a: tensor([2, 3], 0, 24),
      s: tensor([], 32, 36),
    },
    36,
  );
  const tensors = await read();
  expect(tensors.map(({ name, shape, elements, bytes }) => ({ name, shape, elements, bytes }))).toEqual([
    { name: "a", shape: [2, 3], elements: 6, bytes: 24 },
    { name: "b", shape: [2], elements: 2, bytes: 8 },
    { name: "s", shape: [], elements: 1, bytes: 4 },
  ]);
});

describe("the field at fault is named", () => {
  const cases: [what: string, header: string | object, dataBytes: number, field: string][] = [
    ["overlapping tensors", { a: tensor([2], 0, 8), b: tensor([2], 4, 12) }, 12, "b"],
    ["a hole", { a: tensor([2], 0, 8), b: tensor([2], 12, 20) }, 20, "b"],
    ["data that is too short", { a: tensor([2], 0, 8) }, 7, "a"],
    ["data after the last tensor", { a: tensor([2], 0, 8) }, 9, "a"],
    ["a size that is not the shape's", { a: tensor([3], 0, 8) }, 8, "a"],
    ["a negative dimension", { a: tensor([-2], 0, 8) }, 8, "a"],
    ["a fractional dimension", { a: tensor([0.5], 0, 2) }, 2, "a"],
    ["a dimension that is a string", { a: tensor(["2"], 0, 8) }, 8, "a"],
    ["a shape that is a number", { a: tensor(2, 0, 8) }, 8, "a"],
    ["a product of 2^64", { a: tensor([2 ** 32, 2 ** 32], 0, 0) }, 0, "a"],
    ["a product of 2^53", { a: tensor([2 ** 52, 2], 0, 0) }, 0, "a"],
    [
      "seventeen dimensions",
      {
        a: tensor(
          Array.from({ length: 17 }, () => 1),
          0,
          4,
        ),
      },
      4,
      "a",
    ],
    ["offsets backwards", { a: tensor([2], 8, 0) }, 8, "a"],
    ["offsets that are strings", { a: tensor([2], "0", "8") }, 8, "a"],
    ["offsets above 2^53", { a: tensor([2], 2 ** 60, 2 ** 60 + 8) }, 8, "a"],
    ["one offset", { a: { dtype: "F32", shape: [2], data_offsets: [0] } }, 8, "a"],
    ["no dtype", { a: { shape: [2], data_offsets: [0, 8] } }, 8, "a"],
    ["an unknown dtype", { a: tensor([2], 0, 8, "F31") }, 8, "a"],
    ["a property of Object as dtype", { a: tensor([2], 0, 8, "toString") }, 8, "a"],
    ["an entry that is null", { a: null }, 0, "a"],
    ["a header that is a list", "[]", 0, "header"],
    ["a header that is no JSON", "{a}", 0, "header"],
  ];
  test.each(cases)("%s", async (_what, header, dataBytes, field) => {
    build(header, dataBytes);
    expect(await fieldAtFault()).toBe(field);
  });

  test("bytes that are no UTF-8", async () => {
    writeFileSync(
      path,
      Buffer.concat([Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])]),
    );
    expect(await fieldAtFault()).toBe("header");
  });

  test.each([0n, 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])(
    "a header of %i bytes",
    async (length) => {
      build({ a: tensor([2], 0, 8) }, 8, length);
      expect(await fieldAtFault()).toBe("header length");
    },
  );

  test("a header longer than any is not read", async () => {
    build("{}", 0, 2n ** 26n);
    truncateSync(path, 2 ** 27);
    const before = process.memoryUsage().arrayBuffers;
    expect(await fieldAtFault()).toBe("header length");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  test("deep nesting is refused", async () => {
    build("[".repeat(1_000_000), 0);
    expect(await fieldAtFault()).toBe("header");
    build(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, 0);
    expect(["a", "header"]).toContain(await fieldAtFault());
  });

  test.each(["", "short"])("a file of %j", async (contents) => {
    writeFileSync(path, contents);
    expect(await fieldAtFault()).toBe("header");
  });
});

describe("a real file", () => {
  let bytes: Buffer;
  let headerEnd: number;
  beforeAll(async () => {
    const { dir } = await writeRandomBert(join(folder, "model"), {
      hidden: 16,
      layers: 1,
      heads: 2,
      vocabSize: 110,
    });
    bytes = readFileSync(join(dir, "model.safetensors"));
    headerEnd = 8 + Number(bytes.readBigUInt64LE());
  });

  test("cut at every 64th byte, it is refused", async () => {
    for (let length = 0; length < bytes.length; length += 64) {
      writeFileSync(path, bytes.subarray(0, length));
      expect(await fieldAtFault(), `${length} bytes`).toBeTypeOf("string");
    }
  });

  test("with each byte of its header changed, it is harmless", async () => {
    const next = random(99);
    for (let at = 0; at < headerEnd; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = integer(next, 256);
      writeFileSync(path, changed);
      await fieldAtFault();
    }
  });
});

describe("sharded checkpoints", () => {
  const dir = join(folder, "sharded");
  const index = join(dir, "model.safetensors.index.json");
  let original: { weight_map: Record<string, string> };
  beforeAll(async () => {
    await writeRandomBert(dir, { hidden: 16, layers: 1, heads: 2, vocabSize: 110, shards: 2 });
    original = JSON.parse(readFileSync(index, "utf8")) as typeof original;
  });

  async function openWith(weightMap: unknown): Promise<void> {
    writeFileSync(index, JSON.stringify({ weight_map: weightMap }));
    await (await Checkpoint.open(dir)).close();
  }

  test("a sound index opens", async () => {
    await expect(openWith(original.weight_map)).resolves.toBeUndefined();
  });

  test.each([
    ["a file outside the folder", { a: "../sharded/model-00001-of-00002.safetensors" }, "weight_map"],
    ["an absolute path", { a: "/etc/passwd" }, "weight_map"],
    ["a backslash", { a: "..\\model.safetensors" }, "weight_map"],
    ["another kind of file", { a: "config.json" }, "weight_map"],
    ["numbers for files", { a: 1 }, "weight_map"],
    ["nothing", {}, "weight_map"],
    ["a list", [], "weight_map"],
    ["null", null, "weight_map"],
  ])("an index with %s is refused", async (_what, weightMap, field) => {
    await expect(openWith(weightMap)).rejects.toMatchObject({ name: "ModelFileError", details: { field } });
  });

  test("a tensor in another file than the index says is named", async () => {
    const [name, file] = Object.entries(original.weight_map)[0]!;
    const other = Object.values(original.weight_map).find((each) => each !== file)!;
    await expect(openWith({ ...original.weight_map, [name]: other })).rejects.toMatchObject({
      details: { field: name },
    });
    await expect(openWith({ ...original.weight_map, extra: file })).rejects.toMatchObject({
      details: { field: "extra" },
    });
  });

  test("a missing shard is named, and a tensor in two shards", async () => {
    const [first, second] = [...new Set(Object.values(original.weight_map))].map((file) => join(dir, file));
    renameSync(first!, `${first}.away`);
    await expect(openWith(original.weight_map)).rejects.toMatchObject({
      code: "MODEL_FILE_NOT_FOUND",
      details: { path: first },
    });
    writeFileSync(first!, readFileSync(second!));
    await expect(openWith(original.weight_map)).rejects.toThrow(/in several/);
    rmSync(first!);
    renameSync(`${first}.away`, first!);
  });
});

test("a folder without weights says what was looked for", async () => {
  mkdirSync(join(folder, "empty"));
  await expect(Checkpoint.open(join(folder, "empty"))).rejects.toThrow("model.safetensors.index.json");
});
