// Encoding requests, coalesced into ragged batches. A job's sequences may be spread over several batches and
// share them with other jobs' sequences; results do not depend on it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/graph_runner.h"
#include "engine/job.h"
#include "engine/pooling.h"
#include "engine/sparse_pooling.h"
#include "models/model.h"
#include "models/pooled_projections.h"

namespace ggml_transformers {

// A weight for each token of the vocabulary, of which those above `threshold` are returned, at most `most`.
struct SparseRequest {
    SparsePooling pooling;
    float threshold = 0.0f;
    int64_t most = 0;
};

struct EncodeRequest {
    std::vector<int32_t> ids;       // [T]
    std::vector<int32_t> segments;  // [T], or empty: zeros
    std::vector<int32_t> lengths;   // [B]
    std::optional<Pooling> pooling;
    bool normalize = false;
    bool last_hidden = false;
    bool pooler = false;
    bool hidden_states = false;
    bool attentions = false;
    bool next_sentence = false;
    bool sequence_labels = false;
    bool token_labels = false;
    bool answer = false;
    bool replaced_tokens = false;
    std::vector<int32_t> mlm_positions;  // [M], indices into T
    std::optional<SparseRequest> sparse;
};

// An output's numbers, in memory that is not its own.
struct Floats {
    float* data = nullptr;
    size_t size = 0;
};

// Empty where not asked for. Layouts as in lib/native-requests.ts.
struct EncodeResult {
    Floats pooled;
    Floats last_hidden;
    Floats pooler;
    Floats hidden_states;
    Floats attentions;
    Floats mlm_logits;
    Floats next_sentence;
    Floats sequence_labels;
    Floats token_labels;
    Floats answer;
    Floats replaced_tokens;
    std::vector<SparseVector> sparse;  // [B]
    // Where the outputs lie when the one who asks has no memory for them.
    std::vector<std::vector<float>> own;
};

struct EncodeOutput {
    const char* name;  // as in lib/native-requests.ts
    Floats EncodeResult::*numbers;
};

constexpr EncodeOutput encode_outputs[] = {
    {"pooled", &EncodeResult::pooled},
    {"lastHiddenState", &EncodeResult::last_hidden},
    {"poolerOutput", &EncodeResult::pooler},
    {"hiddenStates", &EncodeResult::hidden_states},
    {"attentions", &EncodeResult::attentions},
    {"mlmLogits", &EncodeResult::mlm_logits},
    {"nextSentenceLogits", &EncodeResult::next_sentence},
    {"sequenceLogits", &EncodeResult::sequence_labels},
    {"tokenLogits", &EncodeResult::token_labels},
    {"answerLogits", &EncodeResult::answer},
    {"replacedLogits", &EncodeResult::replaced_tokens},
};

// Memory for so many numbers of an output; called where the job is made. The engine writes there until it has
// told the outcome.
using OutputMemory = std::function<float*(const char* name, size_t count)>;

// Throws Error(InvalidArgument | InputTooLong | Unsupported) for what the model cannot encode.
void check_encode_request(const EncodeRequest& request, const ModelSize& size, const Heads& heads);

class EncodeJob {
 public:
    // Gets memory for the results; `memory` may be null. Throws Error(OutOfMemory).
    EncodeJob(EncodeRequest request, const ModelSize& size, const Heads& heads, CancelToken cancel,
              Completion<EncodeResult> completion, const OutputMemory& memory);

    EncodeRequest request;
    CancelToken cancel;
    Completion<EncodeResult> completion;
    EncodeResult result;

    std::vector<int64_t> offsets;            // [B + 1] into T
    std::vector<int64_t> attention_offsets;  // [B + 1] into result.attentions
    // Per sequence, its masked-token rows: position within the sequence, and row of the result. Empty when
    // none is wanted.
    std::vector<std::vector<std::pair<int32_t, int64_t>>> mlm_rows;

    int64_t next = 0;       // first sequence not yet in a batch
    int64_t remaining = 0;  // sequences whose results are not there yet

    int64_t sequences() const { return static_cast<int64_t>(request.lengths.size()); }
    int64_t tokens_left() const { return offsets.back() - offsets[static_cast<size_t>(next)]; }
    bool same_outputs(const EncodeJob& other) const;

 private:
    void take_memory(const ModelSize& size, const Heads& heads, const OutputMemory& memory);
};

class EncodeScheduler {
 public:
    EncodeScheduler(const EncoderModel& model, const PooledProjections& projections, Device& device,
                    FusedCpu* fused, Profile* profile, int64_t token_budget);

    void add(std::shared_ptr<EncodeJob> job) { jobs_.push_back(std::move(job)); }
    bool idle() const { return jobs_.empty(); }
    // Runs one batch. `stopping` is asked between graph nodes.
    void step(const std::function<bool()>& stopping);

    // Bytes of activations held between batches, and giving them back.
    uint64_t activation_bytes() const {
        return runner_.activation_bytes() + projection_runner_.activation_bytes() +
               graphs_.activation_bytes();
    }
    void release_activations();

 private:
    struct Pick {
        std::shared_ptr<EncodeJob> job;
        int64_t sequence;
        size_t order;
        int64_t length() const { return job->request.lengths[static_cast<size_t>(sequence)]; }
    };

    using Graphs = GraphCache<EncoderWants, EncoderOutputs>;

    void drop_cancelled();
    void pick_batch();
    bool fits(const Pick& pick, int64_t tokens) const;
    bool is_express(const EncodeJob& job) const;
    bool wants_express_batch() const;
    void lay_out_batch();
    EncoderWants wants() const;
    void run_batch(const std::function<bool()>& stopping);
    void run_graph(Graphs::Graph& graph, const std::function<bool()>& stopping);
    void pool_batch(const ggml_tensor* last_hidden, const std::function<bool()>& should_abort);
    std::unique_ptr<Graphs::Graph> build(const EncoderWants& wants, const GraphBuilder* smaller);
    std::unique_ptr<Graphs::Graph> build_for_one_batch(const EncoderWants& wants);
    ggml_tensor* pool_on_device(GraphBuilder& builder, ggml_tensor* last_hidden) const;
    void deliver(const EncoderOutputs& outputs);
    void fail(const Error& error);

    const EncoderModel& model_;
    const PooledProjections& projections_;
    Device& device_;
    GraphRunner runner_;
    GraphRunner projection_runner_;  // its own: the batch's outputs are still being read
    FusedCpu* fused_;                // null: plain operations
    int64_t token_budget_;
    std::deque<std::shared_ptr<EncodeJob>> jobs_;

    bool last_was_express_ = false;

    // The batch at hand. Their memory is used again for the next one.
    std::vector<Pick> picks_;
    EncoderBatch batch_;
    std::vector<float> rows_;
    ggml_tensor* device_pooled_ = nullptr;  // [H, B]; null: the rows are pooled here
    std::vector<float> pooled_;             // [B, embedding]; not normalized, zeros where nobody wants it
    Graphs graphs_;                         // they read batch_
};

}  // namespace ggml_transformers
