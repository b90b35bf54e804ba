// Classifier-free guidance: a second sequence, the negative prompt with the same continuation, says what the
// text should not follow from (Sanchez et al., arXiv:2306.17806).
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/decode_scheduler.h"
#include "sampling/probability.h"

namespace ggml_transformers {

// The second sequence; it belongs to a job, which asks for its logits.
class GuideJob final : public DecodeJob {
 public:
    GuideJob(std::vector<int32_t> ids, int64_t max_tokens)
        : DecodeJob(std::move(ids), CancelToken()),
          positions_(static_cast<int64_t>(tokens_.size()) + max_tokens) {}

    int64_t positions_needed(const ModelSize& size) const override {
        return std::min(positions_, size.context);
    }
    void open_cache(const KvLayout&, PromptCache& prompts) override { cache = prompts.open(tokens_, past_); }
    void started(const ModelSize& size) override {
        tokens_.reserve(static_cast<size_t>(positions_needed(size)));
        logits_.resize(static_cast<size_t>(size.vocabulary));
    }
    int64_t rows_wanted(int64_t count) const override { return count == pending() ? 1 : 0; }
    bool receive(const float* logits, int64_t, const ModelSize& size) override {
        std::copy_n(logits, size.vocabulary, logits_.data());
        return false;
    }
    bool waiting() const override { return pending() == 0; }
    void fail(const Error&) override {}

    // Its logits are those of what comes next.
    bool ready() const { return pending() == 0; }
    void add(int32_t id) { tokens_.push_back(id); }
    bool is_full(const ModelSize& size) const { return static_cast<int64_t>(tokens_.size()) >= size.context; }

    // Moves log-probabilities from those of this sequence, `scale` times as far as `logits` [V] are away:
    // [V] into `guided`.
    void guide(const float* logits, double scale, std::vector<float>& guided) const {
        const auto vocabulary = static_cast<int64_t>(logits_.size());
        const double sum = log_sum(logits, vocabulary), own_sum = log_sum(logits_.data(), vocabulary);
        guided.resize(logits_.size());
        for (size_t i = 0; i < guided.size(); ++i) {
            const double with = static_cast<double>(logits[i]) - sum;
            const double without = static_cast<double>(logits_[i]) - own_sum;
            guided[i] = static_cast<float>(without + scale * (with - without));
        }
    }

 private:
    int64_t positions_;
    std::vector<float> logits_;  // [V]
};

}  // namespace ggml_transformers
