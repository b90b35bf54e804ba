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

// Scales of at most 16 blocks, found side by side in a vector, and their reciprocals [16].
template <class V>
inline void find_scales(const float* x, int64_t blocks, float most, float* scales, float* reciprocals) {
    alignas(64) float largest[16] = {};
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4) find_largest<V, 4>(x + b * quant_block, largest + b);
    for (; b < blocks; ++b) find_largest<V, 1>(x + b * quant_block, largest + b);
    const V all = V::load(largest);
    const V smallest = V::set(smallest_block);
    select_less(all, smallest, V::zero(), div(all, V::set(most))).store_first(scales, blocks);
    select_less(all, smallest, V::zero(), div(V::set(most), all)).store(reciprocals);
}

// Rounds a few blocks, at most four, to bytes that lie `stride` apart, and stores what belongs to each, which
// lies `stride` / 32 apart.
template <class V, int blocks>
inline void round_blocks(const float* x, const float* scales, const float* reciprocals, int64_t stride,
                         const ByteRow& out) {
    using Sums = decltype(store_bytes(V::zero(), V::zero(), out.q));
    Sums partial[4] = {};
    // What is not finite goes on in the scale. Its product here is not a number: a minimum then takes the
    // second.
    const V most = V::set(127.0f);
    KERNEL_UNROLL
    for (int b = 0; b < blocks; ++b) {
        const V reciprocal = V::set(reciprocals[b]);
        partial[b] =
            store_bytes(min(mul(V::load(x + b * quant_block), reciprocal), most),
                        min(mul(V::load(x + b * quant_block + 16), reciprocal), most), out.q + b * stride);
    }
    // Across lanes too, hence together.
    alignas(16) int32_t first[4], all[4];
    reduce_sums(partial, first, all);
    KERNEL_UNROLL
    for (int b = 0; b < blocks; ++b) {
        out.blocks[b * stride / quant_block] = {scales[b], all[b], first[b],
                                                scales[b] * static_cast<float>(all[b] / 128)};
    }
}

// Rounds at most 16 blocks.
template <class V>
inline void round_sixteen(const float* x, int64_t blocks, int64_t stride, const ByteRow& out) {
    alignas(64) float scales[16], reciprocals[16];
    find_scales<V>(x, blocks, 127.0f, scales, reciprocals);
    const auto from = [&](int64_t b) {
        return ByteRow{out.q + b * stride, out.blocks + b * stride / quant_block};
    };
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4)
        round_blocks<V, 4>(x + b * quant_block, scales + b, reciprocals + b, stride, from(b));
    for (; b < blocks; ++b)
        round_blocks<V, 1>(x + b * quant_block, scales + b, reciprocals + b, stride, from(b));
}

template <class V>
void quantize_row(const float* x, int64_t k, const ByteRow& out) {
    const int64_t blocks = k / quant_block;
    for (int64_t b = 0; b < blocks; b += 16)
        round_sixteen<V>(x + b * quant_block, blocks - b < 16 ? blocks - b : 16, quant_block,
                         ByteRow{out.q + b * quant_block, out.blocks + b});
}

// The same to words.
template <class V>
inline void round_sixteen(const float* x, int64_t blocks, int64_t stride, const WordRow& out) {
    alignas(64) float scales[16], reciprocals[16];
    find_scales<V>(x, blocks, 8191.0f, scales, reciprocals);
    const V most = V::set(8191.0f);
    for (int64_t b = 0; b < blocks; ++b, x += quant_block) {
        const V reciprocal = V::set(reciprocals[b]);
        store_words(min(mul(V::load(x), reciprocal), most), min(mul(V::load(x + 16), reciprocal), most),
                    out.q + b * stride);
        out.scales[b * stride / quant_block] = scales[b];
    }
}

template <class V>
void quantize_row_words(const float* x, int64_t k, const WordRow& out) {
    const int64_t blocks = k / quant_block;
    for (int64_t b = 0; b < blocks; b += 16)
        round_sixteen<V>(x + b * quant_block, blocks - b < 16 ? blocks - b : 16, quant_block,
                         WordRow{out.q + b * quant_block, out.scales + b});
}

// Quantizes a tile [rows][32] to block `block` of each of the rows from `row` on, which have `blocks`.
template <class V>
inline void quantize_tile(const float* tile, int64_t rows, int64_t row, int64_t block, int64_t blocks,
                          const ByteRow& out) {
    for (int64_t r = 0; r < rows; r += 16) {
        const int64_t at = (row + r) * blocks + block;
        round_sixteen<V>(tile + r * quant_block, rows - r < 16 ? rows - r : 16, blocks * quant_block,
                         ByteRow{out.q + at * quant_block, out.blocks + at});
    }
}

template <class V>
inline void quantize_tile(const float* tile, int64_t rows, int64_t row, int64_t block, int64_t blocks,
                          const WordRow& out) {
    for (int64_t r = 0; r < rows; r += 16) {
        const int64_t at = (row + r) * blocks + block;
        round_sixteen<V>(tile + r * quant_block, rows - r < 16 ? rows - r : 16, blocks * quant_block,
                         WordRow{out.q + at * quant_block, out.scales + at});
    }
}

}  // namespace ggml_transformers
