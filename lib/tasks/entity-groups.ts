/**
 * From the labels of tokens to entities, as Hugging Face's TokenClassificationPipeline defines its aggregation
 * strategies; the tags are those of IOB, and of IOBES and BILOU, which the pipeline does not know.
 */

/**
 * How tokens become entities. `"none"`: each token on its own, with its whole label (`B-PER`). `"simple"`:
 * neighbouring tokens of one kind are one entity. The others first give each word one label, and so never split
 * a word: `"first"` that of its first token, `"average"` that of the mean scores of its tokens, `"max"` that of
 * the token with the highest score.
 */
export type EntityAggregation = "none" | "simple" | "first" | "average" | "max";

/** A token, or a word, with its place in the text. */
export interface ScoredToken {
  readonly start: number;
  readonly end: number;
  /** Whether it begins a word. */
  readonly startsWord: boolean;
  /** Probabilities by label number. */
  readonly scores: Float64Array;
}

/** A stretch of text with a label. */
export interface ScoredSpan {
  readonly label: string;
  readonly score: number;
  readonly start: number;
  readonly end: number;
}

/** Takes the tokens of a text in order. */
export class EntityGrouper {
  readonly #labels: readonly string[];
  readonly #aggregation: EntityAggregation;
  readonly #tagOf: (label: string) => Tag;
  /** Tokens of the word at hand. */
  #word: ScoredToken[] = [];
  readonly #groups: { tag: Tag; spans: ScoredSpan[] }[] = [];

  constructor(labels: readonly string[], aggregation: EntityAggregation) {
    this.#labels = labels;
    this.#aggregation = aggregation;
    this.#tagOf = aggregation === "none" ? wholeLabel : tagReader(labels);
  }

  push(token: ScoredToken): void {
    const isWhole = this.#aggregation === "none" || this.#aggregation === "simple";
    if (isWhole || token.startsWord) this.#finishWord();
    this.#word.push(token);
  }

  /** Entities in the order of the text; those labelled `O` among them. */
  finish(): ScoredSpan[] {
    this.#finishWord();
    return this.#groups.map(({ tag, spans }) => ({
      label: tag.kind,
      score: spans.reduce((sum, { score }) => sum + score, 0) / spans.length,
      start: spans[0]!.start,
      end: spans.at(-1)!.end,
    }));
  }

  #finishWord(): void {
    const parts = this.#word;
    if (parts.length === 0) return;
    const scores = parts.length === 1 ? parts[0]!.scores : COMBINED[this.#aggregation](parts);
    const best = largest(scores);
    const label = this.#labels[best]!;
    this.#add({ label, score: scores[best]!, start: parts[0]!.start, end: parts.at(-1)!.end });
    this.#word = [];
  }

  /** Neighbours of one kind are one group. */
  #add(span: ScoredSpan): void {
    const tag = this.#tagOf(span.label);
    const last = this.#groups.at(-1);
    if (last?.tag.kind === tag.kind && !tag.begins && !last.tag.ends) {
      last.spans.push(span);
      last.tag = tag;
    } else {
      this.#groups.push({ tag, spans: [span] });
    }
  }
}

// ---- words

const first = (parts: readonly ScoredToken[]) => parts[0]!.scores;

/** The scores of a word from those of its tokens. */
const COMBINED: Record<EntityAggregation, (parts: readonly ScoredToken[]) => Float64Array> = {
  // These two never join tokens to words.
  none: first,
  simple: first,
  first,
  max: (parts) => {
    const highest = parts.map(({ scores }) => scores[largest(scores)]!);
    return parts[largest(highest)]!.scores;
  },
  average: (parts) => {
    return parts[0]!.scores.map((_, label) => {
      return parts.reduce((sum, { scores }) => sum + scores[label]!, 0) / parts.length;
    });
  },
};

/** Index of the largest value, the first of equal ones. */
function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

// ---- tags

interface Tag {
  /** What it is, for example `PER`. */
  readonly kind: string;
  /** Whether an entity of the same kind before it does not go on here. */
  readonly begins: boolean;
  /** Whether it does not go on after it. */
  readonly ends: boolean;
}

/** Prefixes of IOB, and those that IOBES (`E`, `S`) and BILOU (`L`, `U`) add. */
const IOB = "BI";
const SINGLE = "SU";
const LAST = "EL";

/** Every token is an entity of its own. */
const wholeLabel = (label: string): Tag => ({ kind: label, begins: true, ends: true });

/** Reads labels; the letters beyond IOB have a meaning only where some label marks an entity of one token. */
function tagReader(labels: readonly string[]): (label: string) => Tag {
  const hasPrefix = (letters: string) =>
    labels.some((label) => label[1] === "-" && letters.includes(label[0]!));
  const known = hasPrefix("B") && hasPrefix(SINGLE) ? IOB + SINGLE + LAST : IOB;
  return (label) => {
    const prefix = label[1] === "-" && known.includes(label[0]!) ? label[0]! : "";
    if (prefix === "") return { kind: label, begins: false, ends: false };
    const isSingle = SINGLE.includes(prefix);
    const begins = prefix === "B" || isSingle;
    return { kind: label.slice(2), begins, ends: isSingle || LAST.includes(prefix) };
  };
}
