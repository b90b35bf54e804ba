#include "sampling/constraint_sampler.h"

#include <algorithm>

namespace ggml_transformers {

void ConstraintSampler::apply(Candidates& candidates, const SamplingContext& context) {
    const std::shared_ptr<const Continuation> next =
        after(context.tokens + context.count - context.generated, context.generated);
    const auto is_stop = [&](int32_t id) {
        return next->complete && std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end();
    };
    for (Candidate& candidate : candidates) {
        if (!next->allows(candidate.id) && !is_stop(candidate.id)) candidate.logit = forbidden;
    }
}

bool ConstraintSampler::ends(const int32_t* tokens, int64_t generated) {
    return after(tokens, generated)->ends;
}

std::shared_ptr<const Continuation> ConstraintSampler::after(const int32_t* tokens, int64_t generated) {
    if (before_ == 0) return constraint_->after(tokens, generated, cursor_);
    text_.resize(before_);
    text_.insert(text_.end(), tokens, tokens + generated);
    return constraint_->after(text_.data(), static_cast<int64_t>(text_.size()), cursor_);
}

}  // namespace ggml_transformers
