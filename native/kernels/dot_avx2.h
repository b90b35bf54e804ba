// Dot products of bytes and words with AVX2, for gemm_quantized.h. Weights of 4 bits times bytes fit the 16
// bits of vpmaddubsw eight times over; those of 6 bits once, then vpmaddwd adds pairs. Weights of 8 bits do
// not fit at all: gemm_q8_0_avx2.cpp.
#pragma once

#include "kernels/dot_ymm.h"
#include "kernels/unroll.h"

namespace ggml_transformers::avx2 {

struct Dots : YmmVectors {
    template <class Unit>
    static constexpr bool narrow = Unit::format == Format::Q4_0 || Unit::format == Format::Q4_K;

    template <class Unit>
    static Ints dot(Ints sum, Ints weights, Ints row) {
        if constexpr (narrow<Unit>)
            sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, row));
        else if constexpr (info(Unit::format).rows == RowForm::Words)
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(weights, row));
        else
            sum = _mm256_add_epi32(sum, widen(_mm256_maddubs_epi16(weights, row)));
        KERNEL_KEEP(sum);
        return sum;
    }
    template <class Unit>
    static Ints add_sums(Ints a, Ints b) {
        return narrow<Unit> ? _mm256_add_epi16(a, b) : _mm256_add_epi32(a, b);
    }
    static Ints widen(Ints sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
};

}  // namespace ggml_transformers::avx2
