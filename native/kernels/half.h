// Half precision for code that may not use the processor's own conversion.
#pragma once

#include <stdint.h>
#include <string.h>

namespace ggml_transformers {

inline float half_to_float(uint16_t half) {
    const uint32_t sign = (half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fu;
    const uint32_t fraction = half & 0x3ffu;
    if (exponent == 0) {
        // Subnormal: a whole multiple of 2^-24.
        const float size = static_cast<float>(fraction) * 5.9604644775390625e-8f;
        return sign ? -size : size;
    }
    const uint32_t widened = exponent == 31 ? 0xffu : exponent + 112;
    const uint32_t bits = sign | (widened << 23) | (fraction << 13);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

}  // namespace ggml_transformers
