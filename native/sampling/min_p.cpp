#include <cmath>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Keeps the candidates at least p times as likely as the likeliest (Nguyen et al., arXiv:2407.01082).
class MinP final : public Sampler {
 public:
    explicit MinP(double p) : distance_(std::log(p)) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        const double least = candidates.highest() + distance_;
        candidates.keep_if([least](const Candidate& c) { return c.logit >= least; });
    }

 private:
    double distance_;
};

}  // namespace

std::unique_ptr<Sampler> make_min_p(const SamplingOptions& options) {
    return options.min_p > 0.0 ? std::make_unique<MinP>(options.min_p) : nullptr;
}

}  // namespace ggml_transformers
