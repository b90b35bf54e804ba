// What AVX2 and AVX-VNNI share of the dot products for gemm_quantized.h: everything but the dot products.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/formats.h"

namespace ggml_transformers::KERNEL_NAMESPACE {

struct YmmVectors {
    using Ints = __m256i;
    using Floats = __m256;
    static constexpr int64_t columns = 8;

    static Ints load(const void* p) { return _mm256_load_si256(static_cast<const __m256i*>(p)); }
    static Ints set(int32_t x) { return _mm256_set1_epi32(x); }
    static Ints broadcast(const char* p) {
        int32_t four;
        memcpy(&four, p, sizeof(four));
        return _mm256_set1_epi32(four);
    }
    static Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
    static Ints low_nibbles(Ints v) { return _mm256_and_si256(v, _mm256_set1_epi8(0x0f)); }
    static Ints high_nibbles(Ints v) { return low_nibbles(_mm256_srli_epi16(v, 4)); }
    // `low` and, above it, the two bits of each byte of `v` from bit `shift` on.
    template <int shift>
    static Ints high_bits(Ints low, Ints v) {
        const Ints moved = shift < 4 ? _mm256_slli_epi16(v, 4 - shift) : _mm256_srli_epi16(v, shift - 4);
        return _mm256_or_si256(low, _mm256_and_si256(moved, _mm256_set1_epi8(0x30)));
    }

    static Floats to_float(Ints v) { return _mm256_cvtepi32_ps(v); }
    static Floats floats(float x) { return _mm256_set1_ps(x); }
    static Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
    static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
    static Floats halves(const uint16_t* p) {
        return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
    }
    static Floats unsigned_bytes(const uint8_t* p) {
        return to_float(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
    }
    static Floats signed_bytes(const int8_t* p) {
        return to_float(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
    }
    static Floats load_floats(const float* p) { return _mm256_load_ps(p); }
    static void store(float* p, Floats v) { _mm256_store_ps(p, v); }
};

}  // namespace ggml_transformers::KERNEL_NAMESPACE
