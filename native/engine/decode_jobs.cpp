// The two kinds of decoding work: generating a continuation, and the logits of every position.
#include <algorithm>
#include <optional>
#include <string>

#include "engine/decode_scheduler.h"
#include "engine/guidance.h"
#include "engine/speculation.h"
#include "engine/system.h"
#include "sampling/chain.h"

namespace ggml_transformers {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

class GenerateJob final : public DecodeJob {
 public:
    GenerateJob(GenerateRequest request, CancelToken cancel, Completion<GenerateResult> completion)
        : DecodeJob(request.ids, std::move(cancel)),
          request_(std::move(request)),
          completion_(std::move(completion)),
          sampler_(request_.sampling),
          speculation_(std::move(request_.drafter), request_.draft_tokens) {
        result_.evaluated = pending();
        if (request_.session) lease_.emplace(request_.session);
        if (request_.negative_ids.empty()) return;
        guide_ = std::make_shared<GuideJob>(request_.negative_ids, request_.max_tokens);
        companion = guide_;
    }
    ~GenerateJob() override { give_back(); }

    int64_t positions_needed(const ModelSize& size) const override {
        return std::min(limit(size), static_cast<int64_t>(request_.ids.size()) + request_.max_tokens);
    }
    int64_t positions_wanted(const ModelSize& size) const override {
        return lease_ ? limit(size) : positions_needed(size);
    }
    void open_cache(const KvLayout&, PromptCache& prompts) override {
        prompts_ = &prompts;
        cache = lease_ ? lease_->take(tokens_, past_) : prompts.open(tokens_, past_);
    }
    int64_t rows_wanted(int64_t count) const override {
        if (decodes()) return count;
        return count == pending() ? 1 : 0;
    }
    void started(const ModelSize& size) override {
        started_ = Clock::now();
        result_.evaluated = pending();
        // No more of them are allocated from token to token.
        const auto positions = static_cast<size_t>(positions_needed(size));
        tokens_.reserve(positions);
        result_.tokens.reserve(positions - request_.ids.size());
        if (request_.logprobs) result_.logprobs.reserve(positions - request_.ids.size());
    }
    void fail(const Error& error) override {
        give_back();
        completion_.finish(error);
    }

    // What there is by then is the outcome.
    void cancel() override { finish(FinishReason::Cancelled); }

    bool receive(const float* logits, int64_t rows, const ModelSize& size) override {
        if (result_.tokens.empty()) first_ = Clock::now();
        if (request_.max_tokens == 0) return finish(FinishReason::Length);
        // Prompt and continuation together fill the context at most: beyond it there are no positions.
        if (static_cast<int64_t>(tokens_.size()) >= limit(size) && guessed_ == 0)
            return finish(FinishReason::Context);
        if (!request_.logits_hook && !guide_) return check(logits, rows, size);
        own_.assign(logits, logits + size.vocabulary);
        if (!guide_) request_.logits_hook->offer(logits, size.vocabulary);
        return false;
    }

    bool paused() const override {
        // What is chosen or guessed already is not held up.
        return request_.window && pending() > 0 && !speculation_.started() && request_.window->room() <= 0;
    }
    void pause() override {
        if (request_.on_pause) request_.on_pause();
    }
    bool unpause(const ModelSize& size) override {
        return !result_.tokens.empty() && guessed_ == 0 && guess(size);
    }
    bool waiting() const override { return pending() == 0 || speculation_.started(); }
    bool resume(const ModelSize& size) override {
        if (pending() > 0) return take_guess();
        if (guide_ && !is_guided_) {
            if (!guide_->ready()) return false;
            guide_->guide(own_.data(), request_.guidance_scale, guided_);
            if (!request_.logits_hook) return choose(guided_.data(), own_.data(), size);
            is_guided_ = true;
            request_.logits_hook->offer(guided_.data(), size.vocabulary);
        }
        if (!request_.logits_hook || !request_.logits_hook->returned()) return false;
        is_guided_ = false;
        return choose(request_.logits_hook->logits().data(), own_.data(), size);
    }

