/** A dense array of 32-bit floats in row-major order: the last dimension is contiguous. */
export interface Tensor {
  /** The values; as many as the product of `shape`. Never shared with another result. */
  readonly data: Float32Array;
  /** Sizes of the dimensions, outermost first. */
  readonly shape: readonly number[];
}
