import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { StringArray } from "../../lib/gguf/metadata.js";
import { readGguf } from "../../lib/gguf/reader.js";
import { ggmlType } from "../../lib/gguf/types.js";
import { writeGguf, type MetadataItem, type TensorLayout } from "../../lib/gguf/writer.js";
import { parseGguf } from "../support/gguf-bytes.js";
import { integer, random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const path = join(folder, "written.gguf");

/** Nothing but finished files may be in the folder, whatever a test did. */
afterEach(() => {
  expect(readdirSync(folder).filter((name) => name.includes("tmp"))).toEqual([]);
});

const METADATA: MetadataItem[] = [
  { key: "general.architecture", type: "string", value: "bert" },
  { key: "a.u8", type: "u8", value: 255 },
  { key: "a.i8", type: "i8", value: -128 },
  { key: "a.u16", type: "u16", value: 65_535 },
  { key: "a.i16", type: "i16", value: -32_768 },
  { key: "a.u32", type: "u32", value: 2 ** 32 - 1 },
  { key: "a.i32", type: "i32", value: -(2 ** 31) },
  { key: "a.f32", type: "f32", value: 0.5 },
  { key: "a.f64", type: "f64", value: Math.PI },
  { key: "a.u64", type: "u64", value: 2n ** 64n - 1n },
  { key: "a.small u64", type: "u64", value: 7 },
  { key: "a.i64", type: "i64", value: -(2n ** 63n) },
  { key: "a.true", type: "bool", value: true },
  { key: "a.false", type: "bool", value: false },
  { key: "a.empty", type: "string", value: "" },
  { key: "a.text", type: "string", value: "naïve 東京 🙂 \u0000 end" },
  { key: "a.bytes", type: "string", value: Buffer.from("{}") },
  { key: "b.strings", type: "array", itemType: "string", value: ["", "▁the", "##s", "🙂"] },
  { key: "b.packed", type: "array", itemType: "string", value: StringArray.from(["x", "", "żółw"]) },
  { key: "b.none", type: "array", itemType: "string", value: [] },
  { key: "b.i32", type: "array", itemType: "i32", value: Int32Array.of(-1, 0, 2 ** 31 - 1) },
  { key: "b.f32", type: "array", itemType: "f32", value: Float32Array.of(1.5, -0.25) },
  { key: "b.u64", type: "array", itemType: "u64", value: BigUint64Array.of(0n, 2n ** 63n) },
];

const EXPECTED: Record<string, unknown> = {
  "general.architecture": "bert",
  "a.u8": 255,
  "a.i8": -128,
  "a.u16": 65_535,
  "a.i16": -32_768,
  "a.u32": 2 ** 32 - 1,
  "a.i32": -(2 ** 31),
  "a.f32": 0.5,
  "a.f64": Math.PI,
  "a.u64": 2n ** 64n - 1n,
  "a.small u64": 7n,
  "a.i64": -(2n ** 63n),
  "a.true": true,
  "a.false": false,
  "a.empty": "",
  "a.text": "naïve 東京 🙂 \u0000 end",
  "a.bytes": "{}",
  "b.strings": ["", "▁the", "##s", "🙂"],
  "b.packed": ["x", "", "żółw"],
  "b.none": [],
  "b.i32": [-1, 0, 2 ** 31 - 1],
  "b.f32": [1.5, -0.25],
  "b.u64": [0n, 2n ** 63n],
};

const TENSORS: TensorLayout[] = [
  { name: "odd", type: ggmlType("F32"), shape: [3] },
  { name: "half", type: ggmlType("F16"), shape: [5, 3] },
  { name: "blocks", type: ggmlType("Q8_0"), shape: [64, 2, 3] },
];

/** Bytes that depend on the tensor, written in uneven pieces. */
async function fill(
  { name, type, shape }: TensorLayout,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const bytes = contents(name, (shape.reduce((a, b) => a * b, 1) / type.blockSize) * type.blockBytes);
  for (let at = 0; at < bytes.length; at += 7) await write(bytes.subarray(at, at + 7));
}

function contents(name: string, length: number): Buffer {
  const next = random(name.length);
  return Buffer.from(Array.from({ length }, () => integer(next, 256)));
}

test.each([32, 64, 4096])(
  "an independent parser reads what was written, aligned to %i",
  async (alignment) => {
    const bytes = await writeGguf(path, { metadata: METADATA, tensors: TENSORS, alignment }, fill);
    const file = readFileSync(path);
    expect(file.length).toBe(bytes);
    const parsed = parseGguf(file);
    expect(parsed.version).toBe(3);
    const values = Object.fromEntries([...parsed.metadata].map(([key, { value }]) => [key, value]));
    expect(values).toEqual(alignment === 32 ? EXPECTED : { ...EXPECTED, "general.alignment": alignment });
    expect([...parsed.tensors].map(([name, { shape, type }]) => [name, type, shape])).toEqual(
      TENSORS.map(({ name, type, shape }) => [name, type.id, shape]),
    );
    for (const [name, { data }] of parsed.tensors) expect(data).toEqual(contents(name, data.length));
  },
);

test("the reader reads what was written", async () => {
  await writeGguf(path, { metadata: METADATA, tensors: TENSORS }, fill);
  const file = await readGguf(path);
  for (const [key, { value }] of file.metadata) {
    const expected = EXPECTED[key];
    const plain =
      value instanceof StringArray || ArrayBuffer.isView(value) ? [...(value as Iterable<unknown>)] : value;
    expect(plain).toEqual(key === "a.small u64" ? 7 : expected);
  }
  expect(file.metadata.size).toBe(METADATA.length);
  expect(file.tensors).toMatchObject(TENSORS.map(({ name, shape }) => ({ name, shape })));
});

test("strings longer than any chunk survive, wherever their characters are cut", async () => {
  const text = "aé東🙂".repeat(150_000);
  const strings = Array.from({ length: 50_000 }, (_, i) => `${"🙂".repeat(i % 7)}${i}`).concat(
    "東".repeat(200_000),
  );
  const metadata: MetadataItem[] = [
    { key: "long", type: "string", value: text },
    { key: "many", type: "array", itemType: "string", value: strings },
  ];
  await writeGguf(path, { metadata, tensors: [] }, fill);
  const file = await readGguf(path);
  expect(String(file.metadata.get("long")?.value) === text).toBe(true);
  const read = file.metadata.get("many")?.value as StringArray;
  expect([...read]).toEqual(strings);
  expect(read.at(strings.length)).toBeUndefined();
});

describe("a file that cannot be finished leaves nothing behind", () => {
  const layout = { metadata: METADATA, tensors: TENSORS };
  const target = join(folder, "unfinished.gguf");

  test("when the data fails", async () => {
    const failing = () => Promise.reject(new Error("no data"));
    await expect(writeGguf(target, layout, failing)).rejects.toThrow("no data");
    expect(existsSync(target)).toBe(false);
  });

  test("when it is aborted before, or in the middle", async () => {
    await expect(writeGguf(target, layout, fill, AbortSignal.abort())).rejects.toMatchObject({
      code: "ABORTED",
    });
    const controller = new AbortController();
    const writing = writeGguf(
      target,
      layout,
      async (tensor, write) => {
        if (tensor.name === "half") controller.abort();
        await fill(tensor, write);
      },
      controller.signal,
    );
    await expect(writing).rejects.toMatchObject({ code: "ABORTED" });
    expect(existsSync(target)).toBe(false);
  });

  test("when a tensor gets too little or too much", async () => {
    const short = writeGguf(target, layout, (_tensor, write) => write(new Uint8Array(1)));
    await expect(short).rejects.toMatchObject({ code: "INTERNAL" });
    expect(existsSync(target)).toBe(false);
  });

  test("and the old file stays as it was", async () => {
    writeFileSync(target, "old");
    await expect(writeGguf(target, layout, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(readFileSync(target, "utf8")).toBe("old");
    await writeGguf(target, layout, fill);
    expect(readFileSync(target, "latin1").slice(0, 4)).toBe("GGUF");
  });

  test("when there is no such folder, or a folder of that name", async () => {
    const details = { code: "MODEL_FILE_INVALID", details: { field: "path" } };
    await expect(writeGguf(join(folder, "none", "x.gguf"), layout, fill)).rejects.toMatchObject(details);
    mkdirSync(join(folder, "taken.gguf", "inside"), { recursive: true });
    await expect(writeGguf(join(folder, "taken.gguf"), layout, fill)).rejects.toMatchObject(details);
  });
});
