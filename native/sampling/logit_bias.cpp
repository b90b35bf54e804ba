#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Adds to the logits of single tokens.
class LogitBias final : public Sampler {
 public:
    explicit LogitBias(std::vector<std::pair<int32_t, float>> biases) : biases_(std::move(biases)) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        for (const auto& [id, bias] : biases_) {
            if (Candidate* candidate = candidates.find(id)) candidate->logit += bias;
        }
    }

 private:
    std::vector<std::pair<int32_t, float>> biases_;
};

}  // namespace

std::unique_ptr<Sampler> make_logit_bias(const SamplingOptions& options) {
    return options.logit_bias.empty() ? nullptr : std::make_unique<LogitBias>(options.logit_bias);
}

}  // namespace ggml_transformers
