// Sixteen floats in one AVX-512 register. Only for files compiled with AVX-512 flags.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace ggml_transformers::avx512 {

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

struct I32x16 {
    __m512i v;
};

inline F32x16 larger_magnitude(F32x16 a, F32x16 b) {
    return {
        _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(abs(a).v), _mm512_castps_si512(abs(b).v)))};
}

// Folds four vectors into one of 128 bits that holds a result for each.
template <class Fold512, class Fold128>
inline __m128i fold_four(__m512i a, __m512i b, __m512i c, __m512i d, Fold512 fold, Fold128 fold_quarter) {
    const __m512i ab = fold(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = fold(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    const __m512i all = fold(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m512i halves = fold(all, _mm512_shuffle_i64x2(all, all, 0x4e));
    const __m256i half = _mm512_castsi512_si256(halves);
    return fold_quarter(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}
inline void reduce_magnitudes(const F32x16 (&magnitudes)[4], float* out) {
    const __m128i largest = fold_four(
        _mm512_castps_si512(magnitudes[0].v), _mm512_castps_si512(magnitudes[1].v),
        _mm512_castps_si512(magnitudes[2].v), _mm512_castps_si512(magnitudes[3].v),
        [](__m512i x, __m512i y) { return _mm512_max_epi32(x, y); },
        [](__m128i x, __m128i y) { return _mm_max_epi32(x, y); });
    _mm_storeu_ps(out, _mm_castsi128_ps(largest));
}
inline I32x16 store_bytes(F32x16 a, F32x16 b, int8_t* out) {
    const __m512i low = _mm512_cvtps_epi32(a.v);
    const __m512i high = _mm512_cvtps_epi32(b.v);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8(low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), _mm512_cvtepi32_epi8(high));
    return {_mm512_add_epi32(low, high)};
}
inline void reduce_sums(const I32x16 (&sums)[4], int32_t* out) {
    const __m128i all = fold_four(
        sums[0].v, sums[1].v, sums[2].v, sums[3].v,
        [](__m512i x, __m512i y) { return _mm512_add_epi32(x, y); },
        [](__m128i x, __m128i y) { return _mm_add_epi32(x, y); });
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), all);
}

}  // namespace ggml_transformers::avx512
