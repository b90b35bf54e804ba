// Choosing the next token: the samplers that a request asks for, one after the other, and one draw.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sampling/constraint_sampler.h"
#include "sampling/sampler.h"

namespace ggml_transformers {

class SamplerChain {
 public:
    // Throws Error(InvalidArgument) for an order that names no sampler, one twice, or lacks one in use.
    explicit SamplerChain(const SamplingOptions& options);

    // The next token's id for logits [V], after `tokens` [count] of which the last `generated` are new.
    // Throws Error(InvalidArgument) when the samplers together forbid every token.
    int32_t sample(const float* logits, int64_t vocabulary, const int32_t* tokens, int64_t count,
                   int64_t generated);

    // What is left of logits [V] after all samplers, without a draw.
    const Candidates& adjust(const float* logits, int64_t vocabulary, const int32_t* tokens, int64_t count,
                             int64_t generated);

    // A constraint allows nothing after tokens [generated].
    bool ends(const int32_t* tokens, int64_t generated) {
        return constraint_ && constraint_->ends(tokens, generated);
    }

    // What sample() last drew from.
    const Candidates& candidates() const { return candidates_; }

 private:
    int32_t draw();

    std::unique_ptr<ConstraintSampler> constraint_;  // null: any text
    std::vector<std::unique_ptr<Sampler>> samplers_;
    bool greedy_;
    RandomGenerator random_;
    // Their memory is used again for every token.
    Candidates candidates_;
    Exponentials exponentials_;
};

}  // namespace ggml_transformers
