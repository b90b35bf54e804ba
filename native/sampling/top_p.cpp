#include "sampling/needed.h"
#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Nucleus sampling (Holtzman et al., arXiv:1904.09751): keeps the smallest set of most likely candidates
// whose probability reaches p, at least one.
class TopP final : public Sampler {
 public:
    explicit TopP(double p) : p_(p) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        exponentials(candidates, e_);
        collect(candidates);
        const auto before = [](const Weighted& a, const Weighted& b) {
            return more_likely(a.candidate, b.candidate);
        };
        const Candidate last = last_needed(likely_, p_ * e_.sum, before).candidate;
        candidates.keep_if([&](const Candidate& c) { return !more_likely(last, c); });
    }

 private:
    // Together, the candidates below the n-th part of what the nucleus may lack have less than that: the rest
    // reaches p without them, and is more likely.
    void collect(const Candidates& candidates) {
        // Half of it: sums are rounded.
        const double rare = 0.5 * (1.0 - p_) * e_.sum / static_cast<double>(candidates.size());
        likely_.reserve(candidates.vocabulary());
        likely_.clear();
        for (size_t i = 0; i < candidates.size(); ++i) {
            if (e_.values[i] >= rare) likely_.push_back({candidates[i], e_.values[i], 0.0});
        }
    }

    double p_;
    Exponentials e_;
    std::vector<Weighted> likely_;
};

}  // namespace

std::unique_ptr<Sampler> make_top_p(const SamplingOptions& options) {
    return options.top_p < 1.0 ? std::make_unique<TopP>(options.top_p) : nullptr;
}

}  // namespace ggml_transformers
