import { beforeAll, describe, expect, it } from "vitest";
import { openModelFile } from "../../lib/model-file.js";
import { TextStream } from "../../lib/text-stream.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { integer, random } from "../support/random.js";

describe("TextStream", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await Tokenizer.fromGguf((await openModelFile("mini-gpt2")).metadata);
  });

  const run = (ids: ArrayLike<number>, stops: readonly string[] = []) => {
    const stream = new TextStream(tokenizer.createStream({ skipSpecialTokens: true }), stops);
    const chunks = Array.from(ids).flatMap((id) => stream.push(id));
    return { chunks: [...chunks, ...stream.end()], stream };
  };

  it("gives one chunk per token, whole characters only, and all of the text wherever it ends", () => {
    const { ids } = tokenizer.encode("The 東京🙂 naïve — 한국어");
    expect(ids.length).toBeGreaterThan(20);
    let empty = 0;
    for (let length = 0; length <= ids.length; length++) {
      const part = ids.slice(0, length);
      const { chunks, stream } = run(part);
      expect(chunks.map(({ token }) => token)).toEqual([...part]);
      expect(chunks.map(({ text }) => text).join("")).toBe(tokenizer.decode(part));
      expect(stream.text).toBe(tokenizer.decode(part));
      for (const { text } of chunks) expect(Buffer.from(text).toString()).toBe(text);
      empty += chunks.filter(({ text }) => text === "").length;
    }
    expect(empty).toBeGreaterThan(0);
  });

  it("loses no byte of tokens in any order", () => {
    const seed = 6_201;
    const next = random(seed);
    for (let round = 0; round < 2000; round++) {
      // Below 256 are the single bytes.
      const most = round % 2 ? 256 : tokenizer.vocabSize - 1;
      const ids = Array.from({ length: integer(next, 12) }, () => integer(next, most));
      const { chunks } = run(ids);
      const text = chunks.map((chunk) => chunk.text).join("");
      expect(text, `seed ${seed}, round ${round}: ${ids}`).toBe(tokenizer.decode(ids));
      expect(chunks).toHaveLength(ids.length);
    }
  });

  it("hands on a chunk at once when nothing is held back", () => {
    const stream = new TextStream(tokenizer.createStream(), ["\n\n"]);
    const { ids } = tokenizer.encode("The sea\nis");
    const texts = Array.from(ids, (id) => stream.push(id).map(({ text }) => text));
    const line = [...ids].findIndex((id) => tokenizer.decode([id]) === "\n");
    for (const [i, text] of texts.entries()) {
      if (i === line) expect(text).toEqual([]);
      else expect(text.join("")).not.toBe("");
    }
    expect(texts[line + 1]!.length).toBe(2);
  });

  it("leaves special tokens out of the text", () => {
    const eos = tokenizer.specialIds.eos!;
    const { chunks } = run([34, eos, 34]);
    expect(chunks.map(({ text }) => text)).toEqual(["C", "", "C"]);
  });

  it("ends with the stop string", () => {
    const { ids } = tokenizer.encode("one two three four");
    const { chunks, stream } = run(ids.slice(0, ids.length - 1), [" three"]);
    expect(stream.stopString).toBe(" three");
    expect(chunks.map(({ text }) => text).join("")).toBe("one two");
  });
});
