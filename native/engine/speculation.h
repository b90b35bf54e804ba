// How far a request guesses ahead: as far as it proved right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/drafter.h"

namespace ggml_transformers {

class Speculation {
 public:
    // `drafter` may be null: nothing is guessed.
    Speculation(std::unique_ptr<Drafter> drafter, int64_t most)
        : drafter_(std::move(drafter)), most_(most), length_(most) {}

    // Begins a guess at what follows, of at most `room` tokens.
    void start(const std::vector<int32_t>& tokens, int64_t room) {
        const int64_t count = std::min(length_, room);
        started_ = drafter_ && count > 0;
        if (started_) drafter_->start(tokens, count);
    }
    // A guess has been begun, and not been taken.
    bool started() const { return started_; }
    bool ready() const { return !started_ || drafter_->ready(); }
    // Takes the guess, if there is one: puts it at the end of `tokens`. Returns its length.
    int64_t append_to(std::vector<int32_t>& tokens) {
        const size_t before = tokens.size();
        if (std::exchange(started_, false)) drafter_->append_to(tokens);
        return static_cast<int64_t>(tokens.size() - before);
    }
    // Longer guesses where they prove right; after a wrong one no longer than what was right of it.
    void learn(int64_t checked, int64_t right) {
        if (checked == 0) return;
        length_ = right == checked ? std::min(most_, 2 * length_) : std::max<int64_t>(1, right);
    }

 private:
    std::unique_ptr<Drafter> drafter_;
    int64_t most_;
    int64_t length_;
    bool started_ = false;
};

}  // namespace ggml_transformers
