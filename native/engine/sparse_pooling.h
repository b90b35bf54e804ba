// One weight for each token of the vocabulary from a sequence's masked-token logits: SPLADE, Formal et al.,
// arXiv:2107.05720 (sum) and arXiv:2109.10086 (max).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ggml_transformers {

struct SparsePooling {
    enum class Over : uint8_t { Max, Sum };
    enum class Activation : uint8_t { Relu, Log1pRelu };

    Over over = Over::Max;
    // A logit x weighs log(1 + x), or log(1 + log(1 + x)); 0 when x is negative.
    Activation activation = Activation::Relu;

    bool operator==(const SparsePooling& other) const {
        return over == other.over && activation == other.activation;
    }
};

// Throws Error(InvalidArgument) naming what is unknown.
SparsePooling::Over sparse_pooling_from_name(const std::string& name);
SparsePooling::Activation sparse_activation_from_name(const std::string& name);

// Takes the logits of one more token of the sequence, [n], into `out` [n], which begins as zeros. Sums run in
// the order of the tokens. What is not a number stays so.
void add_logits(const SparsePooling& pooling, const float* logits, int64_t n, float* out);
// After the last token: `out` holds the weights.
void finish_weights(const SparsePooling& pooling, int64_t n, float* out);

// The entries of a vector that are kept, in order of their indices.
struct SparseVector {
    std::vector<int32_t> indices;
    std::vector<float> values;
};

// Those above `threshold`, and of these the `most` largest: of equal ones those of lower index.
SparseVector sparse_vector(const float* weights, int64_t n, float threshold, int64_t most);

}  // namespace ggml_transformers
