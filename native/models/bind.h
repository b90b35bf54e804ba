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

// `name`.weight and `name`.bias, both [hidden].
inline Norm require_norm(const Weights& weights, const std::string& name, int64_t hidden, float epsilon) {
    return {weights.require(name + ".weight", {hidden}), weights.require(name + ".bias", {hidden}), epsilon};
}

}  // namespace ggml_transformers
