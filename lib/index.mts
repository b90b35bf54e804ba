/** The ESM entry: the same objects as the CommonJS one, so that `instanceof` holds across both. */
export * from "./index.js";
