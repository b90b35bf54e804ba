#include "sampling/token_counts.h"

namespace ggml_transformers {

namespace {

// Makes tokens that the text has already less likely (above 1) or more (below 1), however often they stand
// there: positive logits are divided, negative ones multiplied (Keskar et al., CTRL, arXiv:1909.05858).
class RepetitionPenalty final : public Sampler {
 public:
    RepetitionPenalty(double penalty, int32_t window)
        : penalty_(static_cast<float>(penalty)), counts_(window) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        counts_.each(candidates, context, [this](Candidate& c, int32_t) {
            c.logit = c.logit < 0.0f ? c.logit * penalty_ : c.logit / penalty_;
        });
    }

 private:
    float penalty_;
    TokenCounts counts_;
};

}  // namespace

std::unique_ptr<Sampler> make_repetition_penalty(const SamplingOptions& options) {
    if (options.repetition_penalty == 1.0) return nullptr;
    return std::make_unique<RepetitionPenalty>(options.repetition_penalty, options.penalty_window);
}

}  // namespace ggml_transformers
