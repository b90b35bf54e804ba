/** How far a conversion has come. */
export interface ConvertProgress {
  /** Bytes of tensor data written. */
  readonly done: number;
  /** Bytes of tensor data in all. */
  readonly total: number;
  /** The tensor being written, by its name in the GGUF file. */
  readonly tensor: string;
}

/** A function that reports `bytes` more of `tensor`; the first error of the caller's callback is passed on. */
export function progressReporter(
  total: number,
  onProgress: ((progress: ConvertProgress) => void) | undefined,
): (tensor: string, bytes: number) => void {
  let done = 0;
  return (tensor, bytes) => {
    done += bytes;
    onProgress?.({ done, total, tensor });
  };
}
