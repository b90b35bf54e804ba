// Beam search: of all continuations of the sequences at hand the likeliest are kept, step by step. The steps,
// the scores and the end are those of Hugging Face's generate(); groups are those of Vijayakumar et al.,
// "Diverse Beam Search", arXiv:1610.02424.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ggml_transformers {

struct BeamOptions {
    int64_t beams = 1;               // of all groups together; a multiple of their number
    int64_t groups = 1;              // searched one after the other in each step
    int64_t returned = 1;            // at most as many as beams
    double length_penalty = 1.0;     // a score is divided by the number of new tokens to this power
    double diversity_penalty = 0.0;  // taken from a token's score for each earlier group's beam that took it
    // On: as soon as there are enough sequences that ended. Off: when no running one looks better. Never:
    // when none can become better.
    enum class EarlyStopping { Off, On, Never } early_stopping = EarlyStopping::Off;
};

// New tokens, without the one that ended them, and what they are worth.
struct Hypothesis {
    std::vector<int32_t> tokens;
    double score = 0.0;
    bool stopped = false;  // by a stop token
};

// One more token for a beam, with the sum of the log-probabilities up to it.
struct BeamStep {
    int64_t beam = 0;
    int32_t token = 0;
    double score = 0.0;
};

// The better first, and among equals the one that comes first.
inline bool better(const BeamStep& a, const BeamStep& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

class BeamGroup {
 public:
    struct Beam {
        std::vector<int32_t> tokens;  // new ones
        double score = 0.0;           // sum of their log-probabilities
        int64_t parent = 0;           // the beam before the last step that it continues
    };

    // For at most `most` new tokens, at least one. Begins with one beam, the prompt.
    BeamGroup(const BeamOptions& options, int64_t most, const std::vector<int32_t>& stop_ids);

    // Steps that advance() wants, the best of all.
    int64_t steps_wanted() const {
        return std::max<int64_t>(2, 1 + static_cast<int64_t>(stop_ids_.size())) * size_;
    }
    const std::vector<Beam>& beams() const { return beams_; }
    bool done() const { return done_; }
    // `steps`: sorted, the best first.
    void advance(const std::vector<BeamStep>& steps);
    // Those that ended, the best first.
    const std::vector<Hypothesis>& finished() const { return finished_; }

 private:
    void finish(const std::vector<BeamStep>& steps, const std::vector<bool>& ends);
    bool can_improve() const;
    double worth(double score, int64_t tokens) const;

    BeamOptions options_;
    int64_t size_;  // beams
    int64_t most_;
    const std::vector<int32_t>& stop_ids_;
    int64_t length_ = 0;  // new tokens so far
    std::vector<Beam> beams_;
    std::vector<Hypothesis> finished_;
    bool improvable_ = true;
    bool done_ = false;
};

}  // namespace ggml_transformers
