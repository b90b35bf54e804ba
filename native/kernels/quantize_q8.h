// Quantization of activations, over the F32x16 of any instruction set.
#pragma once

#include "kernels/kernels.h"
#include "kernels/unroll.h"

namespace ggml_transformers {

// A block whose largest magnitude is below this counts as zero: its scale's reciprocal would not be finite.
constexpr float smallest_block = 1e-30f;

// The largest magnitudes of a few blocks, at most four: together, because each is a maximum across lanes.
template <class V, int blocks>
inline void find_largest(const float* x, float* largest) {
    V magnitudes[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    KERNEL_UNROLL
    for (int b = 0; b < blocks; ++b)
        magnitudes[b] = larger_magnitude(V::load(x + b * quant_block), V::load(x + b * quant_block + 16));
    float all[4];
    reduce_magnitudes(magnitudes, all);
    KERNEL_UNROLL
    for (int b = 0; b < blocks; ++b) largest[b] = all[b];
}

// Rounds a few blocks, at most four, to bytes; their sums are across lanes too.
template <class V, int blocks>
inline void round_blocks(const float* x, const float* reciprocals, int8_t* q, int32_t* sums) {
    using Sums = decltype(store_bytes(V::zero(), V::zero(), q));
    Sums partial[4] = {};
    // What is not finite goes on in the scale. Its product here is not a number: a minimum then takes the
    // second.
    const V most = V::set(127.0f);
    KERNEL_UNROLL
    for (int b = 0; b < blocks; ++b) {
        const V reciprocal = V::set(reciprocals[b]);
        partial[b] =
            store_bytes(min(mul(V::load(x + b * quant_block), reciprocal), most),
                        min(mul(V::load(x + b * quant_block + 16), reciprocal), most), q + b * quant_block);
    }
    int32_t all[4];
    reduce_sums(partial, all);
    KERNEL_UNROLL
    for (int b = 0; b < blocks; ++b) sums[b] = -128 * all[b];
}

// At most 16 blocks, whose scales are found side by side in a vector.
template <class V>
inline void quantize_some(const float* x, int64_t blocks, int8_t* q, float* scales, int32_t* sums) {
    alignas(64) float largest[16] = {};
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4) find_largest<V, 4>(x + b * quant_block, largest + b);
    for (; b < blocks; ++b) find_largest<V, 1>(x + b * quant_block, largest + b);

    alignas(64) float reciprocals[16];
    const V all = V::load(largest);
    const V smallest = V::set(smallest_block);
    const V most = V::set(127.0f);
    select_less(all, smallest, V::zero(), div(all, most)).store_first(scales, blocks);
    select_less(all, smallest, V::zero(), div(most, all)).store(reciprocals);

    for (b = 0; b + 4 <= blocks; b += 4)
        round_blocks<V, 4>(x + b * quant_block, reciprocals + b, q + b * quant_block, sums + b);
    for (; b < blocks; ++b)
        round_blocks<V, 1>(x + b * quant_block, reciprocals + b, q + b * quant_block, sums + b);
}

template <class V>
void quantize_row(const float* x, int64_t k, int8_t* q, float* scales, int32_t* sums) {
    const int64_t blocks = k / quant_block;
    for (int64_t b = 0; b < blocks; b += 16) {
        const int64_t some = blocks - b < 16 ? blocks - b : 16;
        quantize_some<V>(x + b * quant_block, some, q + b * quant_block, scales + b, sums + b);
    }
}

}  // namespace ggml_transformers
