#include <algorithm>
#include <cmath>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

constexpr double ln2 = 0.6931471805599453;

// Mirostat (Basu et al., arXiv:2007.14966) holds the surprise of the tokens, in bits, near a target: after
// each token it moves the bound mu on the next one's surprise by `eta` times what the token was off.
class Mirostat : public Sampler {
 public:
    explicit Mirostat(const SamplingOptions::Mirostat& options)
        : target_(options.tau), rate_(options.eta), mu_(2.0 * options.tau) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        exponentials(candidates, e_);
        highest_ = candidates.highest();
        log_sum_ = std::log2(e_.sum);
        restrict(candidates);
        surprises_.reserve(candidates.vocabulary());
        surprises_.clear();
        for (const Candidate& c : candidates) surprises_.push_back({c.id, bits(c)});
    }

    void drawn(int32_t id) override {
        const auto is_it = [id](const Surprise& each) { return each.id == id; };
        const auto found = std::find_if(surprises_.begin(), surprises_.end(), is_it);
        if (found != surprises_.end()) mu_ -= rate_ * (found->bits - target_);
    }

 protected:
    // Takes the candidates away that are too surprising, all but one at most.
    virtual void restrict(Candidates& candidates) = 0;

    double bits(const Candidate& c) const {
        const double logit = c.logit;
        return log_sum_ + (logit == highest_ ? 0.0 : highest_ - logit) / ln2;
    }
    double mu() const { return mu_; }

 private:
    struct Surprise {
        int32_t id;
        double bits;
    };

    double target_;
    double rate_;
    double mu_;
    double highest_ = 0.0;
    double log_sum_ = 0.0;
    Exponentials e_;
    std::vector<Surprise> surprises_;  // of those that were left
};

// Version 1 takes the distribution for Zipf's, estimates its exponent from the most likely candidates, and
// computes how many of them have the surprise mu.
class Mirostat1 final : public Mirostat {
 public:
    using Mirostat::Mirostat;

 private:
    void restrict(Candidates& candidates) override {
        best_.resize(std::min<size_t>(most_measured, candidates.size()));
        std::partial_sort_copy(candidates.begin(), candidates.end(), best_.begin(), best_.end(), more_likely);
        const size_t count = count_for(exponent(), candidates);
        if (count >= candidates.size()) return;
        copy_.reserve(candidates.vocabulary());
        copy_.assign(candidates.begin(), candidates.end());
        const auto last = copy_.begin() + static_cast<Candidates::List::difference_type>(count - 1);
        std::nth_element(copy_.begin(), last, copy_.end(), more_likely);
        candidates.keep_if([&](const Candidate& c) { return !more_likely(*last, c); });
    }

    // Least squares on the ratios of neighbours among the most likely; 0 when these are all the same.
    double exponent() const {
        double products = 0.0, squares = 0.0;
        for (size_t i = 0; i + 1 < best_.size(); ++i) {
            const double t = std::log(static_cast<double>(i + 2) / static_cast<double>(i + 1));
            const double b = (bits(best_[i + 1]) - bits(best_[i])) * ln2;
            if (!std::isfinite(b)) break;
            products += t * b;
            squares += t * t;
        }
        return squares > 0.0 ? products / squares : 0.0;
    }

    size_t count_for(double s, const Candidates& candidates) const {
        if (!(s > 0.0)) return candidates.size();
        const double epsilon = s - 1.0, n = static_cast<double>(candidates.vocabulary());
        const double spread = std::abs(epsilon) < 1e-9 ? 1.0 / std::log(n)  // the limit
                                                       : epsilon / (1.0 - std::pow(n, -epsilon));
        const double k = std::round(std::pow(spread * std::exp2(mu()), 1.0 / s));
        return k < n ? static_cast<size_t>(std::max(k, 1.0)) : candidates.size();
    }

    static constexpr size_t most_measured = 100;
    Candidates::List best_;  // the most likely first
    Candidates::List copy_;
};

// Version 2 keeps the candidates whose own surprise is at most mu.
class Mirostat2 final : public Mirostat {
 public:
    using Mirostat::Mirostat;

 private:
    void restrict(Candidates& candidates) override {
        const Candidate best = *std::min_element(candidates.begin(), candidates.end(), more_likely);
        const bool all_surprise = bits(best) > mu();
        candidates.keep_if(
            [&](const Candidate& c) { return all_surprise ? c.id == best.id : bits(c) <= mu(); });
    }
};

}  // namespace

std::unique_ptr<Sampler> make_mirostat(const SamplingOptions& options) {
    if (options.mirostat.version == 1) return std::make_unique<Mirostat1>(options.mirostat);
    if (options.mirostat.version == 2) return std::make_unique<Mirostat2>(options.mirostat);
    return nullptr;
}

}  // namespace ggml_transformers
