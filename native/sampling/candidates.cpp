#include "sampling/candidates.h"

#include <cmath>

namespace ggml_transformers {

void Candidates::assign(const float* logits, int64_t vocabulary) {
    list_.resize(static_cast<size_t>(vocabulary));
    index_.resize(static_cast<size_t>(vocabulary));
    for (int64_t i = 0; i < vocabulary; ++i) {
        // Damaged weights give NaN, which has no order and must not reach a sort.
        const float logit = std::isnan(logits[i]) ? forbidden : logits[i];
        list_[static_cast<size_t>(i)] = {static_cast<int32_t>(i), logit};
    }
    state_ = Order::ById;
}

Candidate* Candidates::find(int32_t id) {
    const auto at = static_cast<size_t>(id);
    if (at >= vocabulary()) return nullptr;
    if (state_ == Order::ById) return &list_[at];
    if (state_ == Order::Unknown) {
        std::fill(index_.begin(), index_.end(), -1);
        for (size_t i = 0; i < list_.size(); ++i)
            index_[static_cast<size_t>(list_[i].id)] = static_cast<int32_t>(i);
        state_ = Order::Indexed;
    }
    return index_[at] < 0 ? nullptr : &list_[static_cast<size_t>(index_[at])];
}

float Candidates::highest() const {
    float most = forbidden;
    for (const Candidate& c : list_) most = most < c.logit ? c.logit : most;
    return most;
}

}  // namespace ggml_transformers
