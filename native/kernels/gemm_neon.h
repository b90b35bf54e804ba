// What the products of both NEON instruction sets share: how the formats of bytes are read, four columns at a
// time. All of it has internal linkage, or stands in a file that is compiled for the lesser one.
#pragma once

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

namespace ggml_transformers::neon {

// Blocks of K that are multiplied with all columns of a panel before the next: they stay in the first cache.
// A whole number of units in every format.
constexpr int64_t blocks_together = 16;

// Finishes and stores a tile [rows][32] of products, of which `columns` exist, for the output at (row,
// column).
void finish_products(float* tile, int64_t rows, int64_t row, int64_t column, int64_t columns,
                     const Epilogue& epilogue);

namespace {

inline float32x4_t load_halves(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
// Four bytes as floats.
inline uint64_t load_four(const void* p) {
    uint32_t four;
    memcpy(&four, p, sizeof(four));
    return four;
}
inline float32x4_t load_bytes(const uint8_t* p) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(load_four(p))))));
}
inline float32x4_t load_bytes(const int8_t* p) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(load_four(p))))));
}

// How a format's unit is read: `blocks` of 32 values along K, each in `parts` with a scale of their own.
// group<g> gives four columns of the block's positions 4 g to 4 g + 3, unsigned; the sum of the products of
// whole numbers of a part then begins at start(...), from the rows' sums of the block.
template <class Unit>
struct Columns;

template <>
struct Columns<UnitQ8_0> {
    static constexpr int blocks = 1, parts = 1;
    static constexpr bool has_mins = false;

    static inline int32_t start(const ByteBlock& row, int) { return row.sum; }
    template <int g>
    static inline uint8x16_t group(const UnitQ8_0& u, int, int64_t column) {
        return vld1q_u8(u.values[g][column]);
    }
    static inline float32x4_t scales(const UnitQ8_0& u, int, int, int64_t column) {
        return load_halves(u.scales + column);
    }
};

// Groups 0 to 3 lie in the low half of the bytes, 4 to 7 in the high half.
template <int g>
inline uint8x16_t nibble_group(const uint8_t (&values)[4][32][4], int64_t column) {
    const uint8x16_t both = vld1q_u8(values[g % 4][column]);
    if constexpr (g < 4)
        return vandq_u8(both, vdupq_n_u8(0x0f));
    else
        return vshrq_n_u8(both, 4);
}

template <>
struct Columns<UnitQ4_0> {
    static constexpr int blocks = 1, parts = 1;
    static constexpr bool has_mins = false;

    static inline int32_t start(const ByteBlock& row, int) { return row.sum >> 4; }
    template <int g>
    static inline uint8x16_t group(const UnitQ4_0& u, int, int64_t column) {
        return nibble_group<g>(u.values, column);
    }
    static inline float32x4_t scales(const UnitQ4_0& u, int, int, int64_t column) {
        return load_halves(u.scales + column);
    }
};

template <>
struct Columns<UnitQ4_K> {
    static constexpr int blocks = 8, parts = 1;
    static constexpr bool has_mins = true;

    static inline int32_t start(const ByteBlock&, int) { return 0; }
    template <int g>
    static inline uint8x16_t group(const UnitQ4_K& u, int block, int64_t column) {
        return nibble_group<g>(u.blocks[block].values, column);
    }
    static inline float32x4_t scales(const UnitQ4_K& u, int block, int, int64_t column) {
        return vmulq_f32(load_halves(u.d + column), load_bytes(u.blocks[block].scales + column));
    }
    static inline float32x4_t mins(const UnitQ4_K& u, int block, int64_t column) {
        return vmulq_f32(load_halves(u.d_min + column), load_bytes(u.blocks[block].mins + column));
    }
};

template <>
struct Columns<UnitQ6_K> {
    static constexpr int blocks = 8, parts = 2;
    static constexpr bool has_mins = false;

    static inline int32_t start(const ByteBlock& row, int part) {
        return (part == 0 ? row.first_sum : row.sum - row.first_sum) >> 2;
    }
    template <int g>
    static inline uint8x16_t group(const UnitQ6_K& u, int block, int64_t column) {
        const UnitQ6_K::Block& b = u.blocks[block];
        uint8x16_t low = vld1q_u8(b.low[g / 4 * 2 + g % 2][column]);
        if constexpr (g % 4 >= 2) low = vshrq_n_u8(low, 4);
        uint8x16_t high = vld1q_u8(b.high[g % 2][column]);
        if constexpr (g >= 2) high = vshrq_n_u8(high, g / 2 * 2);
        // The upper halves of `low` are replaced.
        return vsliq_n_u8(low, vandq_u8(high, vdupq_n_u8(3)), 4);
    }
    static inline float32x4_t scales(const UnitQ6_K& u, int block, int part, int64_t column) {
        return vmulq_f32(load_halves(u.d + column), load_bytes(u.blocks[block].scales[part] + column));
    }
};

}  // namespace

}  // namespace ggml_transformers::neon
