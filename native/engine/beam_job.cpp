// A beam search as the scheduler sees it: the prompt first, then as many sequences at a time as there are
// beams, whose keys and values have in common what the sequences have in common.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "engine/decode_scheduler.h"
#include "engine/system.h"
#include "sampling/chain.h"

namespace ggml_transformers {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

class BeamJob final : public DecodeJob {
 public:
    BeamJob(BeamRequest request, CancelToken cancel, Completion<BeamResult> completion)
        : DecodeJob(request.ids, std::move(cancel)),
          request_(std::move(request)),
          completion_(std::move(completion)),
          adjusters_(request_.sampling) {}

    int64_t positions_needed(const ModelSize&) const override { return prompt() + 1; }
    uint64_t lane_bytes(const KvLayout& layout, const ModelSize& size) const override {
        const int64_t positions = KvLayout::padded(most(size)) + kv_padding;
        return static_cast<uint64_t>(request_.beams.beams) * layout.bytes_for(positions);
    }
    void open_cache(const KvLayout&, PromptCache& prompts) override { cache = prompts.open(tokens_, past_); }
    void started(const ModelSize& size) override {
        started_ = Clock::now();
        result_.evaluated = pending();
        result_.context_full = most(size) < request_.max_tokens;
        for (int64_t i = 0; i < request_.beams.groups; ++i) {
            groups_.emplace_back(request_.beams, std::max<int64_t>(1, most(size)), request_.stop_ids);
        }
    }
    void fail(const Error& error) override {
        release();
        completion_.finish(error);
    }

    bool decodes() const override { return !searching_ && DecodeJob::decodes(); }
    int64_t rows_wanted(int64_t count) const override { return count == pending() ? 1 : 0; }
    int64_t lanes() const override { return static_cast<int64_t>(lanes_.size() - received_); }
    DecoderSlice lane(int64_t index) const override {
        const Lane& lane = lanes_[received_ + static_cast<size_t>(index)];
        return {lane.cache.get(), past_, &lane.sequence.back(), 1, 1};
    }
    void advance(int64_t count) override {
        if (!searching_) past_ += count;
    }

    bool receive(const float* logits, int64_t, const ModelSize& size) override {
        if (finished_) return true;
        try {
            if (searching_) return receive_lane(logits, size);
            first_ = Clock::now();
            return receive_prompt(logits, size);
        } catch (...) {  // the options forbid every token, or memory is short: nobody else's failure
            fail(current_error());
            return true;
        }
    }

 private:
    // A beam under way. Its last token is not evaluated yet.
    struct Lane {
        size_t group = 0;
        int64_t beam = 0;
        std::vector<int32_t> sequence;  // prompt and new tokens
        std::unique_ptr<KvCache> cache;
    };

    int64_t prompt() const { return static_cast<int64_t>(request_.ids.size()); }
    // New tokens at most.
    int64_t most(const ModelSize& size) const {
        return std::min(request_.max_tokens, size.context - prompt());
    }

    bool receive_prompt(const float* logits, const ModelSize& size) {
        if (most(size) < 1) {
            result_.sequences.emplace_back();
            return finish();
        }
        searching_ = true;
        taken_.clear();
        for (BeamGroup& group : groups_) {
            steps_.clear();
            add_steps(group, 0, logits, size, tokens_);
            advance_group(group);
        }
        lanes_.push_back({0, 0, tokens_, std::move(cache)});
        return next_lanes(true, size);
    }

    bool receive_lane(const float* logits, const ModelSize& size) {
        const Lane& lane = lanes_[received_++];
        BeamGroup& group = groups_[lane.group];
        add_steps(group, lane.beam, logits, size, lane.sequence);
        const bool group_is_whole = received_ == lanes_.size() || lanes_[received_].group != lane.group;
        if (group_is_whole) advance_group(group);
        if (received_ < lanes_.size()) return false;
        ++past_;
        return next_lanes(false, size);
    }

    // The best steps of one beam.
    void add_steps(const BeamGroup& group, int64_t beam, const float* logits, const ModelSize& size,
                   const std::vector<int32_t>& sequence) {
        const double sum = log_sum(logits, size.vocabulary);
        logprobs_.resize(static_cast<size_t>(size.vocabulary));
        for (size_t i = 0; i < logprobs_.size(); ++i) {
            logprobs_[i] = static_cast<float>(static_cast<double>(logits[i]) - sum);
        }
        const auto length = static_cast<int64_t>(sequence.size());
        const Candidates& adjusted =
            adjusters_.adjust(logprobs_.data(), size.vocabulary, sequence.data(), length, length - prompt());
        best_.assign(adjusted.begin(), adjusted.end());
        for (const int32_t token : taken_) {
            best_[static_cast<size_t>(token)].logit -= static_cast<float>(request_.beams.diversity_penalty);
        }
        const auto wanted = std::min(best_.size(), static_cast<size_t>(group.steps_wanted()));
        std::partial_sort(best_.begin(), best_.begin() + static_cast<std::ptrdiff_t>(wanted), best_.end(),
                          more_likely);
        const double before = group.beams()[static_cast<size_t>(beam)].score;
        for (size_t i = 0; i < wanted; ++i) {
            if (best_[i].logit > forbidden) {
                steps_.push_back({beam, best_[i].id, before + static_cast<double>(best_[i].logit)});
            }
        }
    }

