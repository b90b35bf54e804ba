// The kinds of measurement. Each takes (engines, workload, context) and returns one result per engine, by name:
// `value` in the workload's unit, and what else is known of it. `context` holds rounds, quick and peaks.
import { Tokenizer } from "../../dist/tokenizer/index.js";
import { cosine, median, percentile, samples } from "../measure.mjs";
import { randomModel } from "../models.mjs";
import { referenceEmbeddings } from "../reference-float64.mjs";
import { paragraphLengths, promptMaker, textMaker } from "../texts.mjs";
import { operations, SHAPES } from "../weights.mjs";
import { bytesPerToken } from "./bytes.mjs";

/** Many texts at once: texts and tokens per second. */
export async function embedding(engines, { id, model, lengths, count }, { rounds, quick }) {
  const text = await textMaker();
  const scaled = quick ? Math.ceil(count / 4) : count;
  const sizes =
    lengths === "paragraphs" ? paragraphLengths(scaled) : Array.from({ length: scaled }, () => lengths);
  const texts = sizes.map(text);
  const notes = await prepare(engines, id, texts);
  const times = await samples(engines, rounds, (engine) => engine.call("embedTimed", id));
  const tokens = sizes.reduce((a, b) => a + b);
  const work = sizes.reduce((sum, size) => sum + operations(SHAPES[model], size), 0);
  return perEngine(times, (name, values) => {
    const ms = median(values.map((value) => value.ms));
    const cpuMs = median(values.map((value) => value.cpuMs));
    const speed = (amount) => amount / (ms / 1000);
    return {
      value: speed(texts.length),
      tokensPerSecond: speed(tokens),
      gops: speed(work) / 1e9,
      gopsPerCpu: work / (cpuMs * 1e6),
      note: notes[name],
    };
  });
}

/** One query at a time: milliseconds. */
export async function latency(engines, { id, length }, { rounds, quick }) {
  const text = await textMaker();
  await prepare(engines, id, [text(length)]);
  const count = quick ? 50 : 100;
  const times = await samples(engines, rounds, (engine) => engine.call("latencies", id, count));
  return perEngine(times, (_, values) => {
    const all = values.flat();
    const [p50, p90, p99] = [50, 90, 99].map((p) => percentile(all, p));
    return { value: p50, p50, p90, p99, note: `p90 ${p90.toFixed(2)}, p99 ${p99.toFixed(2)}` };
  });
}

/** The least cosine to the float64 reference. */
export async function accuracy(engines, { id, model, lengths }) {
  const text = await textMaker();
  const texts = lengths.map(text);
  const tokenizer = await Tokenizer.load(await randomModel(model, "F32"));
  const ids = texts.map((each) => tokenizer.encode(each).ids);
  const expected = referenceEmbeddings(model, ids);
  const results = {};
  for (const engine of engines) {
    // One by one: a scale over a whole batch would cost accuracy.
    await engine.call("prepare", id, texts, 1);
    const cosines = (await engine.call("vectors", id)).map((vector, i) => cosine(vector, expected[i]));
    const mean = cosines.reduce((a, b) => a + b) / cosines.length;
    results[engine.name] = { value: Math.min(...cosines), mean, note: `mean ${mean.toFixed(6)}` };
  }
  return results;
}

/** A prompt of many tokens at once: tokens per second. */
export async function prompt(engines, { model, length }, { rounds }) {
  const ids = promptMaker()(length);
  const times = await samples(engines, rounds, (engine) => engine.call("prompt", ids));
  const work = operations(SHAPES[model], length);
  return perEngine(times, (_, values) => {
    const ms = median(values);
    return { value: (1000 * length) / ms, gops: work / (ms * 1e6) };
  });
}

/** Token after token: tokens per second of all streams together. A name may end in "x8": eight streams. */
export async function decoding(engines, { model, streams: streamCounts }, { rounds, quick }) {
  const ids = promptMaker()(16);
  const count = quick ? 32 : 64;
  const runs = engines.flatMap((engine) => {
    return streamCounts.map((streams) => ({
      name: streams === 1 ? engine.name : `${engine.name} x${streams}`,
      engine,
      streams,
    }));
  });
  const times = await samples(runs, rounds, ({ engine, streams }) =>
    engine.call("decode", ids, count, streams),
  );
  return perEngine(times, (name, values) => {
    const { engine, streams } = runs.find((run) => run.name === name);
    const value = (1000 * count * streams) / median(values);
    const bytes = bytesPerToken(model, engine.name.split(" ")[1], ids.length + count / 2);
    return { value, ...(streams === 1 && { gbPerSecond: (bytes * value) / 1e9 }) };
  });
}

/** Resident bytes after loading and one batch, in fresh processes. */
export async function memory(engines, { id, model, lengths, count }) {
  const bert = SHAPES[model].architecture === "bert";
  const text = await textMaker();
  const texts = bert ? Array.from({ length: count }, () => text(lengths)) : [];
  const ids = promptMaker()(512);
  const results = {};
  for (const engine of engines) {
    if (bert) {
      await engine.call("prepare", id, texts);
      await engine.call("embed", id);
    } else await engine.call("prompt", ids);
    const bytes = await engine.call("residentBytes");
    const own = await engine.call("memory");
    const note = own && Object.entries(own).map(([key, value]) => `${key} ${(value / 1e6).toFixed(0)}`);
    results[engine.name] = {
      value: bytes / 1e6,
      fileBytes: engine.fileBytes,
      loadMs: engine.loadMs,
      memory: own,
      note: note?.join(", "),
    };
  }
  return results;
}

async function prepare(engines, id, texts) {
  const notes = {};
  for (const engine of engines) {
    await engine.call("prepare", id, texts);
    notes[engine.name] = texts.length > 1 ? await engine.call("tune", id) : undefined;
  }
  return notes;
}

function perEngine(results, change) {
  return Object.fromEntries([...results].map(([name, values]) => [name, change(name, values)]));
}
