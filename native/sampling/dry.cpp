#include <algorithm>
#include <cmath>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Don't repeat yourself (P. E. Weidmann, 2024): where the text ends as it went on before, the token that
// followed then is made less likely, the more so the longer the repetition. Breakers end a repetition.
class Dry final : public Sampler {
 public:
    explicit Dry(const SamplingOptions::Dry& options) : options_(options) {
        std::sort(options_.breakers.begin(), options_.breakers.end());
    }

    void apply(Candidates& candidates, const SamplingContext& context) override {
        const int64_t count =
            options_.window > 0 ? std::min<int64_t>(options_.window, context.count) : context.count;
        const int32_t* end = context.tokens + context.count;
        const int64_t longest = since_breaker(end, count);
        if (longest < options_.allowed_length || longest == 0) return;
        repeats_.reserve(4096);
        longest_.resize(candidates.vocabulary());
        measure_repeats(end, count);
        // The token at end[-i] followed a piece that ends as the text does.
        for (int64_t i = 1; i < count; ++i) {
            const int64_t length = std::min(repeats_[static_cast<size_t>(i)], longest);
            int64_t& most = longest_[static_cast<size_t>(end[-i])];
            if (!breaks(end[-i])) most = std::max(most, length);
        }
        for (int64_t i = 1; i < count; ++i) {
            int64_t& length = longest_[static_cast<size_t>(end[-i])];
            Candidate* candidate =
                length > 0 && length >= options_.allowed_length ? candidates.find(end[-i]) : nullptr;
            if (candidate != nullptr) candidate->logit -= static_cast<float>(penalty(length));
            length = 0;
        }
    }

 private:
    double penalty(int64_t length) const {
        const double power = std::pow(options_.base, static_cast<double>(length - options_.allowed_length));
        return std::min(options_.multiplier * power, 1e30);
    }

    bool breaks(int32_t id) const {
        return std::binary_search(options_.breakers.begin(), options_.breakers.end(), id);
    }

    // How many of the last `count` tokens come after the last breaker.
    int64_t since_breaker(const int32_t* end, int64_t count) const {
        int64_t length = 0;
        while (length < count && !breaks(end[-1 - length])) ++length;
        return length;
    }

    // repeats_[i]: how many tokens before end[-i] are the last tokens of the text, in the same order. This is
    // the Z function of the text read backwards, in linear time (Gusfield, 1997).
    void measure_repeats(const int32_t* end, int64_t count) {
        repeats_.assign(static_cast<size_t>(count), 0);
        int64_t left = 0, right = 0;  // the match that reaches farthest back
        for (int64_t i = 1; i < count; ++i) {
            int64_t length =
                i < right ? std::min(right - i, repeats_[static_cast<size_t>(i - left)]) : int64_t{0};
            while (i + length < count && end[-1 - length] == end[-1 - i - length]) ++length;
            repeats_[static_cast<size_t>(i)] = length;
            if (i + length > right) {
                left = i;
                right = i + length;
            }
        }
    }

    SamplingOptions::Dry options_;
    std::vector<int64_t> repeats_;
    std::vector<int64_t> longest_;  // [V] zeros between calls
};

}  // namespace

std::unique_ptr<Sampler> make_dry(const SamplingOptions& options) {
    return options.dry.multiplier > 0.0 ? std::make_unique<Dry>(options.dry) : nullptr;
}

}  // namespace ggml_transformers
