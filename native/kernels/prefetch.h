// Fetching weights before they are wanted.
#pragma once

#include "kernels/kernels.h"
#include "kernels/unroll.h"

namespace ggml_transformers {

// Fetches weights that will be wanted next, a little at a time: a processor does not foresee them.
struct Prefetch {
    const char* at = nullptr;
    int64_t bytes = 0;  // at a time

    KERNEL_INLINE void some() {
        for (int64_t i = 0; i < bytes; i += 64) KERNEL_PREFETCH(at + i);
        at += bytes;
    }
};

// Fewer rows than this are done with a panel too soon to fetch the next meanwhile: they fetch what comes next
// in this one.
constexpr int64_t few_rows = 16;

// The weights of panel `index`, if there is one, in that many steps.
template <class Unit>
KERNEL_INLINE inline Prefetch prefetch_panel(const PackedWeights& weights, int64_t index, int64_t steps) {
    if (index * panel_columns >= weights.n) return {};
    const int64_t bytes = weights.k / Unit::k * static_cast<int64_t>(sizeof(Unit));
    const int64_t lines = (bytes / steps + 63) / 64;
    return {static_cast<const char*>(weights.data) + index * bytes, lines * 64};
}

}  // namespace ggml_transformers
