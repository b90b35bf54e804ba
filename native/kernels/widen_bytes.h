// Keys and values that are kept as bytes, made floats again. Plain loops, which the compiler turns into each
// instruction set's vectors: `V` only keeps them apart for the linker.
#pragma once

#include <cstring>

#include "kernels/kernels.h"

namespace ggml_transformers {

template <class V>
inline float widen_scale(uint16_t scale) {
    const uint32_t bits = static_cast<uint32_t>(scale) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class V>
void widen_key_bytes(const ByteGroup& group, int64_t head, float* out) {
    const int8_t* q = group.numbers;
    for (int64_t block = 0; block < head / quant_block; ++block) {
        float scales[key_group];
        for (int64_t p = 0; p < key_group; ++p)
            scales[p] = widen_scale<V>(group.scales[block * key_group + p]);
        for (int64_t i = 0; i < quant_block; ++i, q += key_group, out += key_group)
            for (int64_t p = 0; p < key_group; ++p) out[p] = static_cast<float>(q[p]) * scales[p];
    }
}

template <class V>
void widen_value_bytes(const ByteGroup& group, int64_t head, float* out) {
    const int8_t* q = group.numbers;
    for (int64_t p = 0; p < key_group; ++p) {
        for (int64_t block = 0; block < head / quant_block; ++block, q += quant_block, out += quant_block) {
            const float scale = widen_scale<V>(group.scales[block * key_group + p]);
            for (int64_t i = 0; i < quant_block; ++i) out[i] = static_cast<float>(q[i]) * scale;
        }
    }
}

}  // namespace ggml_transformers
