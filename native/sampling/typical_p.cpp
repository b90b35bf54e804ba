#include <algorithm>
#include <cmath>

#include "sampling/needed.h"
#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Locally typical sampling (Meister et al., arXiv:2202.00666): keeps the candidates whose information is
// nearest the distribution's entropy, as few as have probability p together.
class TypicalP final : public Sampler {
 public:
    explicit TypicalP(double p) : p_(p) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        exponentials(candidates, e_);
        measure(candidates);
        const Weighted last = last_needed(possible_, p_ * e_.sum, nearer);
        candidates.keep_if([&](const Candidate& c) {
            return c.logit > forbidden && !nearer(last, {c, 0.0, std::abs(information(c) - entropy_)});
        });
    }

 private:
    static bool nearer(const Weighted& a, const Weighted& b) {
        return a.rank != b.rank ? a.rank < b.rank : more_likely(a.candidate, b.candidate);
    }

    double information(const Candidate& c) const {
        const double logit = c.logit;
        return log_sum_ - (logit == highest_ ? 0.0 : logit - highest_);
    }

    void measure(const Candidates& candidates) {
        log_sum_ = std::log(e_.sum);
        highest_ = candidates.highest();
        entropy_ = 0.0;
        for (size_t i = 0; i < candidates.size(); ++i) {
            if (e_.values[i] > 0.0) entropy_ += e_.values[i] / e_.sum * information(candidates[i]);
        }
        possible_.reserve(candidates.vocabulary());
        possible_.clear();
        for (size_t i = 0; i < candidates.size(); ++i) {
            const double distance = std::abs(information(candidates[i]) - entropy_);
            if (e_.values[i] > 0.0) possible_.push_back({candidates[i], e_.values[i], distance});
        }
    }

    double p_;
    double log_sum_ = 0.0;
    double highest_ = 0.0;
    double entropy_ = 0.0;
    Exponentials e_;
    std::vector<Weighted> possible_;
};

}  // namespace

std::unique_ptr<Sampler> make_typical_p(const SamplingOptions& options) {
    return options.typical_p < 1.0 ? std::make_unique<TypicalP>(options.typical_p) : nullptr;
}

}  // namespace ggml_transformers
