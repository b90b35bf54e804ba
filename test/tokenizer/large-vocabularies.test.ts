/** Vocabularies of hundreds of thousands of tokens: loaded in short steps, with the event loop turning between. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { AbortError, TokenizerError } from "../../lib/errors.js";
import { LongText, StringArray } from "../../lib/gguf/metadata.js";
import { readGguf } from "../../lib/gguf/reader.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { loadGguf, type GgufMetadata } from "../../lib/tokenizer/load-gguf.js";
import { loadTokenizerJson } from "../../lib/tokenizer/load-json.js";
import { Pipeline } from "../../lib/tokenizer/pipeline.js";
import { runNow } from "../../lib/tokenizer/time-slices.js";
import { TOKEN_ID, TokenSink } from "../../lib/tokenizer/token-sink.js";
import { NO_CONFIG } from "../../lib/tokenizer/tokenizer-parts.js";
import { encodeUtf8InSteps } from "../../lib/tokenizer/utf8-slices.js";
import { buildGguf, type GgufSpec } from "../support/gguf-bytes.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { englishText, fixture, randomNumbers, SENTENCES } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const SIZE = 120_000;
const folder = temporaryFolder();

interface TokenizerJson {
  model: { vocab: Record<string, number>; merges?: (string | [string, string])[] };
}

/** BERT's vocabulary and compounds of its words. */
function largeBert(): TokenizerJson {
  const json = JSON.parse(fixture("bert.json")) as TokenizerJson;
  const { vocab } = json.model;
  const random = randomNumbers(7);
  const words = Object.keys(vocab).filter((token) => /^[a-z]{2,}$/.test(token));
  const word = () => words[Math.floor(random() * words.length)]!;
  for (let id = Object.keys(vocab).length; id < SIZE;) {
    const token = (random() < 0.3 ? "##" : "") + word() + word();
    if (!(token in vocab)) vocab[token] = id++;
  }
  return json;
}

/** GPT-2's vocabulary, and merges of any two of its tokens. */
function largeGpt2(): TokenizerJson {
  const json = JSON.parse(fixture("gpt2.json")) as TokenizerJson;
  const { vocab } = json.model;
  const merges = json.model.merges!;
  const random = randomNumbers(8);
  const tokens = Object.keys(vocab).filter((token) => token !== "<|endoftext|>");
  const any = () => tokens[Math.floor(random() * tokens.length)]!;
  for (let id = Object.keys(vocab).length; id < SIZE;) {
    const [left, right] = [any(), any()];
    if (left.length + right.length > 16 || left + right in vocab) continue;
    vocab[left + right] = id++;
    tokens.push(left + right);
    merges.push(typeof merges[0] === "string" ? `${left} ${right}` : [left, right]);
  }
  return json;
}

/** The same tokenizer as llama.cpp's keys say it. */
function keysOf({ model: { vocab, merges } }: TokenizerJson): GgufSpec["metadata"] {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  const isControl = (token: string) => /^\[[A-Z]+\]$|^<\|/.test(token);
  const stored = tokens.map((token) => {
    if (merges !== undefined || isControl(token)) return token;
    return token.startsWith("##") ? token.slice(2) : `\u2581${token}`;
  });
  const keys: GgufSpec["metadata"] = [
    ["tokenizer.ggml.model", { type: "string", value: merges === undefined ? "bert" : "gpt2" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: stored }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: tokens.map((token) => (isControl(token) ? 3 : 1)) }],
  ];
  if (merges === undefined) return keys;
  const pairs = merges.map((pair) => (typeof pair === "string" ? pair : pair.join(" ")));
  return [...keys, ["tokenizer.ggml.merges", { type: "strings", value: pairs }]];
}

/** What the reader makes of a file with these keys. */
async function readBack(name: string, metadata: GgufSpec["metadata"]): Promise<Map<string, unknown>> {
  const path = join(folder, name);
  await writeFile(path, buildGguf({ metadata, tensors: [] }).bytes);
  const file = await readGguf(path);
  return new Map(Array.from(file.metadata, ([key, { value }]) => [key, value]));
}

