// Layer normalization of one row, over the F32x16 of any instruction set.
#pragma once

#include <math.h>

#include "kernels/kernels.h"

namespace ggml_transformers {

template <class V>
void norm_row(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
              int64_t hidden, float* out) {
    const int64_t whole = hidden / 16 * 16;
    const int64_t rest = hidden - whole;
    const float count = static_cast<float>(hidden);

    // The sum with the residual goes to `out`, which the next passes read.
    V total = V::zero();
    for (int64_t i = 0; i < whole; i += 16) {
        const V value = residual ? add(V::load(x + i), V::load(residual + i)) : V::load(x + i);
        value.store(out + i);
        total = add(total, value);
    }
    if (rest > 0) {
        V value = V::load_first(x + whole, rest);
        if (residual) value = add(value, V::load_first(residual + whole, rest));
        value.store_first(out + whole, rest);
        total = add(total, value);
    }
    const V mean = V::set(reduce_add(total) / count);

    V squares = V::zero();
    for (int64_t i = 0; i < whole; i += 16) {
        const V distance = sub(V::load(out + i), mean);
        squares = fma(distance, distance, squares);
    }
    if (rest > 0) {
        const V distance = keep_first(sub(V::load_first(out + whole, rest), mean), rest, V::zero());
        squares = fma(distance, distance, squares);
    }
    const V scale = V::set(1.0f / sqrtf(reduce_add(squares) / count + epsilon));

    for (int64_t i = 0; i < whole; i += 16) {
        const V value = mul(sub(V::load(out + i), mean), scale);
        fma(value, V::load(weight + i), V::load(bias + i)).store(out + i);
    }
    if (rest > 0) {
        const V value = mul(sub(V::load_first(out + whole, rest), mean), scale);
        fma(value, V::load_first(weight + whole, rest), V::load_first(bias + whole, rest))
            .store_first(out + whole, rest);
    }
}

}  // namespace ggml_transformers
