#include "sampling/chain.h"

#include <algorithm>
#include <string>

#include "engine/error.h"
#include "sampling/registry.h"

namespace ggml_transformers {

namespace {

Error wrong_order(const std::string& what) {
    return Error(ErrorCode::InvalidArgument, what).with("name", "order");
}

// The entries that `order` names.
std::vector<const SamplerEntry*> ordered(const std::vector<std::string>& order) {
    std::vector<const SamplerEntry*> entries;
    for (const std::string& name : order) {
        const SamplerEntry* entry = find_sampler(name);
        if (entry == nullptr) throw wrong_order("Expected names of samplers for order but received " + name);
        if (std::find(entries.begin(), entries.end(), entry) != entries.end())
            throw wrong_order("Expected each sampler once in order but received " + name + " twice");
        entries.push_back(entry);
    }
    return entries;
}

}  // namespace

SamplerChain::SamplerChain(const SamplingOptions& options)
    : greedy_(options.temperature == 0.0), random_(options.seed) {
    if (options.constraint)
        constraint_ =
            std::make_unique<ConstraintSampler>(options.constraint, options.constrained, options.stop_ids);
    const std::vector<const SamplerEntry*> entries = ordered(options.order);
    std::vector<std::unique_ptr<Sampler>> placed(entries.size());
    for (const SamplerEntry& entry : samplers()) {
        std::unique_ptr<Sampler> sampler = greedy_ && entry.draws ? nullptr : entry.make(options);
        if (!sampler) continue;
        if (entries.empty()) {
            samplers_.push_back(std::move(sampler));
            continue;
        }
        const auto place = std::find(entries.begin(), entries.end(), &entry);
        if (place == entries.end())
            throw wrong_order(std::string("Expected order to name every sampler in use, but ") + entry.name +
                              " is missing");
        placed[static_cast<size_t>(place - entries.begin())] = std::move(sampler);
    }
    for (auto& sampler : placed) {
        if (sampler) samplers_.push_back(std::move(sampler));
    }
}

int32_t SamplerChain::sample(const float* logits, int64_t vocabulary, const int32_t* tokens, int64_t count,
                             int64_t generated) {
    if (greedy_ && samplers_.empty()) {
        if (!constraint_) return argmax(logits, vocabulary);
        const int32_t id = constraint_->likeliest(logits, vocabulary, {tokens, count, generated, random_});
        if (id >= 0) return id;  // else see why
    }
    adjust(logits, vocabulary, tokens, count, generated);
    const int32_t id =
        greedy_ ? std::min_element(candidates_.begin(), candidates_.end(), more_likely)->id : draw();
    for (const auto& sampler : samplers_) sampler->drawn(id);
    return id;
}

const Candidates& SamplerChain::adjust(const float* logits, int64_t vocabulary, const int32_t* tokens,
                                       int64_t count, int64_t generated) {
    candidates_.assign(logits, vocabulary);
    const bool possible = candidates_.highest() > forbidden;  // not so of damaged weights
    const SamplingContext context{tokens, count, generated, random_};
    if (constraint_) constraint_->apply(candidates_, context);
    for (const auto& sampler : samplers_) sampler->apply(candidates_, context);
    if (possible && !(candidates_.highest() > forbidden))
        throw Error(ErrorCode::InvalidArgument, "The options together forbid every token");
    return candidates_;
}

int32_t SamplerChain::draw() {
    const Exponentials& e = exponentials_;
    exponentials(candidates_, exponentials_);
    double left = random_.next_uniform() * e.sum;
    size_t last = 0;  // where rounding leaves a rest: the last that is possible
    for (size_t i = 0; i < candidates_.size(); ++i) {
        if (e.values[i] == 0.0) continue;
        left -= e.values[i];
        if (left < 0.0) return candidates_[i].id;
        last = i;
    }
    return candidates_[last].id;
}

}  // namespace ggml_transformers
