/** The encoders that are computed: what their files have to hold. */
import { UnsupportedError } from "../errors.js";
import type { EncoderArchitecture, EncoderHyperparameters } from "../native.js";
import { checkAlbertTensors, readAlbertHyperparameters } from "./albert-file.js";
import { checkBertTensors, readBertHyperparameters, type EncoderHeads } from "./bert-file.js";
import { DECODERS } from "./decoders.js";
import { checkElectraTensors, readElectraHyperparameters } from "./electra-file.js";
import type { ModelSource } from "./model-keys.js";
import { checkModernBertTensors, readModernBertHyperparameters } from "./modern-bert-file.js";
import { checkMpnetTensors, readMpnetHyperparameters } from "./mpnet-file.js";

export interface ReadEncoder {
  hyperparameters: EncoderHyperparameters;
  heads: EncoderHeads;
}

function reader<H extends EncoderHyperparameters>(
  readHyperparameters: (source: ModelSource) => H,
  checkTensors: (source: ModelSource, hyperparameters: H) => EncoderHeads,
): (source: ModelSource) => ReadEncoder {
  return (source) => {
    const hyperparameters = readHyperparameters(source);
    return { hyperparameters, heads: checkTensors(source, hyperparameters) };
  };
}

const READERS: Readonly<Record<EncoderArchitecture, (source: ModelSource) => ReadEncoder>> = {
  bert: reader((source) => readBertHyperparameters(source), checkBertTensors),
  electra: reader(readElectraHyperparameters, checkElectraTensors),
  albert: reader(readAlbertHyperparameters, checkAlbertTensors),
  mpnet: reader(readMpnetHyperparameters, checkMpnetTensors),
  "modern-bert": reader(readModernBertHyperparameters, checkModernBertTensors),
};

export function isEncoder(architecture: string): architecture is EncoderArchitecture {
  return Object.hasOwn(READERS, architecture);
}

export function readEncoder(architecture: EncoderArchitecture, source: ModelSource): ReadEncoder {
  return READERS[architecture](source);
}

export function unknownArchitecture(path: string, architecture: string): UnsupportedError {
  const known = [...Object.keys(READERS), ...DECODERS].join(", ");
  const message = `Architecture ${JSON.stringify(architecture)} is not computed, only ${known} (${path})`;
  return new UnsupportedError(message, { path, field: "general.architecture", value: architecture });
}