describe.each([
  ["BERT", largeBert],
  ["GPT-2", largeGpt2],
])("a large vocabulary of %s", (name, make) => {
  let definition: TokenizerJson;
  let json: string;
  let lists: Map<string, unknown>;
  let original: Map<string, unknown>;
  let expected: Tokenizer;
  const texts = [...SENTENCES, englishText(20_000)];

  beforeAll(async () => {
    definition = make();
    json = JSON.stringify(definition);
    lists = await readBack(`${name} lists.gguf`, keysOf(definition));
    original = await readBack(`${name} json.gguf`, [
      ["tokenizer.huggingface.json", { type: "string", value: json }],
    ]);
    expected = await Tokenizer.fromJson(json);
  });

  function expectSame(tokenizer: Tokenizer): void {
    expect(tokenizer.vocabSize).toBe(expected.vocabSize);
    for (let id = 0; id < SIZE; id++) {
      const token = expected.idToToken(id)!;
      if (tokenizer.idToToken(id) !== token) expect(tokenizer.idToToken(id)).toBe(token);
      if (tokenizer.tokenToId(token) !== id) expect(tokenizer.tokenToId(token)).toBe(id);
    }
    for (const text of texts) {
      expect(Array.from(tokenizer.encode(text).ids)).toEqual(Array.from(expected.encode(text).ids));
    }
  }

  it("tokenizes as the reference does", async () => {
    const [tokenizer, reference] = await bothFrom(definition);
    await compareTexts(tokenizer, reference, texts);
  });

  it("is the same from JSON, bytes, a file's lists and arrays, in slices and at once", async () => {
    expect(original.get("tokenizer.huggingface.json")).toBeInstanceOf(LongText);
    expect(lists.get("tokenizer.ggml.tokens")).toBeInstanceOf(StringArray);
    expectSame(await Tokenizer.fromJson(Buffer.from(json)));
    expectSame(await Tokenizer.fromGguf(original));
    expectSame(await Tokenizer.fromGguf(lists));
    const arrays = [...lists].map(([key, value]) => [key, value instanceof StringArray ? [...value] : value]);
    expectSame(await Tokenizer.fromGguf(new Map(arrays as [string, unknown][])));
    const sink = new TokenSink();
    for (const metadata of [original, lists]) {
      const pipeline = runNow(Pipeline.build(runNow(loadGguf(metadata)).pipeline));
      for (const text of texts) {
        sink.reset();
        runNow(pipeline.encode(text, sink));
        const sequence = sink.finish(text);
        const ids = Array.from({ length: sequence.length }, (_, i) => sequence.get(i, TOKEN_ID));
        const { ids: whole } = expected.encode(text, { addSpecialTokens: false });
        expect(ids).toEqual(Array.from(whole));
      }
    }
  });

  it("takes a few of a file's strings at each step", () => {
    const at = vi.spyOn(StringArray.prototype, "at");
    const steps = loadGguf(lists);
    let most = 0;
    let total = 0;
    for (let done = false; !done; total += at.mock.calls.length) {
      at.mockClear();
      done = steps.next().done === true;
      most = Math.max(most, at.mock.calls.length);
    }
    at.mockRestore();
    expect(total).toBeGreaterThanOrEqual(SIZE);
    expect(most).toBeLessThan(2000);
  });

  it.each([
    ["JSON", () => Tokenizer.fromJson(json)],
    ["a file's JSON", () => Tokenizer.fromGguf(original)],
    ["a file's lists", () => Tokenizer.fromGguf(lists)],
  ])("lets the event loop turn while loading %s", async (_, load) => {
    let turns = 0;
    let loading = true;
    const count = () => {
      turns++;
      if (loading) setImmediate(count);
    };
    setImmediate(count);
    await load();
    loading = false;
    expect(turns).toBeGreaterThan(4);
  });

  it.each([
    ["JSON", (signal: AbortSignal) => Tokenizer.fromJson(json, { signal })],
    ["a file's JSON", (signal: AbortSignal) => Tokenizer.fromGguf(original, { signal })],
    ["a file's lists", (signal: AbortSignal) => Tokenizer.fromGguf(lists, { signal })],
  ])("stops loading %s at any turn", async (_, load) => {
    for (const turn of [1, 2, 4]) {
      const controller = new AbortController();
      const loading = load(controller.signal);
      let turns = 0;
      const count = () => {
        if (++turns === turn) controller.abort("enough");
        else setImmediate(count);
      };
      setImmediate(count);
      await expect(loading).rejects.toThrow(AbortError);
      await expect(loading).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
    }
  });
});