 private:
    // Chooses tokens one after the other as long as the guess had the last one right: the next row of logits
    // is then what the model gives after it. True when the job is finished.
    bool check(const float* logits, int64_t rows, const ModelSize& size) {
        guess_.assign(tokens_.end() - guessed_, tokens_.end());
        tokens_.resize(tokens_.size() - guess_.size());
        guessed_ = 0;
        result_.drafted += rows - 1;
        for (int64_t row = 0; row < rows; ++row) {
            past_ = static_cast<int64_t>(tokens_.size());  // no more of what was evaluated is right
            const float* own = logits + row * size.vocabulary;
            if (choose(own, own, size)) return true;
            const bool is_right = row + 1 < rows && tokens_.back() == guess_[static_cast<size_t>(row)];
            if (!is_right) {
                speculation_.learn(rows - 1, row);
                break;
            }
            ++result_.accepted;
        }
        return guess(size);
    }

    // Begins to guess; what is there at once is taken.
    bool guess(const ModelSize& size) {
        const auto generated = static_cast<int64_t>(result_.tokens.size());
        const auto used = static_cast<int64_t>(tokens_.size());
        int64_t room = std::min(request_.max_tokens - generated - 1, limit(size) - used);
        if (request_.window) room = std::min(room, request_.window->room() - 1);
        try {
            speculation_.start(tokens_, room);
        } catch (...) {
            fail(current_error());
            return true;
        }
        return take_guess();
    }

    bool take_guess() {
        if (!speculation_.ready()) return false;
        try {
            guessed_ = speculation_.append_to(tokens_);
        } catch (...) {  // the draft model failed, or was disposed
            fail(current_error());
            return true;
        }
        return false;
    }

    // The next token, from `logits`; log-probabilities are those of the model's `own`. True when it is the
    // last.
    bool choose(const float* logits, const float* own, const ModelSize& size) {
        try {
            return take_token(logits, own, size);
        } catch (...) {  // the options forbid every token: nobody else's failure
            fail(current_error());
            return true;
        }
    }

    bool take_token(const float* logits, const float* own, const ModelSize& size) {
        if (result_.tokens.empty() && text_ends()) return finish(FinishReason::Stop);
        const int32_t id =
            sampler_.sample(logits, size.vocabulary, tokens_.data(), static_cast<int64_t>(tokens_.size()),
                            static_cast<int64_t>(result_.tokens.size()));
        const auto& stops = request_.stop_ids;
        if (std::find(stops.begin(), stops.end(), id) != stops.end()) return finish(FinishReason::Stop);
        emit(id, own, size);
        if (text_ends()) return finish(FinishReason::Stop);
        if (static_cast<int64_t>(result_.tokens.size()) == request_.max_tokens)
            return finish(FinishReason::Length);
        if (static_cast<int64_t>(tokens_.size()) >= limit(size)) return finish(FinishReason::Context);
        if (!guide_) return false;
        if (!guide_->is_full(size)) guide_->add(id);
        return guide_->is_full(size) ? finish(FinishReason::Context) : false;
    }

    bool text_ends() {
        return sampler_.ends(result_.tokens.data(), static_cast<int64_t>(result_.tokens.size()));
    }

    int64_t limit(const ModelSize& size) const {
        return request_.most_positions > 0 ? std::min(request_.most_positions, size.context) : size.context;
    }

    // What the session may ask for, it can have before it knows of the outcome.
    void give_back() {
        if (lease_ && cache) lease_->put(std::move(cache), tokens_, past_);
        lease_.reset();
        request_.session.reset();
        companion.reset();
        guide_.reset();
        cache.reset();  // who asks for the memory in use after the outcome finds it given back
    }

    void emit(int32_t id, const float* logits, const ModelSize& size) {
        tokens_.push_back(id);
        result_.tokens.push_back(id);
        last_ = Clock::now();
        float logprob = 0.0f;
        if (request_.logprobs) {
            logprob = static_cast<float>(log_probability(logits, size.vocabulary, id));
            result_.logprobs.push_back(logprob);
        }
        if (request_.window) request_.window->hand_over();
        if (request_.on_token) request_.on_token(id, logprob);
    }

