// Quantization of activations, over the F32x16 of any instruction set.
#pragma once

#include <float.h>

#include "kernels/kernels.h"

namespace ggml_transformers {

// A block whose largest magnitude is below this counts as zero: its scale's reciprocal would not be finite.
constexpr float smallest_block = 1e-30f;

// Quantizes a few blocks, at most four: together, so that the sums and maxima across a block's lanes are
// found for four at a time.
template <class V, int blocks>
inline void quantize_blocks(const float* x, int8_t* q, float* scales, int32_t* sums) {
    using Sums = decltype(store_bytes(V::zero(), V::zero(), q));
    V magnitudes[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    for (int b = 0; b < blocks; ++b)
        magnitudes[b] = larger_magnitude(V::load(x + b * quant_block), V::load(x + b * quant_block + 16));
    float largest[4];
    reduce_magnitudes(magnitudes, largest);

    // Four at a time: one vector instruction each for the divisions.
    float reciprocals[4];
    float steps[4];
    for (int b = 0; b < 4; ++b) {
        reciprocals[b] = 127.0f / largest[b];
        steps[b] = largest[b] / 127.0f;
    }

    Sums partial[4] = {};
    for (int b = 0; b < blocks; ++b) {
        const bool zero = largest[b] < smallest_block;
        // What is not finite goes on in the scale alone; zero times it would not be zero.
        const bool usable = !zero && largest[b] <= FLT_MAX;
        const V reciprocal = V::set(usable ? reciprocals[b] : 0.0f);
        const V low = usable ? V::load(x + b * quant_block) : V::zero();
        const V high = usable ? V::load(x + b * quant_block + 16) : V::zero();
        partial[b] = store_bytes(mul(low, reciprocal), mul(high, reciprocal), q + b * quant_block);
        scales[b] = zero ? 0.0f : steps[b];
    }
    int32_t totals[4];
    reduce_sums(partial, totals);
    for (int b = 0; b < blocks; ++b) sums[b] = -128 * totals[b];
}

template <class V>
void quantize_row(const float* x, int64_t k, int8_t* q, float* scales, int32_t* sums) {
    const int64_t blocks = k / quant_block;
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4)
        quantize_blocks<V, 4>(x + b * quant_block, q + b * quant_block, scales + b, sums + b);
    for (; b < blocks; ++b)
        quantize_blocks<V, 1>(x + b * quant_block, q + b * quant_block, scales + b, sums + b);
}

}  // namespace ggml_transformers
