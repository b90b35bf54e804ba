// Generation and scoring requests. All sequences that are under way share each step's graph: decoding
// sequences bring one token, prompts a piece of themselves. Results do not depend on who else is there.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engine/beam_search.h"
#include "engine/decode_session.h"
#include "engine/drafter.h"
#include "engine/graph_runner.h"
#include "engine/job.h"
#include "engine/kv_cache.h"
#include "engine/logits_hook.h"
#include "engine/prompt_cache.h"
#include "engine/token_window.h"
#include "models/model.h"
#include "sampling/options.h"

namespace ggml_transformers {

struct GenerateRequest {
    std::vector<int32_t> ids;  // prompt, at least one
    int64_t max_tokens = 0;
    int64_t most_positions =
        0;  // prompt and continuation together, if less than the model's context; 0: that
    std::shared_ptr<DecodeSession> session;  // null: nothing is known beforehand, and nothing kept
    std::vector<int32_t> stop_ids;
    SamplingOptions sampling;
    bool logprobs = false;
    std::function<void(int32_t id, float logprob)> on_token;  // called on the engine's thread; may be empty
    std::shared_ptr<TokenWindow> window;      // the request pauses while it has no room; null: it never does
    std::function<void()> on_pause;           // called on the engine's thread; may be empty
    std::shared_ptr<LogitsHook> logits_hook;  // null: the logits are used as they are
    std::unique_ptr<Drafter> drafter;         // null: a token at a time; not with a logits hook
    int64_t draft_tokens = 0;                 // most that are guessed at a time
    std::vector<int32_t> negative_ids;        // for guidance; not with a drafter; empty: none
    double guidance_scale = 1.0;
};

enum class FinishReason { Stop, Length, Context, Cancelled };

struct GenerateResult {
    std::vector<int32_t> tokens;
    std::vector<float> logprobs;
    FinishReason finish_reason = FinishReason::Length;
    int64_t evaluated = 0;  // tokens of the prompt; the others' keys and values were there
    int64_t drafted = 0;    // tokens that were guessed and checked
    int64_t accepted = 0;   // those that were right
    double queued_ms = 0.0;
    double prompt_ms = 0.0;
    double decode_ms = 0.0;
};

struct LogitsRequest {
    std::vector<int32_t> ids;  // [S]
};

struct LogitsResult {
    std::vector<float> logits;  // [S, V]
};

struct ScoreRequest {
    std::vector<int32_t> ids;   // [S], at least two
    int64_t first = 1;          // the first that is scored; what comes before is context
    int64_t top_k = 0;          // the likeliest tokens reported for each
    bool share_prompt = false;  // keep the context's keys and values for other requests, and use theirs
};

// Of the N = S - first tokens.
struct ScoreResult {
    std::vector<float> logprobs;      // [N] natural logarithms
    std::vector<int32_t> ranks;       // [N] 1 for the likeliest
    std::vector<int32_t> top_ids;     // [N, top_k] the likeliest first
    std::vector<float> top_logprobs;  // [N, top_k]
};

struct BeamRequest {
    std::vector<int32_t> ids;  // prompt, at least one
    int64_t max_tokens = 0;
    std::vector<int32_t> stop_ids;
    SamplingOptions sampling;  // only what adjusts logits
    BeamOptions beams;
    std::function<void(int64_t tokens)> on_step;  // called on the engine's thread; may be empty
};

struct BeamResult {
    std::vector<Hypothesis> sequences;  // the best first
    bool context_full = false;          // that, and not the number of tokens, ended what was not stopped
    int64_t evaluated = 0;
    double queued_ms = 0.0;
    double prompt_ms = 0.0;
    double decode_ms = 0.0;
};

// Throws Error(InvalidArgument | InputTooLong).
void check_beam_request(const BeamRequest& request, const ModelSize& size);
void check_ids(const std::vector<int32_t>& ids, const ModelSize& size);
void check_score_request(const ScoreRequest& request, const ModelSize& size);

// The part of a sequence that a batch evaluates.
struct DecoderSlice {
    KvCache* cache = nullptr;
    int64_t past = 0;              // tokens already in the cache
    const int32_t* ids = nullptr;  // new tokens
    int64_t count = 0;
    int64_t wanted = 0;  // rows of logits, those of the last tokens
};

// A sequence under way; what becomes of its logits is the subclass's business.
class DecodeJob {
 public:
    DecodeJob(std::vector<int32_t> ids, CancelToken cancel)
        : tokens_(std::move(ids)), cancel_(std::move(cancel)) {}
    virtual ~DecodeJob() = default;

    // Positions the KV cache must hold, and those to which it may grow in advance of later requests.
    virtual int64_t positions_needed(const ModelSize& size) const = 0;
    virtual int64_t positions_wanted(const ModelSize& size) const { return positions_needed(size); }
    // Gives the job its cache, which may hold some of the tokens already.
    virtual void open_cache(const KvLayout& layout, PromptCache&) {
        cache = std::make_unique<KvCache>(layout);
    }
    // Rows of logits wanted of the next `count` tokens, those of the last of them.
    virtual int64_t rows_wanted(int64_t count) const = 0;
    // `logits` [rows, V] of the tokens just evaluated, as many as were wanted. True when the job is finished.
    virtual bool receive(const float* logits, int64_t rows, const ModelSize& size) = 0;
    virtual void fail(const Error& error) = 0;
    // Somebody has cancelled it.
    virtual void cancel() { fail(aborted()); }
    virtual void started(const ModelSize&) {}
    // It waits for something from outside, and evaluates nothing meanwhile.
    virtual bool waiting() const { return false; }
    // Called before each step of a job that waits. True when the job is finished.
    virtual bool resume(const ModelSize&) { return false; }
    // Nobody takes its tokens at present: it keeps its memory, and gives its place to others.
    virtual bool paused() const { return false; }
    // Called when it has lost its place.
    virtual void pause() {}
    // Called when it has a place again. True when the job is finished.
    virtual bool unpause(const ModelSize&) { return false; }

