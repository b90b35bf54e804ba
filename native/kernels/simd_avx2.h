// Sixteen floats in two AVX2 registers. Only for files compiled with AVX2, FMA and F16C flags, which say
// whose they are by KERNEL_NAMESPACE (tables.h).
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace ggml_transformers::KERNEL_NAMESPACE {

struct F32x16 {
    static constexpr int groups = 1;
    static constexpr int vectors = 1;

    __m256 low;
    __m256 high;

    static F32x16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
    static F32x16 set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
    static F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
    static F32x16 load_first(const float* p, int64_t n) {
        return {_mm256_maskload_ps(p, first(n)), _mm256_maskload_ps(p + 8, first(n - 8))};
    }
    void store(float* p) const {
        _mm256_storeu_ps(p, low);
        _mm256_storeu_ps(p + 8, high);
    }
    void store_first(float* p, int64_t n) const {
        _mm256_maskstore_ps(p, first(n), low);
        _mm256_maskstore_ps(p + 8, first(n - 8), high);
    }

    // All bits set in the first `n` of eight lanes.
    static __m256i first(int64_t n) {
        const int count = n >= 8 ? 8 : n <= 0 ? 0 : static_cast<int>(n);
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
};

inline F32x16 add(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
    return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
inline F32x16 abs(F32x16 a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
inline F32x16 round(F32x16 a) {
    constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, mode), _mm256_round_ps(a.high, mode)};
}
inline F32x16 copy_sign(F32x16 a, F32x16 from) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const F32x16 magnitude = abs(a);
    return {_mm256_or_ps(magnitude.low, _mm256_and_ps(sign, from.low)),
            _mm256_or_ps(magnitude.high, _mm256_and_ps(sign, from.high))};
}
inline F32x16 select_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
    return {_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
            _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
inline F32x16 keep_first(F32x16 a, int64_t n, F32x16 other) {
    return {_mm256_blendv_ps(other.low, a.low, _mm256_castsi256_ps(F32x16::first(n))),
            _mm256_blendv_ps(other.high, a.high, _mm256_castsi256_ps(F32x16::first(n - 8)))};
}

// The power is applied in two halves, so that a result below the normal range is still rounded only once.
inline __m256 scale_by_power(__m256 a, __m256 n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}
inline F32x16 scale_by_power(F32x16 a, F32x16 n) {
    return {scale_by_power(a.low, n.low), scale_by_power(a.high, n.high)};
}

inline float reduce_add(F32x16 a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F32x16 a) {
    const __m256 eight = _mm256_max_ps(a.low, a.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Sums of a block's whole numbers: of the first 16 in the lower four lanes, of the last 16 in the upper.
struct BlockSums {
    __m256i v;
};

inline F32x16 larger_magnitude(F32x16 a, F32x16 b) {
    const F32x16 x = abs(a);
    const F32x16 y = abs(b);
    return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(x.low), _mm256_castps_si256(y.low))),
            _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(x.high), _mm256_castps_si256(y.high)))};
}

inline void reduce_magnitudes(const F32x16 (&magnitudes)[4], float* out) {
    __m256i halves[4];
    for (int i = 0; i < 4; ++i)
        halves[i] =
            _mm256_max_epi32(_mm256_castps_si256(magnitudes[i].low), _mm256_castps_si256(magnitudes[i].high));
    const __m256i ab = _mm256_max_epi32(_mm256_unpacklo_epi32(halves[0], halves[1]),
                                        _mm256_unpackhi_epi32(halves[0], halves[1]));
    const __m256i cd = _mm256_max_epi32(_mm256_unpacklo_epi32(halves[2], halves[3]),
                                        _mm256_unpackhi_epi32(halves[2], halves[3]));
    const __m256i all = _mm256_max_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    const __m128i largest = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    _mm_storeu_ps(out, _mm_castsi128_ps(largest));
}
inline BlockSums store_bytes(F32x16 a, F32x16 b, int8_t* out) {
    const __m256i w[4] = {_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high), _mm256_cvtps_epi32(b.low),
                          _mm256_cvtps_epi32(b.high)};
    // Packing works within halves of 128 bits; the permutation puts the fours back in order.
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(w[0], w[1]), _mm256_packs_epi32(w[2], w[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(bytes, order));
    const __m256i first = _mm256_add_epi32(w[0], w[1]), last = _mm256_add_epi32(w[2], w[3]);
    return {_mm256_add_epi32(_mm256_permute2x128_si256(first, last, 0x20),
                             _mm256_permute2x128_si256(first, last, 0x31))};
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
    // Packing works within halves of 128 bits; the permutation puts the quarters back in order.
    const auto pack = [](F32x16 x) {
        const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
        return _mm256_permute4x64_epi64(words, 0xd8);
    };
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), pack(a));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), pack(b));
}

}  // namespace ggml_transformers::KERNEL_NAMESPACE
