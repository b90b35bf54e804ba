import type { EncoderCore } from "../encoder.js";
import { UnsupportedError } from "../errors.js";
import type { NativeHeads } from "../native.js";

const NAMES: Record<keyof NativeHeads, string> = {
  pooler: "pooler",
  mlm: "masked-language-model head",
  nextSentence: "next-sentence head",
  sequenceLabels: "sequence classifier over a pooler",
  tokenLabels: "token classifier",
  questionAnswering: "question-answering head",
  replacedTokens: "replaced-token head",
};

/** Throws an {@link UnsupportedError} naming the head when the model lacks it. */
export function requireHead({ info }: EncoderCore, head: keyof NativeHeads, user: string): void {
  if (info.heads[head]) return;
  throw new UnsupportedError(`${info.name} has no ${NAMES[head]}, which ${user} needs`, { head });
}
