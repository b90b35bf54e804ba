/** Options of {@link Encoder.load} and {@link Generator.load}. */
export interface LoadOptions {
  /** `"auto"`, or an `id` of {@link devices}: `"cpu"`, `"cuda"`, `"cuda:1"`, `"metal"`. Default: `"auto"`. */
  device?: string;
  /** Compute threads, 1 to 1024. Default: physical cores, less what CPU affinity or a cgroup quota withholds. */
  threads?: number;
  /** Refuse a model that needs more than this many bytes. Default: what the machine has available. */
  maxMemory?: number;
  /** Aborts the loading; it then rejects with an `AbortError`. */
  signal?: AbortSignal;
  /** Called as loading advances, with a fraction from 0 to 1. */
  onProgress?: (fraction: number) => void;
}

/** What is known of any loaded model. */
export interface ModelInfo {
  /** `general.name` of the file, else the file's name without extension. */
  readonly name: string;
  /** Absolute path of the file. */
  readonly path: string;
  /** The device it runs on, for example `"cpu"`. */
  readonly device: string;
  /** Compute threads in use. */
  readonly threads: number;
  /** Most tokens of one sequence: the rows of the position embedding. */
  readonly contextLength: number;
  /** V */
  readonly vocabSize: number;
  /** H */
  readonly embeddingLength: number;
  /** F */
  readonly feedForwardLength: number;
  /** L */
  readonly blockCount: number;
  /** A */
  readonly headCount: number;
}
