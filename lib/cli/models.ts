/** Loading a model for a command, with progress, and letting go of it at the end. */
import type { ModelOptions } from "./command-options.js";
import { given } from "./command-options.js";
import { Encoder } from "../encoder.js";
import { Generator } from "../generator.js";
import { openModelFile } from "../model-file.js";
import type { Profile } from "../profile.js";
import { reportProfile } from "./profile.js";
import type { Cli } from "./program.js";
import { withProgress } from "./progress.js";

interface Model {
  profile(): Profile | undefined;
  dispose(): Promise<void>;
}

export function withEncoder(options: ModelOptions, cli: Cli, work: (encoder: Encoder) => Promise<void>) {
  return withModel((path, settings) => Encoder.load(path, settings), options, cli, work);
}

export function withGenerator(
  options: ModelOptions,
  cli: Cli,
  work: (generator: Generator) => Promise<void>,
) {
  return withModel((path, settings) => Generator.load(path, settings), options, cli, work);
}

/** For tasks that encoders and decoders both do. */
export async function withEncoderOrGenerator(
  options: ModelOptions,
  cli: Cli,
  work: (model: Pick<Encoder, "encode" | "classify">) => Promise<void>,
) {
  const { kind } = await openModelFile(options.model, { signal: cli.signal });
  return kind === "encoder" ? withEncoder(options, cli, work) : withGenerator(options, cli, work);
}

async function withModel<M extends Model>(
  load: (path: string, settings: Parameters<typeof Encoder.load>[1]) => Promise<M>,
  { model: path, device, threads, profile }: ModelOptions,
  { signal }: Cli,
  work: (model: M) => Promise<void>,
): Promise<void> {
  const model = await withProgress("Loading", (onProgress) =>
    load(path, given({ device, threads, profile, signal, onProgress })),
  );
  try {
    await work(model);
    reportProfile(model.profile());
  } finally {
    await model.dispose();
  }
}
