// Keys and values kept as bytes: 32 values of a head at one position share a scale. A group of 16 positions
// of a head is [16 D] whole numbers, laid out as the fused attention's floats are, and [D / 32][16] scales:
// as many bytes as GGML's Q8_0 has. Scales are bfloat16, so that 127 times a scale is a float exactly, and
// what was read and is written again stays the same to the last bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/kv_cache.h"
#include "kernels/kernels.h"

namespace ggml_transformers {

constexpr int64_t kv_block = 32;

// What a group of a head's keys or values takes.
constexpr int64_t kv_group_bytes(int64_t head) { return kv_group * (head + head / kv_block * 2); }

class KvByteGroup {
 public:
    // `keys`: [D][16], else [16][D].
    KvByteGroup(uint8_t* data, int64_t head, bool keys)
        : numbers_(reinterpret_cast<int8_t*>(data)),
          scales_(reinterpret_cast<uint16_t*>(data + kv_group * head)),
          head_(head),
          value_stride_(keys ? kv_group : 1),
          position_stride_(keys ? 1 : head) {}

    // Values [D] of a position, 0 to 15. A block with a value that is not finite counts as zero.
    void write(int64_t position, const float* x) const {
        for (int64_t first = 0; first < head_; first += kv_block) {
            float most = 0.0f;
            bool finite = true;
            for (int64_t i = first; i < first + kv_block; ++i) {
                finite = finite && std::isfinite(x[i]);
                most = std::max(most, std::fabs(x[i]));
            }
            const uint16_t rounded = finite ? to_bfloat16(most / 127.0f) : 0;
            const float scale = from_bfloat16(rounded);
            scales_[first / kv_block * kv_group + position] = rounded;
            for (int64_t i = first; i < first + kv_block; ++i) {
                const float whole = scale > 0.0f ? std::nearbyint(x[i] / scale) : 0.0f;
                numbers_[at(i, position)] = static_cast<int8_t>(std::max(-127.0f, std::min(127.0f, whole)));
            }
        }
    }

    void read(int64_t position, float* x) const {
        for (int64_t i = 0; i < head_; ++i) {
            const float scale = from_bfloat16(scales_[i / kv_block * kv_group + position]);
            x[i] = static_cast<float>(numbers_[at(i, position)]) * scale;
        }
    }

    ByteGroup group() const { return {numbers_, scales_}; }

 private:
    static uint16_t to_bfloat16(float x) {
        uint32_t bits = 0;
        std::memcpy(&bits, &x, sizeof bits);
        return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
    static float from_bfloat16(uint16_t x) {
        const uint32_t bits = static_cast<uint32_t>(x) << 16;
        float value = 0.0f;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    int64_t at(int64_t value, int64_t position) const {
        return value * value_stride_ + position * position_stride_;
    }

    int8_t* numbers_;
    uint16_t* scales_;
    int64_t head_;
    int64_t value_stride_;
    int64_t position_stride_;
};

}  // namespace ggml_transformers
