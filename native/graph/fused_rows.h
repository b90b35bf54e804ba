// What the fused operations' files share: where rows of a tensor lie, and how work is cut.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/ggml_ptr.h"

namespace ggml_transformers {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline const float* floats(const ggml_tensor* tensor) {
    return tensor == nullptr ? nullptr : static_cast<const float*>(tensor->data);
}

inline int64_t row_stride(const ggml_tensor* tensor) {
    return static_cast<int64_t>(tensor->nb[1] / sizeof(float));
}

// Tokens that make a piece of work when each is a row of `width` values to go over: few where there are few,
// so that every thread has some.
inline int64_t rows_per_piece(int64_t width, int64_t tokens, int threads) {
    return std::clamp<int64_t>(8192 / width, 1, std::max<int64_t>(1, ceil_div(tokens, threads)));
}

}  // namespace ggml_transformers
