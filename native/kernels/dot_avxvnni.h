// Dot products of bytes and words with AVX-VNNI, for gemm_quantized.h: vpdpbusd and vpdpwssd.
#pragma once

#include "kernels/dot_ymm.h"

namespace ggml_transformers::KERNEL_NAMESPACE {

struct Dots : YmmVectors {
    template <class Unit>
    static constexpr bool narrow = false;

    template <class Unit>
    static Ints dot(Ints sum, Ints weights, Ints row) {
        constexpr bool words = info(Unit::format).rows == RowForm::Words;
#ifdef __AVXVNNI__
        return words ? _mm256_dpwssd_avx_epi32(sum, weights, row)
                     : _mm256_dpbusd_avx_epi32(sum, weights, row);
#else
        // The same instructions in the encoding of AVX-512, so that they can be checked where AVX-VNNI is
        // not.
        return words ? _mm256_dpwssd_epi32(sum, weights, row) : _mm256_dpbusd_epi32(sum, weights, row);
#endif
    }
    template <class Unit>
    static Ints add_sums(Ints a, Ints b) {
        return add(a, b);
    }
};

}  // namespace ggml_transformers::KERNEL_NAMESPACE
