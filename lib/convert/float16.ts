/**
 * Conversions between 32-bit floats and the two 16-bit formats: IEEE 754 binary16 (`F16`) and bfloat16
 * (`BF16`, the upper half of a binary32). Narrowing rounds to nearest, ties to even; widening is exact.
 */

const F16_TO_F32 = makeF16Table();

/** The binary32 bits of every binary16: 65,536 entries. */
function makeF16Table(): Uint32Array {
  const table = new Uint32Array(65_536);
  for (let half = 0; half < 65_536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) {
      table[half] = sign | 0x7f800000 | (fraction << 13);
    } else if (exponent > 0) {
      table[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    } else if (fraction > 0) {
      // Subnormal: move the leading one to the implicit place.
      const shift = Math.clz32(fraction) - 21;
      table[half] = sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
    } else {
      table[half] = sign;
    }
  }
  return table;
}

/** Widens `source` into `target`, which has as many places. */
export function f16ToF32(source: Uint16Array, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < source.length; i++) bits[i] = F16_TO_F32[source[i]!]!;
}

/** Widens `source` into `target`, which has as many places. */
export function bf16ToF32(source: Uint16Array, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
}

/** Narrows `source` into `target`. Finite values above 65,504 that round up become infinite. */
export function f32ToF16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) target[i] = narrowToF16(bits[i]!);
}

function narrowToF16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x38800000) {
    // NaN stays NaN, whatever its payload.
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    if (magnitude >= 0x47800000) return sign | 0x7c00;
    // Rebias the exponent by 112 and add half a unit in the last place, less one when the result is even.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Below half of the smallest subnormal, 2^-25, everything rounds to zero; 2^-25 itself ties to even, zero.
  if (magnitude <= 0x33000000) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const half = 1 << (shift - 1);
  return sign | ((fraction + half - 1 + ((fraction >>> shift) & 1)) >>> shift);
}

/** Narrows `source` into `target`. */
export function f32ToBf16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    target[i] =
      (value & 0x7fffffff) > 0x7f800000
        ? (value >>> 16) | 0x40
        : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
}
