// Rotary positions. Each token's turns are computed once for all layers of a graph.
#include <algorithm>
#include <cmath>

#include "graph/fused.h"
#include "graph/fused_rows.h"

namespace ggml_transformers {

namespace {

// Frequencies and angles are rounded to floats as Hugging Face's models have them: far into a text, angles
// that are more exact than the reference's would be other angles.
float frequency(const Rotation& r, int64_t pair) {
    const float exponent = static_cast<float>(2 * pair) / static_cast<float>(r.values);
    return 1.0f / static_cast<float>(std::pow(static_cast<double>(r.base), static_cast<double>(exponent)));
}

// One head's values [D] in place. `turns`: cosines [R / 2], then sines.
void turn(float* x, const float* turns, int64_t values) {
    const int64_t half = values / 2;
    for (int64_t i = 0; i < half; ++i) {
        const float cosine = turns[i], sine = turns[half + i];
        const float first = x[i], second = x[half + i];
        x[i] = first * cosine - second * sine;
        x[half + i] = second * cosine + first * sine;
    }
}

}  // namespace

ggml_tensor* FusedCpu::turns(GraphBuilder& builder, const Rotation& rotation) {
    ggml_tensor* positions = rotation.positions;
    std::vector<float> frequencies;  // [R / 2]
    for (int64_t i = 0; i < rotation.values / 2; ++i) frequencies.push_back(frequency(rotation, i));
    return builder.custom(rotation.values, positions->ne[0], {positions}, [=](ggml_tensor* out) {
        const auto half = static_cast<int64_t>(frequencies.size());
        const auto* at = static_cast<const int32_t*>(positions->data);
        // Sines take many times as long as other values.
        const int64_t tokens = out->ne[1], piece = rows_per_piece(64 * half, tokens, pool_.threads());
        pool_.parallel(ceil_div(tokens, piece), [&](int64_t p, int) {
            for (int64_t t = p * piece; t < std::min(tokens, (p + 1) * piece); ++t) {
                float* row = static_cast<float*>(out->data) + t * 2 * half;
                for (int64_t i = 0; i < half; ++i) {
                    const float angle = static_cast<float>(at[t]) * frequencies[static_cast<size_t>(i)];
                    row[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
                    row[half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
                }
            }
        });
    });
}

ggml_tensor* FusedCpu::rotate(GraphBuilder& builder, const Qkv& qkv, const Rotation& rotation) {
    ggml_tensor *const joint = qkv.joint, *const turns = rotation.turns;
    want_floats(joint);
    want_floats(turns);
    const int64_t width = joint->ne[0], rotated = qkv.q->ne[0] + qkv.k->ne[0];
    const int64_t head = rotation.head, values = rotation.values;
    return builder.custom(width, joint->ne[1], {joint, turns}, [=](ggml_tensor* out) {
        const int64_t tokens = out->ne[1], piece = rows_per_piece(width, tokens, pool_.threads());
        pool_.parallel(ceil_div(tokens, piece), [&](int64_t p, int) {
            for (int64_t t = p * piece; t < std::min(tokens, (p + 1) * piece); ++t) {
                float* row = static_cast<float*>(out->data) + t * width;
                std::copy_n(floats(joint) + t * row_stride(joint), width, row);
                for (int64_t at = 0; at < rotated; at += head)
                    turn(row + at, floats(turns) + t * values, values);
            }
        });
    });
}

}  // namespace ggml_transformers
