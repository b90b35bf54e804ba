// The table of contents: which file of the repository is which page, in the order of the sidebar.

/** Groups of pages: [title, file]; the page's address is the file's name, or the third entry. */
export const GUIDES = [
  {
    text: "Introduction",
    pages: [
      ["Getting started", "docs/getting-started.md"],
      ["What it supports", "README.md", "overview"],
      ["All tasks", "docs/tasks.md"],
    ],
  },
  {
    text: "Encoders",
    pages: [
      ["Embeddings and search", "docs/embeddings.md"],
      ["Sparse, late interaction", "docs/sparse-and-late-interaction.md"],
      ["Ranking", "docs/reranking.md"],
      ["Classification", "docs/classification.md"],
      ["Labels of your own", "docs/zero-shot.md"],
      ["Names", "docs/entities.md"],
      ["Question answering", "docs/question-answering.md"],
      ["Missing words", "docs/fill-mask.md"],
      ["Next sentence", "docs/next-sentence.md"],
      ["Words that do not belong", "docs/replaced-tokens.md"],
      ["Likelihood and bias", "docs/pseudo-log-likelihood.md"],
      ["Attention maps", "docs/attention-maps.md"],
    ],
  },
  {
    text: "Decoders",
    pages: [
      ["Text generation", "docs/generation.md"],
      ["Beam search", "docs/beam-search.md"],
      ["Constrained output", "docs/constrained-output.md"],
      ["Speculation", "docs/speculation.md"],
      ["Sessions", "docs/sessions.md"],
      ["Scores and perplexity", "docs/scoring.md"],
    ],
  },
  {
    text: "Models",
    pages: [
      ["Models and conversion", "docs/models.md"],
      ["Quantization", "docs/quantization.md"],
      ["Tokenizers", "docs/tokenizers.md"],
      ["The small models", "models/README.md", "mini-models"],
    ],
  },
  {
    text: "In use",
    pages: [
      ["Performance", "docs/performance.md"],
      ["Devices", "docs/devices.md"],
      ["Electron", "docs/electron.md"],
      ["Command line", "docs/command-line.md"],
      ["Troubleshooting", "docs/troubleshooting.md"],
    ],
  },
];

export const REFERENCE = [
  {
    text: "Reference",
    pages: [
      ["Errors", "docs/errors.md"],
      ["GGUF keys", "docs/gguf-keys.md"],
      ["Architecture", "docs/architecture.md"],
      ["Benchmarks", "bench/README.md", "benchmarks"],
      ["Contributing", "CONTRIBUTING.md"],
      ["Changes", "CHANGELOG.md"],
    ],
  },
];

/** Pages by their file: `{ title, file, page }`. */
export const PAGES = new Map(
  [...GUIDES, ...REFERENCE].flatMap(({ pages }) =>
    pages.map(([title, file, page = /([^/]+)\.md$/.exec(file)[1].toLowerCase()]) => [
      file,
      { title, file, page },
    ]),
  ),
);
