#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ggml_transformers {

BeamGroup::BeamGroup(const BeamOptions& options, int64_t most, const std::vector<int32_t>& stop_ids)
    : options_(options), size_(options.beams / options.groups), most_(most), stop_ids_(stop_ids), beams_(1) {}

double BeamGroup::worth(double score, int64_t tokens) const {
    return score / std::pow(static_cast<double>(tokens), options_.length_penalty);
}

void BeamGroup::advance(const std::vector<BeamStep>& steps) {
    const bool is_last = length_ + 1 >= most_;
    std::vector<bool> ends;
    for (const BeamStep& step : steps) {
        ends.push_back(is_last ||
                       std::find(stop_ids_.begin(), stop_ids_.end(), step.token) != stop_ids_.end());
    }
    finish(steps, ends);
    std::vector<Beam> next;
    for (size_t i = 0; i < steps.size() && static_cast<int64_t>(next.size()) < size_; ++i) {
        if (ends[i]) continue;
        const BeamStep& step = steps[i];
        Beam beam{beams_[static_cast<size_t>(step.beam)].tokens, step.score, step.beam};
        beam.tokens.push_back(step.token);
        next.push_back(std::move(beam));
    }
    beams_ = std::move(next);
    ++length_;
    improvable_ = improvable_ && can_improve();
    const bool full = static_cast<int64_t>(finished_.size()) == size_;
    done_ =
        !improvable_ || beams_.empty() || (full && options_.early_stopping == BeamOptions::EarlyStopping::On);
}

// A sequence that ends counts when it is among the best as many as there are beams.
void BeamGroup::finish(const std::vector<BeamStep>& steps, const std::vector<bool>& ends) {
    const bool full = static_cast<int64_t>(finished_.size()) == size_;
    if (!improvable_ || (full && options_.early_stopping == BeamOptions::EarlyStopping::On)) return;
    const int64_t length = length_ + 1;
    for (size_t i = 0; i < steps.size() && static_cast<int64_t>(i) < size_; ++i) {
        if (!ends[i]) continue;
        const BeamStep& step = steps[i];
        Hypothesis ended{beams_[static_cast<size_t>(step.beam)].tokens, worth(step.score, length), true};
        ended.stopped = std::find(stop_ids_.begin(), stop_ids_.end(), step.token) != stop_ids_.end();
        if (!ended.stopped) ended.tokens.push_back(step.token);
        finished_.push_back(std::move(ended));
    }
    std::stable_sort(finished_.begin(), finished_.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    if (static_cast<int64_t>(finished_.size()) > size_) finished_.resize(static_cast<size_t>(size_));
}

// Whether the best running sequence could still be better than the worst that ended.
bool BeamGroup::can_improve() const {
    if (static_cast<int64_t>(finished_.size()) < size_) return true;
    if (beams_.empty()) return false;
    const bool hopeful =
        options_.early_stopping == BeamOptions::EarlyStopping::Never && options_.length_penalty > 0.0;
    const double best = worth(beams_.front().score, hopeful ? most_ : length_);
    return best > finished_.back().score;
}

}  // namespace ggml_transformers
