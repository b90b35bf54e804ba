// Scoring: how likely a model finds the tokens that are there. Rows of logits are used up as they come; no
// more than a batch of them exists at any time.
#include <algorithm>
#include <cmath>
#include <string>

#include "engine/decode_scheduler.h"
#include "engine/system.h"
#include "sampling/candidates.h"
#include "sampling/probability.h"

namespace ggml_transformers {

namespace {

// 1 and one more for each token that comes before `id` in the order of more_likely(). Without branches, for
// vectors.
int32_t rank_of(const float* logits, int64_t vocabulary, int32_t id) {
    const float own = logits[id];
    int32_t before = 0;
    for (int64_t i = 0; i < id; ++i) before += logits[i] >= own ? 1 : 0;
    for (int64_t i = id + 1; i < vocabulary; ++i) before += logits[i] > own ? 1 : 0;
    return 1 + before;
}

// What is known of a sequence's last token is not needed to score it: it is not evaluated.
std::vector<int32_t> all_but_last(const std::vector<int32_t>& ids) { return {ids.begin(), ids.end() - 1}; }

class ScoreJob final : public DecodeJob {
 public:
    ScoreJob(ScoreRequest request, CancelToken cancel, Completion<ScoreResult> completion)
        : DecodeJob(all_but_last(request.ids), std::move(cancel)),
          request_(std::move(request)),
          completion_(std::move(completion)) {
        const size_t tokens = request_.ids.size() - static_cast<size_t>(request_.first);
        const size_t alternatives = tokens * static_cast<size_t>(request_.top_k);
        require_memory((tokens + alternatives) * (sizeof(float) + sizeof(int32_t)), "The scores");
        result_.logprobs.reserve(tokens);
        result_.ranks.reserve(tokens);
        result_.top_ids.reserve(alternatives);
        result_.top_logprobs.reserve(alternatives);
        best_.reserve(static_cast<size_t>(request_.top_k) + 1);
    }

    int64_t positions_needed(const ModelSize&) const override { return static_cast<int64_t>(tokens_.size()); }
    void open_cache(const KvLayout& layout, PromptCache& prompts) override {
        if (!request_.share_prompt) return DecodeJob::open_cache(layout, prompts);
        prompts_ = &prompts;
        // The last token before the first that is scored is evaluated in any case: its logits are wanted.
        cache = prompts.open({request_.ids.begin(), request_.ids.begin() + request_.first}, past_);
    }
    int64_t rows_wanted(int64_t count) const override {
        return std::clamp<int64_t>(past_ + count - (request_.first - 1), 0, count);
    }
    void fail(const Error& error) override {
        cache.reset();
        completion_.finish(error);
    }

    bool receive(const float* logits, int64_t rows, const ModelSize& size) override {
        const size_t next = static_cast<size_t>(past_ - rows) + 1;
        for (int64_t row = 0; row < rows; ++row) {
            score(logits + row * size.vocabulary, size.vocabulary,
                  request_.ids[next + static_cast<size_t>(row)]);
        }
        if (pending() > 0) return false;
        if (prompts_) prompts_->add(std::move(cache), tokens_, request_.first);
        cache.reset();
        completion_.finish(std::move(result_));
        return true;
    }

 private:
    void score(const float* logits, int64_t vocabulary, int32_t id) {
        const double logprob = log_probability(logits, vocabulary, id);
        result_.logprobs.push_back(static_cast<float>(logprob));
        result_.ranks.push_back(rank_of(logits, vocabulary, id));
        if (request_.top_k == 0) return;
        choose_best(logits, vocabulary);
        const double log_sum = logits[id] - logprob;
        for (const Candidate& candidate : best_) {
            result_.top_ids.push_back(candidate.id);
            result_.top_logprobs.push_back(static_cast<float>(candidate.logit - log_sum));
        }
    }

    // The likeliest tokens in order. What damaged weights make of a logit counts as impossible.
    void choose_best(const float* logits, int64_t vocabulary) {
        const auto most = static_cast<size_t>(request_.top_k);
        best_.clear();
        for (int64_t i = 0; i < vocabulary; ++i) {
            const float logit = std::isnan(logits[i]) ? forbidden : logits[i];
            const Candidate candidate{static_cast<int32_t>(i), logit};
            if (best_.size() == most) {
                if (!more_likely(candidate, best_.front())) continue;
                std::pop_heap(best_.begin(), best_.end(), more_likely);
                best_.back() = candidate;
            } else {
                best_.push_back(candidate);
            }
            std::push_heap(best_.begin(), best_.end(), more_likely);
        }
        std::sort_heap(best_.begin(), best_.end(), more_likely);
    }

    ScoreRequest request_;
    Completion<ScoreResult> completion_;
    PromptCache* prompts_ = nullptr;  // the scheduler's; null when nothing is shared
    ScoreResult result_;
    std::vector<Candidate> best_;  // a heap, the least likely in front
};

}  // namespace

void check_score_request(const ScoreRequest& request, const ModelSize& size) {
    check_ids(request.ids, size);
    const auto count = static_cast<int64_t>(request.ids.size());
    if (request.first < 1 || request.first >= count) {
        throw Error(ErrorCode::InvalidArgument,
                    "Expected first to be a token that has one before it but received " +
                        std::to_string(request.first) + " of " + std::to_string(count))
            .with("name", "first");
    }
    if (request.top_k < 0 || request.top_k > size.vocabulary) {
        throw Error(ErrorCode::InvalidArgument, "Expected topK from 0 to " + std::to_string(size.vocabulary) +
                                                    " but received " + std::to_string(request.top_k))
            .with("name", "topK");
    }
}

std::shared_ptr<DecodeJob> make_score_job(ScoreRequest request, CancelToken cancel,
                                          Completion<ScoreResult> completion) {
    return std::make_shared<ScoreJob>(std::move(request), std::move(cancel), std::move(completion));
}

}  // namespace ggml_transformers
