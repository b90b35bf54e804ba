#include "sampling/constraint_sampler.h"

#include <algorithm>
#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace ggml_transformers {

namespace {

// Of a word that is not 0.
int32_t lowest_bit(uint64_t word) {
#if defined(_MSC_VER)
    unsigned long place = 0;
    _BitScanForward64(&place, word);
    return static_cast<int32_t>(place);
#else
    return __builtin_ctzll(word);
#endif
}

}  // namespace

void ConstraintSampler::apply(Candidates& candidates, const SamplingContext& context) {
    const std::shared_ptr<const Continuation> allowed = next(context);
    const auto contains = [&](int32_t id) { return allowed->allows(id); };
    const auto is_stop = [&](int32_t id) {
        return std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end();
    };
    if (allowed->complete) {
        for (Candidate& candidate : candidates) {
            if (!contains(candidate.id) && !is_stop(candidate.id)) candidate.logit = forbidden;
        }
        return;
    }
    // Chosen without a branch, which nobody could predict: which tokens are allowed has no pattern.
    for (Candidate& candidate : candidates) {
        const float choices[] = {forbidden, candidate.logit};
        candidate.logit = choices[contains(candidate.id) ? 1 : 0];
    }
}

int32_t ConstraintSampler::likeliest(const float* logits, int64_t vocabulary,
                                     const SamplingContext& context) {
    const std::shared_ptr<const Continuation> allowed = next(context);
    Candidate best{-1, forbidden};
    const auto consider = [&](int32_t id) {
        const float logit = id < vocabulary ? logits[id] : forbidden;
        if (logit > best.logit || (logit == best.logit && logit > forbidden && id < best.id))
            best = {id, logit};
    };
    for (size_t i = 0; i < allowed->tokens.size(); ++i) {
        for (uint64_t left = allowed->tokens[i]; left != 0; left &= left - 1)
            consider(static_cast<int32_t>(64 * i) + lowest_bit(left));
    }
    if (allowed->complete) std::for_each(stop_ids_.begin(), stop_ids_.end(), consider);
    return best.id;
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
