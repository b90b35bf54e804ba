// Forbids what a constraint does not allow. Before all other samplers.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "constraint/constraint.h"
#include "sampling/sampler.h"

namespace ggml_transformers {

class ConstraintSampler final : public Sampler {
 public:
    // `before`: tokens that the text begins with.
    ConstraintSampler(std::shared_ptr<Constraint> constraint, std::vector<int32_t> before,
                      std::vector<int32_t> stop_ids)
        : constraint_(std::move(constraint)),
          before_(before.size()),
          text_(std::move(before)),
          stop_ids_(std::move(stop_ids)) {}

    void apply(Candidates& candidates, const SamplingContext& context) override;

    // The likeliest token that is allowed, or -1 when there is none or all are impossible. Much less work
    // than apply() where few are.
    int32_t likeliest(const float* logits, int64_t vocabulary, const SamplingContext& context);

    // Nothing may follow the text of tokens [generated].
    bool ends(const int32_t* tokens, int64_t generated);

 private:
    std::shared_ptr<const Continuation> after(const int32_t* tokens, int64_t generated);
    std::shared_ptr<const Continuation> next(const SamplingContext& context) {
        return after(context.tokens + context.count - context.generated, context.generated);
    }

    std::shared_ptr<Constraint> constraint_;
    size_t before_;
    std::vector<int32_t> text_;      // what was before, and the last tokens asked about
    std::vector<int32_t> stop_ids_;  // allowed where the text may end
    Constraint::Cursor cursor_;
};

}  // namespace ggml_transformers
