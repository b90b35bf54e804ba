import type { EntityAggregation } from "../../lib/index.js";

/** A token of a text, with its probabilities by label number. */
export interface Token {
  start: number;
  end: number;
  isSubword: boolean;
  scores: number[];
}

export interface Found {
  label: string;
  score: number;
  start: number;
  end: number;
}

/** TokenClassificationPipeline.aggregate as its source describes it, written a second time; IOB only. */
export function entityPipeline(
  tokens: readonly Token[],
  labels: readonly string[],
  how: EntityAggregation,
): Found[] {
  const argmax = (row: readonly number[]) => row.indexOf(Math.max(...row));
  const mean = (row: readonly number[]) => row.reduce((a, b) => a + b, 0) / row.length;
  const entityOf = (parts: readonly Token[], scores: readonly number[]): Found => ({
    label: labels[argmax(scores)]!,
    score: scores[argmax(scores)]!,
    start: parts[0]!.start,
    end: parts.at(-1)!.end,
  });
  let entities: Found[];
  if (how === "none" || how === "simple") {
    entities = tokens.map((token) => entityOf([token], token.scores));
  } else {
    const words: Token[][] = [];
    for (const token of tokens) {
      if (words.length > 0 && token.isSubword) words[words.length - 1]!.push(token);
      else words.push([token]);
    }
    entities = words.map((word) => {
      if (how === "first") return entityOf(word, word[0]!.scores);
      if (how === "average") {
        return entityOf(
          word,
          labels.map((_, label) => mean(word.map(({ scores }) => scores[label]!))),
        );
      }
      const tops = word.map(({ scores }) => Math.max(...scores));
      return entityOf(word, word[tops.indexOf(Math.max(...tops))]!.scores);
    });
  }
  if (how !== "none") {
    const tag = (label: string) =>
      label.startsWith("B-") || label.startsWith("I-") ? [label[0], label.slice(2)] : ["I", label];
    const groups: Found[][] = [];
    for (const entity of entities) {
      const [position, kind] = tag(entity.label);
      const last = groups.at(-1)?.at(-1);
      if (last && tag(last.label)[1] === kind && position !== "B") groups.at(-1)!.push(entity);
      else groups.push([entity]);
    }
    entities = groups.map((group) => ({
      label: tag(group[0]!.label)[1]!,
      score: mean(group.map(({ score }) => score)),
      start: group[0]!.start,
      end: group.at(-1)!.end,
    }));
  }
  return entities.filter(({ label }) => label !== "O");
}
