/** Files made to hurt: whatever a header says, the answer is a model or a typed error that names the field. */
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ModelFileError, UnsupportedError } from "../../lib/errors.js";
import { readGguf } from "../../lib/gguf/reader.js";
import { openModelFile } from "../../lib/model-file.js";
import { buildGguf, type GgufSpec } from "../support/gguf-bytes.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyBert, tinyGpt2, withKey } from "../support/tiny-gguf.js";

const folder = temporaryFolder();
const path = join(folder, "hostile.gguf");

/** Opens the file; returns the field at fault, or undefined when it is a sound model. */
async function fieldAtFault(): Promise<string | undefined> {
  try {
    await openModelFile(path);
    return undefined;
  } catch (error) {
    const typed = error instanceof ModelFileError || error instanceof UnsupportedError;
    if (!typed) throw error;
    expect(error.details).toMatchObject({ path, field: expect.any(String) });
    expect(error.message).toContain(path);
    return error.details["field"] as string;
  }
}

async function refused(spec: GgufSpec): Promise<string | undefined> {
  writeFileSync(path, buildGguf(spec).bytes);
  return fieldAtFault();
}

/** Bytes this process holds; a hostile count must not show here. */
const held = () => process.memoryUsage().arrayBuffers + process.memoryUsage().heapTotal;

test("the files to be broken are sound", async () => {
  expect(await refused(tinyBert())).toBeUndefined();
  expect(await refused(tinyGpt2())).toBeUndefined();
});

describe.each([
  ["bert", tinyBert],
  ["gpt2", tinyGpt2],
])("%s", (_name, tiny) => {
  const built = buildGguf(tiny());

  test("every byte of the header, set to other values, is harmless", async () => {
    writeFileSync(path, built.bytes);
    const before = held();
    const file = openSync(path, "r+");
    for (let at = 0; at < built.headerEnd; at++) {
      const original = built.bytes[at]!;
      for (const value of new Set([original ^ 1, original ^ 0x80, 0, 0xff])) {
        if (value === original) continue;
        writeSync(file, Uint8Array.of(value), 0, 1, at);
        await fieldAtFault();
      }
      writeSync(file, built.bytes, at, 1, at);
    }
    closeSync(file);
    expect(held() - before).toBeLessThan(64 * 1024 * 1024);
    expect(await fieldAtFault()).toBeUndefined();
  });

  test("every number of the header, at its extremes, is harmless", async () => {
    writeFileSync(path, built.bytes);
    const before = held();
    const file = openSync(path, "r+");
    const extremes = [
      0n,
      1n,
      255n,
      2n ** 31n - 1n,
      2n ** 31n,
      2n ** 32n - 1n,
      2n ** 32n,
      2n ** 53n,
      2n ** 63n,
      2n ** 64n - 1n,
    ];
    for (const { offset, size } of built.fields) {
      for (const extreme of extremes) {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(extreme);
        writeSync(file, bytes, 0, size, offset);
        await fieldAtFault();
      }
      writeSync(file, built.bytes, offset, size, offset);
    }
    closeSync(file);
    expect(held() - before).toBeLessThan(64 * 1024 * 1024);
  });

  test("cut at every 64th byte, it is refused", async () => {
    for (let length = 0; length < built.bytes.length; length += 64) {
      writeFileSync(path, built.bytes.subarray(0, length));
      expect(await fieldAtFault(), `${length} bytes`).toBeTypeOf("string");
    }
  });

  test("random bytes over the header are harmless", async () => {
    const seed = 1_234_567;
    const next = random(seed);
    for (let round = 0; round < 500; round++) {
      const bytes = Buffer.from(built.bytes);
      for (let i = 0; i < 1 + integer(next, 8); i++)
        bytes[integer(next, built.headerEnd)] = integer(next, 256);
      writeFileSync(path, bytes);
      await fieldAtFault();
    }
  });
});

