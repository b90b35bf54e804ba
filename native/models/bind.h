// Binds named tensors of a file to the blocks that use them.
#pragma once

#include <string>

#include "engine/weights.h"
#include "graph/blocks.h"

namespace ggml_transformers {

// `name`.weight [in, out] and, where the file has it, `name`.bias [out].
inline Linear require_linear(const Weights& weights, const std::string& name, int64_t in, int64_t out) {
    return {weights.require(name + ".weight", {in, out}), weights.find(name + ".bias", {out})};
}

// The same; both null when the file has neither.
inline Linear find_linear(const Weights& weights, const std::string& name, int64_t in, int64_t out) {
    return {weights.find(name + ".weight", {in, out}), weights.find(name + ".bias", {out})};
}

// The same, with as many outputs as the file's weight has.
inline Linear find_classifier(const Weights& weights, const std::string& name, int64_t in) {
    return find_linear(weights, name, in, weights.extent(name + ".weight", 1));
}

// Whether an architecture's norms add a bias.
enum class NormBias { Required, None };

// `name`.weight and, if required, `name`.bias, both [hidden].
inline Norm require_norm(const Weights& weights, const std::string& name, int64_t hidden, float epsilon,
                         NormBias bias = NormBias::Required) {
    ggml_tensor* weight = weights.require(name + ".weight", {hidden});
    if (bias == NormBias::None) return {weight, nullptr, epsilon};
    return {weight, weights.require(name + ".bias", {hidden}), epsilon};
}

}  // namespace ggml_transformers
