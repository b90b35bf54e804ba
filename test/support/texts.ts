import { integer, random } from "./random.js";

const WORDS =
  `the of and to in that was with as his all upon this from ship whale sea captain president congress
government people nation great country treasury army navy war peace law states united public year money trade
heaven earth god king Zürich café naïve 東京 한국어 हिन्दी 🙂 2,001 don't "quoted" (so) — unbelievable
electroencephalographically`.split(/\s+/);

/** Texts of up to `longest` words, some of them empty; the same seed gives the same texts. */
export function randomTexts(seed: number, count: number, longest = 24): string[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const length = integer(next, longest + 1);
    return Array.from({ length }, () => WORDS[integer(next, WORDS.length)]).join(" ");
  });
}

/** The same items in another order. */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const next = random(seed);
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = integer(next, i + 1);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
