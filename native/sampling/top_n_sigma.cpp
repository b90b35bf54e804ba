#include <cmath>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Keeps the candidates whose logit is at most n standard deviations below the highest (Tang et al.,
// arXiv:2411.07641). The deviation is that of the candidates that are not forbidden.
class TopNSigma final : public Sampler {
 public:
    explicit TopNSigma(double n) : n_(n) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        const double least = candidates.highest() - n_ * deviation(candidates);
        candidates.keep_if([least](const Candidate& c) { return !(c.logit < least); });
    }

 private:
    static double deviation(const Candidates& candidates) {
        double sum = 0.0, squares = 0.0, count = 0.0;
        for (const Candidate& c : candidates) {
            if (!std::isfinite(c.logit)) continue;
            sum += static_cast<double>(c.logit);
            count += 1.0;
        }
        if (count == 0.0) return 0.0;
        const double mean = sum / count;
        for (const Candidate& c : candidates) {
            const double distance = static_cast<double>(c.logit) - mean;
            if (std::isfinite(c.logit)) squares += distance * distance;
        }
        return std::sqrt(squares / count);
    }

    double n_;
};

}  // namespace

std::unique_ptr<Sampler> make_top_n_sigma(const SamplingOptions& options) {
    return options.top_n_sigma > 0.0 ? std::make_unique<TopNSigma>(options.top_n_sigma) : nullptr;
}

}  // namespace ggml_transformers
