#include "sampling/token_counts.h"

namespace ggml_transformers {

namespace {

// Subtracts the penalty from the logits of tokens that the text has, however often.
class PresencePenalty final : public Sampler {
 public:
    PresencePenalty(double penalty, int32_t window)
        : penalty_(static_cast<float>(penalty)), counts_(window) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        counts_.each(candidates, context, [this](Candidate& c, int32_t) { c.logit -= penalty_; });
    }

 private:
    float penalty_;
    TokenCounts counts_;
};

}  // namespace

std::unique_ptr<Sampler> make_presence_penalty(const SamplingOptions& options) {
    if (options.presence_penalty == 0.0) return nullptr;
    return std::make_unique<PresencePenalty>(options.presence_penalty, options.penalty_window);
}

}  // namespace ggml_transformers
