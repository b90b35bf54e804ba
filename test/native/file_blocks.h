// The values of a file's blocks, bit by bit from the description of GGML's formats: what packing is held to.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/formats.h"

namespace kernel_check {

using namespace ggml_transformers;

struct FileBlock {
    int64_t k;  // values
    int64_t bytes;
    int64_t halves_at;  // where half-precision numbers begin
    int64_t halves;     // how many; all other bytes may be anything
};

// `second`: two of the files' types are packed in that format, and this is the second (Q5_0, BF16).
inline FileBlock file_block(Format format, bool second) {
    switch (format) {
        case Format::Q8_0:
            if (second) return {32, 22, 0, 1};
            return {32, 34, 0, 1};
        case Format::Q4_0:
            return {32, 18, 0, 1};
        case Format::Q4_K:
            return {256, 144, 0, 2};
        case Format::Q6_K:
            return {256, 210, 208, 1};
        case Format::Q16:
            return {32, 64, 0, 32};
        case Format::F32:
            return {1, 4, 0, 0};
    }
    return {};
}

inline double half_value(const uint8_t* at) {
    uint16_t bits;
    std::memcpy(&bits, at, sizeof(bits));
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 ? -size : size;
}

inline double brain_float_value(const uint8_t* at) {
    uint16_t bits;
    std::memcpy(&bits, at, sizeof(bits));
    const double size = std::ldexp(128 + (bits & 127), (bits >> 7 & 255) - 134);
    return bits >> 15 ? -size : size;
}

// Six-bit numbers 0 to 7 of a Q4_K block are its scales, 8 to 15 its minima.
inline int six_bits(const uint8_t* packed, int index) {
    const int i = index % 8, row = index / 8 * 4;
    if (i < 4) return packed[row + i] & 63;
    const int low = index < 8 ? packed[8 + i - 4] & 15 : packed[8 + i - 4] >> 4;
    return low + 16 * (packed[row + i - 4] >> 6);
}

// The value at position k of a block.
inline double block_value(Format format, bool second, const uint8_t* block, int k) {
    switch (format) {
        case Format::Q8_0: {
            if (!second) return half_value(block) * static_cast<int8_t>(block[2 + k]);
            const int byte = block[6 + k % 16], fifth = block[2 + k / 8] >> k % 8 & 1;
            return half_value(block) * ((k < 16 ? byte % 16 : byte / 16) + 16 * fifth - 16);
        }
        case Format::Q4_0: {
            const int byte = block[2 + k % 16];
            return half_value(block) * ((k < 16 ? byte % 16 : byte / 16) - 8);
        }
        case Format::Q4_K: {
            const int sub = k / 32, byte = block[16 + k / 64 * 32 + k % 32];
            return half_value(block) * six_bits(block + 4, sub) * (sub % 2 == 0 ? byte % 16 : byte / 16) -
                   half_value(block + 2) * six_bits(block + 4, 8 + sub);
        }
        case Format::Q6_K: {
            const int l = k % 128, low_byte = block[k / 128 * 64 + l % 64];
            const int high_byte = block[128 + k / 128 * 32 + l % 32];
            const int value = (l < 64 ? low_byte % 16 : low_byte / 16) + 16 * (high_byte >> (l / 32 * 2) & 3);
            return half_value(block + 208) * static_cast<int8_t>(block[192 + k / 16]) * (value - 32);
        }
        case Format::Q16:
            return second ? brain_float_value(block + 2 * k) : half_value(block + 2 * k);
        case Format::F32: {
            float value;
            std::memcpy(&value, block, sizeof(value));
            return value;
        }
    }
    return 0.0;
}

}  // namespace kernel_check
