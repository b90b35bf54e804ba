// Sixteen floats in one AVX-512 register. Only for files compiled with AVX-512 flags.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace ggml_transformers::KERNEL_NAMESPACE {

struct F32x16 {
    static constexpr int groups = 2;
    static constexpr int vectors = 4;

    __m512 v;

    static F32x16 zero() { return {_mm512_setzero_ps()}; }
    static F32x16 set(float x) { return {_mm512_set1_ps(x)}; }
    static F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static F32x16 load_first(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
    void store(float* p) const { _mm512_storeu_ps(p, v); }
    void store_first(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, first(n), v); }

    static __mmask16 first(int64_t n) {
        return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
    }
};

inline F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
inline F32x16 round(F32x16 a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline F32x16 copy_sign(F32x16 a, F32x16 from) {
    const __m512 sign = _mm512_set1_ps(-0.0f);
    return {_mm512_or_ps(_mm512_andnot_ps(sign, a.v), _mm512_and_ps(sign, from.v))};
}
inline F32x16 select_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
inline F32x16 keep_first(F32x16 a, int64_t n, F32x16 other) {
    return {_mm512_mask_blend_ps(F32x16::first(n), other.v, a.v)};
}
inline F32x16 scale_by_power(F32x16 a, F32x16 n) { return {_mm512_scalef_ps(a.v, n.v)}; }

inline float reduce_add(F32x16 a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F32x16 a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Sums of a block's whole numbers: of the first 16 in the lower four lanes, of the last 16 in the upper.
struct BlockSums {
    __m256i v;
};

inline F32x16 larger_magnitude(F32x16 a, F32x16 b) {
    return {
        _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(abs(a).v), _mm512_castps_si512(abs(b).v)))};
}

inline void reduce_magnitudes(const F32x16 (&magnitudes)[4], float* out) {
    __m256i halves[4];
    for (int i = 0; i < 4; ++i) {
        const __m512i all = _mm512_castps_si512(magnitudes[i].v);
        halves[i] = _mm256_max_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    }
    const __m256i ab = _mm256_max_epi32(_mm256_unpacklo_epi32(halves[0], halves[1]),
                                        _mm256_unpackhi_epi32(halves[0], halves[1]));
    const __m256i cd = _mm256_max_epi32(_mm256_unpacklo_epi32(halves[2], halves[3]),
                                        _mm256_unpackhi_epi32(halves[2], halves[3]));
    const __m256i all = _mm256_max_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    const __m128i largest = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    _mm_storeu_ps(out, _mm_castsi128_ps(largest));
}
inline BlockSums store_bytes(F32x16 a, F32x16 b, int8_t* out) {
    const __m512i low = _mm512_cvtps_epi32(a.v);
    const __m512i high = _mm512_cvtps_epi32(b.v);
    // Packing works within quarters of 128 bits; the permutation puts the eights back in order.
    const __m512i words = _mm512_packs_epi32(low, high);
    const __m256i bytes =
        _mm256_packs_epi16(_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64(words, 1));
    const __m256i order = _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7);
    const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), ordered);
    return {_mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), ordered)};
}
inline void reduce_sums(const BlockSums (&sums)[4], int32_t* first, int32_t* all) {
    const __m256i ab = _mm256_hadd_epi32(sums[0].v, sums[1].v);
    const __m256i cd = _mm256_hadd_epi32(sums[2].v, sums[3].v);
    const __m256i halves = _mm256_slli_epi32(_mm256_hadd_epi32(ab, cd), 7);
    const __m128i low = _mm256_castsi256_si128(halves), zero = _mm_setzero_si128();
    const __m128i both = _mm_add_epi32(low, _mm256_extracti128_si256(halves, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(first), _mm_sub_epi32(zero, low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), _mm_sub_epi32(zero, both));
}
inline void store_words(F32x16 a, F32x16 b, int16_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a.v)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(b.v)));
}

}  // namespace ggml_transformers::KERNEL_NAMESPACE
