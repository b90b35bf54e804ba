// Layer normalization of one row, over the F32x16 of any instruction set.
#pragma once

#include <math.h>

#include "kernels/kernels.h"

namespace ggml_transformers {

// Calls `visit(i, count, chain)` for each 16 values of a row, the last of which may be fewer. Vector v
// belongs to chain v mod 4: four sums run side by side, and the order depends on the row's width alone.
template <class Visit>
inline void visit_row(int64_t hidden, Visit visit) {
    int64_t i = 0;
    for (; i + 64 <= hidden; i += 64)
        for (int chain = 0; chain < 4; ++chain) visit(i + chain * 16, int64_t{16}, chain);
    for (int chain = 0; i < hidden; i += 16, ++chain)
        visit(i, hidden - i < 16 ? hidden - i : int64_t{16}, chain);
}

template <class V>
inline V load_some(const float* p, int64_t count) {
    return count == 16 ? V::load(p) : V::load_first(p, count);
}

template <class V>
inline void store_some(V value, float* p, int64_t count) {
    if (count == 16)
        value.store(p);
    else
        value.store_first(p, count);
}

template <class V>
inline float reduce_chains(const V (&chains)[4]) {
    return reduce_add(add(add(chains[0], chains[1]), add(chains[2], chains[3])));
}

// `residual` and `bias` may be null.
template <class V>
void norm_row(const float* x, const float* residual, const float* weight, const float* bias, float epsilon,
              int64_t hidden, float* out) {
    const float count = static_cast<float>(hidden);

    // The sum with the residual goes to `out`, which the next passes read.
    V totals[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    visit_row(hidden, [&](int64_t i, int64_t some, int chain) {
        V value = load_some<V>(x + i, some);
        if (residual) value = add(value, load_some<V>(residual + i, some));
        store_some(value, out + i, some);
        totals[chain] = add(totals[chain], value);
    });
    const V mean = V::set(reduce_chains(totals) / count);

    V squares[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    visit_row(hidden, [&](int64_t i, int64_t some, int chain) {
        V distance = sub(load_some<V>(out + i, some), mean);
        if (some < 16) distance = keep_first(distance, some, V::zero());
        squares[chain] = fma(distance, distance, squares[chain]);
    });
    const V scale = V::set(1.0f / sqrtf(reduce_chains(squares) / count + epsilon));

    visit_row(hidden, [&](int64_t i, int64_t some, int) {
        const V value = mul(sub(load_some<V>(out + i, some), mean), scale);
        const V shift = bias ? load_some<V>(bias + i, some) : V::zero();
        store_some(fma(value, load_some<V>(weight + i, some), shift), out + i, some);
    });
}

}  // namespace ggml_transformers