    bool cancelled() const { return cancel_.cancelled(); }
    int64_t pending() const { return static_cast<int64_t>(tokens_.size()) - past_; }
    // The newest token alone is to be evaluated, with what is guessed to follow it.
    virtual bool decodes() const { return pending() == 1 + guessed_; }
    int64_t guessed() const { return guessed_; }
    // The next at most `limit` tokens to evaluate. Valid until there are more tokens.
    DecoderSlice slice(int64_t limit) const;
    // Sequences of one job that have a token each to evaluate, besides the one above; those of a batch are
    // received in this order.
    virtual int64_t lanes() const { return 0; }
    virtual DecoderSlice lane(int64_t) const { return {}; }
    // Bytes that the lanes will need beyond the cache's.
    virtual uint64_t lane_bytes(const KvLayout&, const ModelSize&) const { return 0; }
    virtual void advance(int64_t count) { past_ += count; }
    int64_t past() const { return past_; }

    std::unique_ptr<KvCache> cache;
    // A sequence beside this one, which starts and ends with it; or null.
    std::shared_ptr<DecodeJob> companion;

 protected:
    std::vector<int32_t> tokens_;
    int64_t past_ = 0;     // tokens evaluated
    int64_t guessed_ = 0;  // the last of them, which may turn out wrong
    CancelToken cancel_;
};

std::shared_ptr<DecodeJob> make_beam_job(BeamRequest request, CancelToken cancel,
                                         Completion<BeamResult> completion);
std::shared_ptr<DecodeJob> make_generate_job(GenerateRequest request, CancelToken cancel,
                                             Completion<GenerateResult> completion);
// Sizes the result. Throws Error(OutOfMemory).
std::shared_ptr<DecodeJob> make_logits_job(LogitsRequest request, const ModelSize& size, CancelToken cancel,
                                           Completion<LogitsResult> completion);
// For a checked request. Sizes the result. Throws Error(OutOfMemory).
std::shared_ptr<DecodeJob> make_score_job(ScoreRequest request, CancelToken cancel,
                                          Completion<ScoreResult> completion);

// Bytes of keys and values.
struct KvLimits {
    uint64_t prompt_cache = 0;  // most of those kept for later prompts
    uint64_t budget = 0;  // most of all; sequences that would need more wait; 0: no limit but the memory
};

class DecodeScheduler {
 public:
    // The bytes of all KV caches count in `kv_bytes`.
    DecodeScheduler(const DecoderModel& model, Device& device, FusedCpu* fused, Profile* profile,
                    int64_t token_budget, const KvLimits& limits,
                    std::shared_ptr<std::atomic<uint64_t>> kv_bytes);

    const KvLayout& kv_layout() const { return layout_; }

    void add(std::shared_ptr<DecodeJob> job) {
        waiting_.push_back(std::move(job));
        stalled_ = false;
    }
    // Nothing to do until somebody comes, or has what a job waits for.
    bool idle() const { return stalled_ || (waiting_.empty() && active_.empty() && paused_.empty()); }
    // Admits what fits and runs one step.
    void step(const std::function<bool()>& stopping);

    // Bytes of activations held between steps, and giving them back.
    uint64_t activation_bytes() const { return runner_.activation_bytes() + graphs_.activation_bytes(); }
    void release_activations();

 private:
    struct Turn {
        std::shared_ptr<DecodeJob> job;
        std::shared_ptr<DecodeJob> sequence;  // the job or its companion
        DecoderSlice slice;
    };
    using Graphs = GraphCache<bool, ggml_tensor*>;  // with logits or without

    void drop_cancelled();
    void resume_waiting();
    void pause();
    void unpause();
    void admit();
    bool has_place() const;
    void choose();
    bool has_room(uint64_t bytes) const;
    void require_room(uint64_t bytes) const;
    void take_turns();
    template <class Use>
    void each_sequence(Use&& use);
    void reserve(DecodeJob& job);
    void lay_out_batch();
    void run(const std::function<bool()>& stopping);
    void run_graph(Graphs::Graph& graph, const std::function<bool()>& stopping);
    void deliver(const ggml_tensor* logits);
    void remove(const std::shared_ptr<DecodeJob>& job);

    const DecoderModel& model_;
    Device& device_;
    GraphRunner runner_;
    FusedCpu* fused_;  // null: plain operations
    int64_t token_budget_;
    uint64_t kv_budget_;
    KvLayout layout_;
    PromptCache prompts_;
    std::deque<std::shared_ptr<DecodeJob>> waiting_;
    std::vector<std::shared_ptr<DecodeJob>> active_;
    std::deque<std::shared_ptr<DecodeJob>> paused_;  // those were active, and come before waiting ones
    bool stalled_ = false;  // the last step found that all wait for something from outside

    // The batch at hand. Their memory is used again for the next one.
    std::vector<std::shared_ptr<DecodeJob>> chosen_, others_;
    std::vector<Turn> turns_;
    DecoderBatch batch_;
    std::vector<float> rows_;
    Graphs graphs_;  // they read batch_
};

}  // namespace ggml_transformers
