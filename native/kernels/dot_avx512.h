// Dot products of bytes and words in AVX-512 registers, for gemm_quantized.h: vpdpbusd and vpdpwssd. For
// every 8 of the former in Q8_0 there are a multiplication and a fused one that share their ports: 80 % of
// its peak is all that exact block scales allow (measured on Zen 4, where 4 rows and 32 columns beat 6 rows
// by 3 to 4 %).
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/formats.h"

namespace ggml_transformers::KERNEL_NAMESPACE {

struct Dots {
    using Ints = __m512i;
    using Floats = __m512;
    static constexpr int64_t columns = 16;
    template <class Unit>
    static constexpr bool narrow = false;

    static Ints load(const void* p) { return _mm512_load_si512(p); }
    static Ints set(int32_t x) { return _mm512_set1_epi32(x); }
    static Ints broadcast(const char* p) {
        int32_t four;
        memcpy(&four, p, sizeof(four));
        return _mm512_set1_epi32(four);
    }
    template <class Unit>
    static Ints dot(Ints sum, Ints weights, Ints row) {
        if constexpr (info(Unit::format).rows == RowForm::Words)
            return _mm512_dpwssd_epi32(sum, weights, row);
        else
            return _mm512_dpbusd_epi32(sum, weights, row);
    }
    static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
    template <class Unit>
    static Ints add_sums(Ints a, Ints b) {
        return add(a, b);
    }
    static Ints low_nibbles(Ints v) { return _mm512_and_si512(v, _mm512_set1_epi8(0x0f)); }
    static Ints high_nibbles(Ints v) { return low_nibbles(_mm512_srli_epi16(v, 4)); }
    // `low` and, above it, the two bits of each byte of `v` from bit `shift` on.
    template <int shift>
    static Ints high_bits(Ints low, Ints v) {
        const Ints moved = shift < 4 ? _mm512_slli_epi16(v, 4 - shift) : _mm512_srli_epi16(v, shift - 4);
        // low | (moved & mask)
        return _mm512_ternarylogic_epi32(low, moved, _mm512_set1_epi8(0x30), 0xf8);
    }

    static Floats to_float(Ints v) { return _mm512_cvtepi32_ps(v); }
    static Floats floats(float x) { return _mm512_set1_ps(x); }
    static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
    static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
    static Floats halves(const uint16_t* p) {
        return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
    }
    static Floats unsigned_bytes(const uint8_t* p) {
        return to_float(_mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p))));
    }
    static Floats signed_bytes(const int8_t* p) {
        return to_float(_mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p))));
    }
    static Floats load_floats(const float* p) { return _mm512_load_ps(p); }
    static void store(float* p, Floats v) { _mm512_store_ps(p, v); }
};

}  // namespace ggml_transformers::KERNEL_NAMESPACE
