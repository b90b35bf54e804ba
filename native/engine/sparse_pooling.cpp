#include "engine/sparse_pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"

namespace ggml_transformers {

namespace {

Error unknown(const std::string& known, const char* what, const std::string& name) {
    return Error(ErrorCode::InvalidArgument,
                 "Expected " + known + " for " + what + " but received \"" + name + "\"")
        .with("value", name);
}

float weight_of(SparsePooling::Activation activation, float logit) {
    const float weight = std::log1p(logit);
    return activation == SparsePooling::Activation::Relu ? weight : std::log1p(weight);
}

}  // namespace

SparsePooling::Over sparse_pooling_from_name(const std::string& name) {
    if (name == "max") return SparsePooling::Over::Max;
    if (name == "sum") return SparsePooling::Over::Sum;
    throw unknown("max or sum", "pooling", name);
}

SparsePooling::Activation sparse_activation_from_name(const std::string& name) {
    if (name == "relu") return SparsePooling::Activation::Relu;
    if (name == "log1p_relu") return SparsePooling::Activation::Log1pRelu;
    throw unknown("relu or log1p_relu", "activation", name);
}

void add_logits(const SparsePooling& pooling, const float* logits, int64_t n, float* out) {
    if (pooling.over == SparsePooling::Over::Max) {
        // Weights grow with their logits: the logarithm can wait for the largest.
        for (int64_t i = 0; i < n; ++i) {
            const float logit = logits[i];
            out[i] = ((logit > out[i]) | (logit != logit)) ? logit : out[i];
        }
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        if (!(logits[i] <= 0.0f)) out[i] += weight_of(pooling.activation, logits[i]);
    }
}

void finish_weights(const SparsePooling& pooling, int64_t n, float* out) {
    if (pooling.over == SparsePooling::Over::Sum) return;
    for (int64_t i = 0; i < n; ++i) {
        if (out[i] != 0.0f) out[i] = weight_of(pooling.activation, out[i]);
    }
}

SparseVector sparse_vector(const float* weights, int64_t n, float threshold, int64_t most) {
    SparseVector vector;
    for (int64_t i = 0; i < n; ++i) {
        if (!(weights[i] <= threshold)) vector.indices.push_back(static_cast<int32_t>(i));
    }
    if (most < static_cast<int64_t>(vector.indices.size())) {
        // What is not a number comes first: a result that hides it would look sound.
        const auto rank = [weights](int32_t i) {
            return std::isnan(weights[i]) ? std::numeric_limits<float>::infinity() : weights[i];
        };
        const auto end = vector.indices.begin() + static_cast<std::ptrdiff_t>(most);
        std::nth_element(vector.indices.begin(), end, vector.indices.end(), [&](int32_t a, int32_t b) {
            return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
        });
        vector.indices.erase(end, vector.indices.end());
        std::sort(vector.indices.begin(), vector.indices.end());
    }
    vector.values.reserve(vector.indices.size());
    for (const int32_t i : vector.indices) vector.values.push_back(weights[i]);
    return vector;
}

}  // namespace ggml_transformers
