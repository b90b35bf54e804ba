// Quantization of activations, over the F32x16 of any instruction set.
#pragma once

#include <float.h>

#include "kernels/kernels.h"

namespace ggml_transformers {

// A block whose largest magnitude is below this counts as zero: its scale's reciprocal would not be finite.
constexpr float smallest_block = 1e-30f;

template <class V>
void quantize_row(const float* x, int64_t k, int8_t* q, float* scales, int32_t* sums) {
    for (int64_t block = 0; block < k / quant_block; ++block, x += quant_block, q += quant_block) {
        const V low = V::load(x);
        const V high = V::load(x + 16);
        const float largest = largest_magnitude(low, high);
        // What is not finite passes on through the scale; the bytes stay within their range.
        const bool usable = largest >= smallest_block && largest <= FLT_MAX;
        const V reciprocal = V::set(usable ? 127.0f / largest : 0.0f);
        const V most = V::set(127.0f);
        const V least = V::set(-127.0f);
        const V a = max(min(round(mul(low, reciprocal)), most), least);
        const V b = max(min(round(mul(high, reciprocal)), most), least);
        scales[block] = largest < smallest_block ? 0.0f : largest / 127.0f;
        sums[block] = -128 * store_bytes(a, b, q);
    }
}

}  // namespace ggml_transformers