    void advance_group(BeamGroup& group) {
        std::sort(steps_.begin(), steps_.end(), better);
        const auto wanted = static_cast<size_t>(group.steps_wanted());
        if (steps_.size() > wanted) steps_.resize(wanted);
        group.advance(steps_);
        steps_.clear();
        if (request_.beams.diversity_penalty == 0.0) return;
        for (const BeamGroup::Beam& beam : group.beams()) taken_.push_back(beam.tokens.back());
    }

    // Lanes for the beams there are now, from those of the last step. A lane's cache goes to the last beam
    // that continues it; the others get branches.
    bool next_lanes(bool from_prompt, const ModelSize& size) {
        taken_.clear();
        received_ = 0;
        if (request_.on_step) request_.on_step(++steps_taken_);
        std::vector<Lane> next;
        std::vector<size_t> parents;
        for (size_t g = 0; g < groups_.size(); ++g) {
            if (groups_[g].done()) continue;
            const auto& beams = groups_[g].beams();
            for (size_t b = 0; b < beams.size(); ++b) {
                const size_t parent = from_prompt ? 0 : lane_of(g, beams[b].parent);
                Lane lane{g, static_cast<int64_t>(b), request_.ids, nullptr};
                lane.sequence.insert(lane.sequence.end(), beams[b].tokens.begin(), beams[b].tokens.end());
                next.push_back(std::move(lane));
                parents.push_back(parent);
            }
        }
        if (next.empty()) return finish();
        hand_on_caches(next, parents, size);
        lanes_ = std::move(next);
        return false;
    }

    void hand_on_caches(std::vector<Lane>& next, const std::vector<size_t>& parents, const ModelSize& size) {
        const int64_t limit = prompt() + most(size);
        for (size_t i = 0; i < next.size(); ++i) {
            std::unique_ptr<KvCache>& from = lanes_[parents[i]].cache;
            const bool is_last = std::find(parents.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                           parents.end(), parents[i]) == parents.end();
            if (is_last) {
                from->reserve(past_ + 1, past_, limit);
                next[i].cache = std::move(from);
            } else {
                next[i].cache = from->branch(past_, limit);
            }
        }
    }

    size_t lane_of(size_t group, int64_t beam) const {
        const auto same = [&](const Lane& lane) { return lane.group == group && lane.beam == beam; };
        return static_cast<size_t>(std::find_if(lanes_.begin(), lanes_.end(), same) - lanes_.begin());
    }

    bool finish() {
        for (const BeamGroup& group : groups_) {
            const auto& ended = group.finished();
            result_.sequences.insert(result_.sequences.end(), ended.begin(), ended.end());
        }
        auto& all = result_.sequences;
        std::stable_sort(all.begin(), all.end(),
                         [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
        const auto returned = static_cast<size_t>(request_.beams.returned);
        if (all.size() > returned) all.resize(returned);
        result_.queued_ms = milliseconds(created_, started_);
        result_.prompt_ms = milliseconds(started_, first_);
        result_.decode_ms = milliseconds(first_, Clock::now());
        release();
        completion_.finish(std::move(result_));
        return true;
    }

    void release() {
        finished_ = true;
        lanes_.clear();
        received_ = 0;
        cache.reset();
    }

    BeamRequest request_;
    Completion<BeamResult> completion_;
    SamplerChain adjusters_;
    std::vector<BeamGroup> groups_;
    std::vector<Lane> lanes_;  // group by group
    size_t received_ = 0;      // the first so many have their logits of this step
    bool searching_ = false;   // the prompt is evaluated
    bool finished_ = false;
    int64_t steps_taken_ = 0;
    std::vector<BeamStep> steps_;  // of the group at hand
    std::vector<int32_t> taken_;   // by the beams of earlier groups in this step
    std::vector<float> logprobs_;  // [V]
    std::vector<Candidate> best_;  // [V]
    BeamResult result_;
    Clock::time_point created_ = Clock::now();
    Clock::time_point started_ = created_;
    Clock::time_point first_ = created_;
};

Error wrong_beams(const std::string& what) {
    return Error(ErrorCode::InvalidArgument, what).with("name", "numBeams");
}

}  // namespace

void check_beam_request(const BeamRequest& request, const ModelSize& size) {
    check_ids(request.ids, size);
    const BeamOptions& beams = request.beams;
    if (beams.groups < 1 || beams.beams < 1 || beams.beams % beams.groups != 0)
        throw wrong_beams("Expected a number of beams that the number of groups divides");
    if (beams.returned < 1 || beams.returned > beams.beams)
        throw wrong_beams("Expected to return at most as many sequences as there are beams");
    const auto each = static_cast<int64_t>(request.stop_ids.size()) + 1;
    if (std::max<int64_t>(2, each) * beams.beams > size.vocabulary)
        throw wrong_beams("Expected fewer beams: the vocabulary has " + std::to_string(size.vocabulary) +
                          " tokens");
}

std::shared_ptr<DecodeJob> make_beam_job(BeamRequest request, CancelToken cancel,
                                         Completion<BeamResult> completion) {
    return std::make_shared<BeamJob>(std::move(request), std::move(cancel), std::move(completion));
}

}  // namespace ggml_transformers