describe("thousands of added tokens that begin alike", () => {
  const COUNT = 3000;
  const random = randomNumbers(10);
  const letters = (count: number) =>
    Array.from({ length: count }, () => "abc"[Math.floor(random() * 3)]).join("");
  const definition = JSON.parse(fixture("bert.json"));
  const contents = new Set<string>();
  while (contents.size < COUNT) contents.add(`[${letters(2 + Math.floor(random() * 12))}`);
  for (const content of contents) {
    definition.added_tokens.push({
      id: 30_522 + definition.added_tokens.length - 5,
      content,
      special: false,
      single_word: random() < 0.2,
      lstrip: random() < 0.2,
      rstrip: random() < 0.2,
      normalized: random() < 0.5,
    });
  }

  it("are found as the reference finds them", async () => {
    const texts = Array.from({ length: 300 }, () =>
      Array.from({ length: 20 }, () => (random() < 0.5 ? `[${letters(8)}` : letters(3))).join(
        random() < 0.5 ? " " : "",
      ),
    );
    const [tokenizer, reference] = await bothFrom(definition);
    await compareTexts(tokenizer, reference, texts);
  });

  it("are taken in and looked for in short steps", async () => {
    const parts = runNow(loadTokenizerJson(Buffer.from(JSON.stringify(definition)), NO_CONFIG));
    const building = Pipeline.build(parts.pipeline);
    let built = 0;
    let step = building.next();
    for (; !step.done; step = building.next()) built++;
    expect(built).toBeGreaterThan(COUNT / 100);

    // Places that begin like all of the tokens and are none.
    let steps = 0;
    for (const encoding = step.value.encode("[".repeat(100_000), new TokenSink()); !encoding.next().done;)
      steps++;
    expect(steps).toBeGreaterThan(100);
  });
});

it("refuses a file's JSON that is not UTF-8", async () => {
  const json = fixture("bert.json");
  const bytes = Buffer.from(json);
  bytes[json.indexOf("whale")] = 0xff;
  const metadata: GgufMetadata = new Map([["tokenizer.huggingface.json", new LongText(bytes)]]);
  const loading = Tokenizer.fromGguf(metadata);
  await expect(loading).rejects.toThrow(TokenizerError);
  await expect(loading).rejects.toThrow(/UTF-8/);
});

it("refuses a name as long as a text", async () => {
  const metadata = await readBack("long.gguf", [
    ["tokenizer.ggml.model", { type: "string", value: "bert".repeat(100_000) }],
  ]);
  const loading = Tokenizer.fromGguf(metadata);
  await expect(loading).rejects.toThrow(TokenizerError);
  await expect(loading).rejects.toThrow("tokenizer.ggml.model but received a text of 400000 bytes");
});

it("takes the special tokens around a text by their ids, not by their names", async () => {
  const definition = JSON.parse(fixture("gpt2.json")) as TokenizerJson;
  const keys = await readBack("ids.gguf", [
    ...keysOf(definition),
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 8191 }],
  ]);
  const tokenizer = await Tokenizer.fromGguf(keys);
  expect(Array.from(tokenizer.encode("").ids)).toEqual([8191]);
});

describe("UTF-8 in slices", () => {
  const encode = (text: string) => runNow(encodeUtf8InSteps(text));

  it("is the UTF-8 of the whole", () => {
    const random = randomNumbers(9);
    const units = [0x41, 0xe9, 0x4e00, 0xd83d, 0xde00, 0xfffd];
    const any = () => String.fromCharCode(units[Math.floor(random() * units.length)]!);
    for (const length of [0, 1, 32_767, 32_768, 32_769, 65_536, 100_000]) {
      const text = Array.from({ length }, any).join("");
      expect(encode(text).equals(Buffer.from(text)), `length ${length}`).toBe(true);
      const pairs = `${"a".repeat(length)}${"\u{1f600}".repeat(40_000)}`;
      expect(encode(pairs).equals(Buffer.from(pairs)), `pairs after ${length}`).toBe(true);
    }
  });

  it("yields often", () => {
    const steps = encodeUtf8InSteps("\u4e00".repeat(10_000_000));
    let count = 0;
    while (!steps.next().done) count++;
    expect(count).toBeGreaterThan(300);
  });
});