    bool finish(FinishReason reason) {
        result_.finish_reason = reason;
        const auto now = Clock::now();
        const auto started = std::min(started_, now), first = std::min(first_, now);
        result_.queued_ms = milliseconds(created_, started);
        result_.prompt_ms = milliseconds(started, first);
        result_.decode_ms = milliseconds(first, std::max(first, std::min(last_, now)));
        if (!lease_ && cache) prompts_->add(std::move(cache), tokens_, past_);
        give_back();
        completion_.finish(std::move(result_));
        return true;
    }

    GenerateRequest request_;
    std::optional<DecodeSession::Lease> lease_;
    PromptCache* prompts_ = nullptr;  // the scheduler's
    Completion<GenerateResult> completion_;
    SamplerChain sampler_;
    Speculation speculation_;
    std::vector<int32_t> guess_;       // what is being checked
    std::shared_ptr<GuideJob> guide_;  // null: no guidance
    bool is_guided_ = false;           // the hook has what guidance made of the logits
    std::vector<float> guided_;        // [V]
    std::vector<float> own_;           // [V] the model's logits, while others are made of them
    GenerateResult result_;
    Clock::time_point created_ = Clock::now();
    // Until then: in the future.
    Clock::time_point started_ = Clock::time_point::max();
    Clock::time_point first_ = Clock::time_point::max();
    Clock::time_point last_ = Clock::time_point::max();
};

class LogitsJob final : public DecodeJob {
 public:
    LogitsJob(LogitsRequest request, const ModelSize& size, CancelToken cancel,
              Completion<LogitsResult> completion)
        : DecodeJob(std::move(request.ids), std::move(cancel)), completion_(std::move(completion)) {
        const auto values = tokens_.size() * static_cast<size_t>(size.vocabulary);
        require_memory(values * sizeof(float), "The logits (a shorter text needs less)");
        result_.logits.reserve(values);
    }

    int64_t positions_needed(const ModelSize&) const override { return static_cast<int64_t>(tokens_.size()); }
    int64_t rows_wanted(int64_t count) const override { return count; }
    void fail(const Error& error) override { completion_.finish(error); }

    bool receive(const float* logits, int64_t rows, const ModelSize& size) override {
        result_.logits.insert(result_.logits.end(), logits, logits + rows * size.vocabulary);
        if (pending() > 0) return false;
        cache.reset();
        completion_.finish(std::move(result_));
        return true;
    }

 private:
    Completion<LogitsResult> completion_;
    LogitsResult result_;
};

}  // namespace

void check_ids(const std::vector<int32_t>& ids, const ModelSize& size) {
    if (ids.empty()) throw Error(ErrorCode::InvalidArgument, "Expected at least one token id");
    if (static_cast<int64_t>(ids.size()) > size.context) {
        throw Error(ErrorCode::InputTooLong, "The input has " + std::to_string(ids.size()) +
                                                 " tokens, more than the model's " +
                                                 std::to_string(size.context))
            .with("length", static_cast<double>(ids.size()))
            .with("limit", static_cast<double>(size.context));
    }
    for (const int32_t id : ids) {
        if (id >= 0 && id < size.vocabulary) continue;
        throw Error(ErrorCode::InvalidArgument, "Expected token ids from 0 to " +
                                                    std::to_string(size.vocabulary - 1) + " but received " +
                                                    std::to_string(id))
            .with("value", id)
            .with("limit", static_cast<double>(size.vocabulary));
    }
}

DecoderSlice DecodeJob::slice(int64_t limit) const {
    const int64_t count = std::min(limit, pending());
    DecoderSlice s;
    s.cache = cache.get();
    s.past = past_;
    s.ids = tokens_.data() + past_;
    s.count = count;
    s.wanted = rows_wanted(count);
    return s;
}

std::shared_ptr<DecodeJob> make_generate_job(GenerateRequest request, CancelToken cancel,
                                             Completion<GenerateResult> completion) {
    return std::make_shared<GenerateJob>(std::move(request), std::move(cancel), std::move(completion));
}

std::shared_ptr<DecodeJob> make_logits_job(LogitsRequest request, const ModelSize& size, CancelToken cancel,
                                           Completion<LogitsResult> completion) {
    return std::make_shared<LogitsJob>(std::move(request), size, std::move(cancel), std::move(completion));
}

}  // namespace ggml_transformers
