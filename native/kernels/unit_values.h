// The numbers in a unit of packed weights, one by one, as formats.h describes them.
#pragma once

#include "kernels/formats.h"
#include "kernels/half.h"

namespace ggml_transformers::scalar {

// The whole number, less its zero point, at position k of a unit.
inline int32_t value_of(const UnitQ8_0& u, int64_t k, int64_t column) {
    return u.values[k / 4][column][k % 4] - 128;
}
inline int32_t nibble_of(const uint8_t (&values)[4][32][4], int64_t k, int64_t column) {
    const int64_t group = k / 4;
    return values[group % 4][column][k % 4] >> (group / 4 * 4) & 15;
}
inline int32_t value_of(const UnitQ4_0& u, int64_t k, int64_t column) {
    return nibble_of(u.values, k, column) - 8;
}
inline int32_t value_of(const UnitQ4_K& u, int64_t k, int64_t column) {
    return nibble_of(u.blocks[k / 32].values, k % 32, column);
}
inline int32_t value_of(const UnitQ6_K& u, int64_t k, int64_t column) {
    const UnitQ6_K::Block& block = u.blocks[k / 32];
    const int64_t group = k % 32 / 4, i = k % 4;
    const int64_t low_at = group / 4 * 2 + group % 2;
    const int32_t low = block.low[low_at][column][i] >> (group % 4 / 2 * 4) & 15;
    const int32_t high = block.high[group % 2][column][i] >> (group / 2 * 2) & 3;
    return (low | high << 4) - 32;
}
inline int32_t value_of(const UnitQ16& u, int64_t k, int64_t column) {
    return u.values[k / 2][column][k % 2];
}

// The scale that holds at position k.
inline float scale_of(const UnitQ8_0& u, int64_t, int64_t column) { return half_to_float(u.scales[column]); }
inline float scale_of(const UnitQ4_0& u, int64_t, int64_t column) { return half_to_float(u.scales[column]); }
inline float scale_of(const UnitQ4_K& u, int64_t k, int64_t column) {
    return half_to_float(u.d[column]) * static_cast<float>(u.blocks[k / 32].scales[column]);
}
inline float scale_of(const UnitQ6_K& u, int64_t k, int64_t column) {
    return half_to_float(u.d[column]) * static_cast<float>(u.blocks[k / 32].scales[k % 32 / 16][column]);
}
inline float scale_of(const UnitQ16& u, int64_t, int64_t column) { return u.scales[column]; }

// What is taken away at position k, over what the rows' sums count; zero where the format has no minima.
template <class Unit>
float min_of(const Unit&, int64_t, int64_t) {
    return 0.0f;
}
inline float min_of(const UnitQ4_K& u, int64_t k, int64_t column) {
    return half_to_float(u.d_min[column]) * static_cast<float>(u.blocks[k / 32].mins[column]);
}

}  // namespace ggml_transformers::scalar