describe("the field at fault is named", () => {
  const cases: [what: string, spec: () => GgufSpec, field: string][] = [
    ["version 1", () => ({ ...tinyBert(), version: 1 }), "version"],
    ["version 4", () => ({ ...tinyBert(), version: 4 }), "version"],
    ["big-endian", () => ({ ...tinyBert(), version: 0x03000000 }), "version"],
    ["a key twice", () => twice("metadata"), "general.architecture"],
    ["a tensor twice", () => twice("tensors"), "token_embd.weight"],
    ["an alignment of 48", () => aligned({ type: "u32", value: 48 }), "general.alignment"],
    ["an alignment of 0", () => aligned({ type: "u32", value: 0 }), "general.alignment"],
    ["an alignment that is a string", () => aligned({ type: "string", value: "32" }), "general.alignment"],
    ["an unknown tensor type", () => first({ type: 4 }), "token_embd.weight"],
    ["a tensor type from the future", () => first({ type: 0xffff }), "token_embd.weight"],
    [
      "a shape whose product is 2^64",
      () => first({ shape: [2 ** 32, 2 ** 32], data: new Uint8Array(0) }),
      "token_embd.weight",
    ],
    ["an empty dimension", () => first({ shape: [8, 0] }), "token_embd.weight"],
    ["five dimensions", () => first({ shape: [8, 6, 1, 1, 1] }), "token_embd.weight"],
    ["no dimension", () => first({ shape: [], data: new Uint8Array(4) }), "token_embd.weight"],
    ["rows that do not divide into blocks", () => first({ type: 8 }), "token_embd.weight"],
    ["an offset off the alignment", () => first({ offset: 4 }), "token_embd.weight"],
    ["an offset past the end", () => first({ offset: 2 ** 40 }), "token_embd.weight"],
    ["an offset above 2^53", () => first({ offset: 2n ** 63n }), "offset of token_embd.weight"],
    ["tensors over each other", () => second({ offset: 0 }), "position_embd.weight"],
    ["a name with a control character", () => first({ name: "token\u0000embd" }), "name of tensor 0"],
    ["an empty name", () => first({ name: "" }), "name of tensor 0"],
    ["a name of 65 bytes", () => first({ name: "x".repeat(65) }), "name of tensor 0"],
  ];

  test.each(cases)("%s", async (_what, spec, field) => {
    expect(await refused(spec())).toBe(field);
  });

  function twice(part: "metadata" | "tensors"): GgufSpec {
    const spec = tinyBert();
    return { ...spec, [part]: [...spec[part], spec[part][0]!] };
  }
  function aligned(value: GgufSpec["metadata"][number][1]): GgufSpec {
    return withKey(tinyBert(), "general.alignment", value);
  }
  function first(change: Partial<GgufSpec["tensors"][number]>): GgufSpec {
    return changed(0, change);
  }
  function second(change: Partial<GgufSpec["tensors"][number]>): GgufSpec {
    return changed(1, change);
  }
  function changed(index: number, change: Partial<GgufSpec["tensors"][number]>): GgufSpec {
    const spec = tinyBert();
    const tensors = [...spec.tensors];
    tensors[index] = { ...tensors[index]!, ...change };
    return { ...spec, tensors };
  }
});

describe("arrays", () => {
  let file: ReturnType<typeof buildGguf>;
  beforeEach(() => {
    file = buildGguf(tinyBert());
  });

  function patch(name: string, value: bigint): void {
    const field = file.fields.find((each) => each.name === name)!;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    bytes.copy(file.bytes, field.offset, 0, field.size);
    writeFileSync(path, file.bytes);
  }

  test("an array of arrays is refused at the first level", async () => {
    patch("element type of tokenizer.ggml.tokens", 9n);
    await expect(openModelFile(path)).rejects.toBeInstanceOf(UnsupportedError);
    expect(await fieldAtFault()).toBe("tokenizer.ggml.tokens");
  });

  test.each([2n ** 20n, 2n ** 31n, 2n ** 52n, 2n ** 64n - 1n])(
    "a length of %i is refused unread",
    async (length) => {
      patch("length of tokenizer.ggml.tokens", length);
      const before = held();
      expect(await fieldAtFault()).toContain("tokenizer.ggml.tokens");
      expect(held() - before).toBeLessThan(16 * 1024 * 1024);
    },
  );

  test.each([2n ** 20n, 2n ** 40n, 2n ** 64n - 1n])(
    "a string of %i bytes is refused unread",
    async (length) => {
      patch("length of general.name", length);
      expect(await fieldAtFault()).toContain("general.name");
      patch("length of tokenizer.ggml.tokens[2]", length);
      expect(await fieldAtFault()).toBeTypeOf("string");
    },
  );

  test("a file of zeros larger than any header costs nothing", async () => {
    const { bytes, fields } = file;
    const length = fields.find(({ name }) => name === "length of tokenizer.ggml.token_type")!;
    bytes.writeBigUInt64LE(2n ** 26n + 1n, length.offset);
    writeFileSync(path, bytes);
    const handle = openSync(path, "r+");
    // Sparse: it takes no room on the disk.
    ftruncateSync(handle, 2 ** 35);
    closeSync(handle);
    const before = held();
    expect(await fieldAtFault()).toBe("tokenizer.ggml.token_type");
    expect(held() - before).toBeLessThan(16 * 1024 * 1024);
  });
});

test.each([
  ["an empty file", Buffer.alloc(0)],
  ["another format", Buffer.from("PK\u0003\u0004 not a model at all, but long enough to be read")],
  ["JSON", Buffer.from(JSON.stringify({ architectures: ["BertModel"] }))],
])("%s is refused", async (_what, bytes) => {
  writeFileSync(path, bytes);
  expect(await fieldAtFault()).toMatch(/magic/);
});

test("a missing file, a folder and a device are refused with their own codes", async () => {
  await expect(readGguf(join(path, "none"))).rejects.toMatchObject({ code: "MODEL_FILE_NOT_FOUND" });
  await expect(readGguf(folder)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
  await expect(readGguf("/dev/null")).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
});

test("an aborted signal ends the reading", async () => {
  writeFileSync(path, buildGguf(tinyBert()).bytes);
  const reason = new Error("enough");
  const reading = openModelFile(path, { signal: AbortSignal.abort(reason) });
  await expect(reading).rejects.toMatchObject({ code: "ABORTED", cause: reason });
});
