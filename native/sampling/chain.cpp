#include <algorithm>
#include <cmath>
#include <limits>

#include "sampling/sampler.h"

namespace ggml_transformers {

void sort_by_logit(Candidates& candidates) {
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
    });
}

void exponentials(const Candidates& candidates, Exponentials& e) {
    float highest = candidates.front().logit;
    for (const Candidate& c : candidates) highest = std::max(highest, c.logit);
    e.values.clear();
    e.values.reserve(candidates.capacity());  // as many as there can be: never again
    e.sum = 0.0;
    for (const Candidate& c : candidates) {
        e.values.push_back(std::exp(static_cast<double>(c.logit) - static_cast<double>(highest)));
        e.sum += e.values.back();
    }
}

namespace {

// In columns that do not wait for each other, so that compilers use vectors. Skips NaN.
float highest(const float* logits, int64_t vocabulary) {
    constexpr int64_t columns = 16;
    float most[columns];
    std::fill_n(most, columns, -std::numeric_limits<float>::infinity());
    int64_t i = 0;
    for (; i + columns <= vocabulary; i += columns) {
        for (int64_t c = 0; c < columns; ++c) most[c] = most[c] < logits[i + c] ? logits[i + c] : most[c];
    }
    for (; i < vocabulary; ++i) most[0] = most[0] < logits[i] ? logits[i] : most[0];
    return *std::max_element(most, most + columns);
}

}  // namespace

int32_t argmax(const float* logits, int64_t vocabulary) {
    const float* end = logits + vocabulary;
    const float* found = std::find(logits, end, highest(logits, vocabulary));
    return found == end ? 0 : static_cast<int32_t>(found - logits);  // all are NaN
}

double log_probability(const float* logits, int64_t vocabulary, int32_t id) {
    const double highest = *std::max_element(logits, logits + vocabulary);
    double sum = 0.0;
    for (int64_t i = 0; i < vocabulary; ++i) sum += std::exp(static_cast<double>(logits[i]) - highest);
    return static_cast<double>(logits[id]) - highest - std::log(sum);
}

SamplerChain::SamplerChain(const SamplingOptions& options)
    : greedy_(options.temperature == 0.0), state_(options.seed) {
    if (greedy_) return;
    samplers_.push_back(make_temperature(options.temperature));
    if (options.top_k > 0) samplers_.push_back(make_top_k(options.top_k));
    if (options.top_p < 1.0) samplers_.push_back(make_top_p(options.top_p));
}

// SplitMix64: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. Written
// out, so that a seed gives the same text with every compiler and library.
double SamplerChain::next_uniform() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return static_cast<double>(z >> 11) * 0x1.0p-53;
}

int32_t SamplerChain::sample(const float* logits, int64_t vocabulary) {
    if (greedy_) return argmax(logits, vocabulary);
    candidates_.resize(static_cast<size_t>(vocabulary));
    for (int64_t i = 0; i < vocabulary; ++i) {
        // Damaged weights give NaN, which has no order and must not reach a sort.
        const float logit = std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
        candidates_[static_cast<size_t>(i)] = {static_cast<int32_t>(i), logit};
    }
    for (const auto& sampler : samplers_) sampler->apply(candidates_);

    Exponentials& e = exponentials_;
    exponentials(candidates_, e);
    double left = next_uniform() * e.sum;
    for (size_t i = 0; i + 1 < candidates_.size(); ++i) {
        left -= e.values[i];
        if (left < 0.0) return candidates_[i].id;
    }
    return candidates_.back().id;
}

}  // namespace ggml_transformers
