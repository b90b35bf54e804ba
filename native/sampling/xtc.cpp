#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Excludes top choices (P. E. Weidmann, 2024): with some probability, of the candidates that reach the
// threshold only the least likely stays, so that the text takes a less trodden way. One candidate that
// reaches it alone is kept.
class Xtc final : public Sampler {
 public:
    Xtc(double probability, double threshold) : probability_(probability), threshold_(threshold) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        if (context.random.next_uniform() >= probability_) return;
        exponentials(candidates, e_);
        const Candidate* last = nullptr;
        size_t i = 0;
        for (const Candidate& c : candidates) {
            const bool reaches = e_.values[i++] >= threshold_ * e_.sum;
            if (reaches && (last == nullptr || more_likely(*last, c))) last = &c;
        }
        if (last == nullptr) return;
        const Candidate least = *last;
        candidates.keep_if([&](const Candidate& c) { return !more_likely(c, least); });
    }

 private:
    double probability_;
    double threshold_;
    Exponentials e_;
};

}  // namespace

std::unique_ptr<Sampler> make_xtc(const SamplingOptions& options) {
    if (options.xtc_probability == 0.0) return nullptr;
    return std::make_unique<Xtc>(options.xtc_probability, options.xtc_threshold);
}

}  // namespace ggml_transformers
