#include "sampling/token_counts.h"

namespace ggml_transformers {

namespace {

// Subtracts the penalty from a token's logit for each time that the text has it.
class FrequencyPenalty final : public Sampler {
 public:
    FrequencyPenalty(double penalty, int32_t window)
        : penalty_(static_cast<float>(penalty)), counts_(window) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        counts_.each(candidates, context, [this](Candidate& c, int32_t count) {
            c.logit -= penalty_ * static_cast<float>(count);
        });
    }

 private:
    float penalty_;
    TokenCounts counts_;
};

}  // namespace

std::unique_ptr<Sampler> make_frequency_penalty(const SamplingOptions& options) {
    if (options.frequency_penalty == 0.0) return nullptr;
    return std::make_unique<FrequencyPenalty>(options.frequency_penalty, options.penalty_window);
}

}  // namespace ggml_transformers
