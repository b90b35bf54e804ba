#include "engine/pooling.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace ggml_transformers {

Pooling pooling_from_name(const std::string& name) {
    if (name == "mean") return Pooling::Mean;
    if (name == "cls") return Pooling::Cls;
    if (name == "max") return Pooling::Max;
    if (name == "last") return Pooling::Last;
    throw Error(ErrorCode::InvalidArgument,
                "Expected one of mean, cls, max, last for pooling but received \"" + name + "\"")
        .with("value", name);
}

namespace {

void pool_mean(const float* rows, int64_t length, int64_t hidden, float* out) {
    constexpr int64_t together = 64;  // columns whose sums fit on the stack
    for (int64_t begin = 0; begin < hidden; begin += together) {
        const int64_t count = std::min(together, hidden - begin);
        double sums[together] = {};
        for (int64_t r = 0; r < length; ++r) {
            const float* row = rows + r * hidden + begin;
            for (int64_t i = 0; i < count; ++i) sums[i] += static_cast<double>(row[i]);
        }
        for (int64_t i = 0; i < count; ++i) {
            out[begin + i] = static_cast<float>(sums[i] / static_cast<double>(length));
        }
    }
}

void pool_max(const float* rows, int64_t length, int64_t hidden, float* out) {
    std::copy_n(rows, hidden, out);
    for (int64_t r = 1; r < length; ++r) {
        for (int64_t i = 0; i < hidden; ++i) out[i] = std::max(out[i], rows[r * hidden + i]);
    }
}

}  // namespace

void pool(Pooling pooling, const float* rows, int64_t length, int64_t hidden, float* out) {
    switch (pooling) {
        case Pooling::Mean:
            pool_mean(rows, length, hidden, out);
            return;
        case Pooling::Cls:
            std::copy_n(rows, hidden, out);
            return;
        case Pooling::Max:
            pool_max(rows, length, hidden, out);
            return;
        case Pooling::Last:
            std::copy_n(rows + (length - 1) * hidden, hidden, out);
            return;
    }
}

void normalize(float* vector, int64_t size) {
    double sum = 0.0;
    for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(vector[i]) * static_cast<double>(vector[i]);
    if (sum == 0.0) return;
    const double scale = 1.0 / std::sqrt(sum);
    for (int64_t i = 0; i < size; ++i) vector[i] = static_cast<float>(static_cast<double>(vector[i]) * scale);
}

}  // namespace ggml_transformers
