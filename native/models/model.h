// What an architecture offers the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/graph_builder.h"
#include "engine/model_spec.h"
#include "engine/ragged_batch.h"
#include "engine/sparse_pooling.h"
#include "engine/weights.h"
#include "graph/blocks.h"

namespace ggml_transformers {

struct Heads {
    bool pooler = false;
    bool mlm = false;
    bool next_sentence = false;
    int64_t sequence_labels = 0;  // of the classifier over the pooler's output; 0: none
    int64_t token_labels = 0;     // of the classifier over every token; 0: none
    bool question_answering = false;
    bool replaced_tokens = false;
};

// Sizes every architecture has.
struct ModelSize {
    int64_t vocabulary = 0;  // V
    int64_t context = 0;     // positions
    int64_t hidden = 0;      // H
    int64_t layers = 0;      // L
    int64_t heads = 0;       // A
    int64_t kv_heads = 0;    // heads of keys and values: A, or a divisor of it whose heads several share
    int64_t segments = 0;    // rows of the segment embedding; 0: none
    int64_t embedding = 0;   // values of a pooled vector: H, or what the projections make of it

    int64_t head() const { return hidden / heads; }          // D
    int64_t kv_hidden() const { return kv_heads * head(); }  // keys, or values, of a token
};

// What a graph of an encoder reads whenever it runs.
struct EncoderBatch {
    RaggedBatch layout;
    std::vector<int32_t> ids;        // [T]
    std::vector<int32_t> segments;   // [T]
    std::vector<int32_t> positions;  // [T]
    std::vector<int32_t> cls_rows;   // [B]: tokens that begin a sequence, indices into T
    std::vector<int32_t> last_rows;  // [B]: tokens that end one
    std::vector<int32_t> mlm_rows;   // [M]: tokens whose logits are wanted, indices into T
};

// Which outputs a batch wants; the same for all its sequences.
struct EncoderWants {
    bool hidden_states = false;
    bool attentions = false;
    bool pooler = false;
    bool next_sentence = false;
    bool mlm = false;
    bool sequence_labels = false;
    bool token_labels = false;
    bool answer = false;
    bool replaced_tokens = false;
    std::optional<SparsePooling> sparse;

    bool operator==(const EncoderWants& other) const {
        return hidden_states == other.hidden_states && attentions == other.attentions &&
               pooler == other.pooler && next_sentence == other.next_sentence && mlm == other.mlm &&
               sequence_labels == other.sequence_labels && token_labels == other.token_labels &&
               answer == other.answer && replaced_tokens == other.replaced_tokens && sparse == other.sparse;
    }
};

struct EncoderOutputs {
    ggml_tensor* last_hidden = nullptr;                 // [H, T]
    std::vector<ggml_tensor*> hidden_states;            // L + 1 of [H, T]
    std::vector<std::vector<ggml_tensor*>> attentions;  // L times one [S, S, A, n] per group
    ggml_tensor* pooler = nullptr;                      // [H, B]
    ggml_tensor* next_sentence = nullptr;               // [2, B]
    ggml_tensor* mlm = nullptr;                         // [V, M]
    ggml_tensor* sequence_labels = nullptr;             // [labels, B]
    ggml_tensor* token_labels = nullptr;                // [labels, T]
    ggml_tensor* answer = nullptr;                      // [2, T]: start, end
    ggml_tensor* replaced_tokens = nullptr;             // [1, T]
    ggml_tensor* vocabulary = nullptr;                  // [V, B]: weights of the vocabulary's tokens, or
    ggml_tensor* vocabulary_logits = nullptr;           // [V, T]: what they are to be made of
};

class EncoderModel {
 public:
    virtual ~EncoderModel() = default;
    virtual const ModelSize& size() const = 0;
    virtual Heads heads() const = 0;
    // Whether every operation has a fused form, except for attention maps: then a graph is kept for later
    // batches.
    virtual bool keeps_graphs() const { return true; }
    // An upper bound of the tensors in a graph over that many groups of equal length; none when all of the
    // graph is fused.
    virtual size_t max_nodes(size_t groups) const = 0;
    // `batch` must stay where it is as long as the graph is run.
    virtual EncoderOutputs build(GraphBuilder& builder, const EncoderBatch& batch,
                                 const EncoderWants& wants) const = 0;
};

// What a graph of a decoder reads whenever it runs.
struct DecoderBatch {
    std::vector<CachedSequence> sequences;
    std::vector<int32_t> ids;        // [T]
    std::vector<int32_t> positions;  // [T]
    std::vector<int32_t> wanted;     // [M]: tokens whose logits are wanted, indices into T
};

class DecoderModel {
 public:
    virtual ~DecoderModel() = default;
    virtual const ModelSize& size() const = 0;
    // As for encoders, over that many sequences.
    virtual size_t max_nodes(size_t sequences) const = 0;
    // Logits of the wanted tokens in order, [V, M]; null when none is wanted. `batch` must stay where it is
    // as long as the graph is run.
    virtual ggml_tensor* build(GraphBuilder& builder, const DecoderBatch& batch) const = 0;
    // The same weights over whole sequences at once, for what lies between a text and its logits.
    virtual const EncoderModel& encoder() const = 0;
};

using Model = std::variant<std::unique_ptr<EncoderModel>, std::unique_ptr<DecoderModel>>;

// Binds the weights to the architecture the specification names. Throws Error(Unsupported |
// ModelFileInvalid).
Model make_model(const ModelSpec& spec, const Weights& weights);

std::unique_ptr<EncoderModel> make_bert(const ModelSpec& spec, const Weights& weights);
std::unique_ptr<EncoderModel> make_electra(const ModelSpec& spec, const Weights& weights);
std::unique_ptr<EncoderModel> make_albert(const ModelSpec& spec, const Weights& weights);
std::unique_ptr<EncoderModel> make_mpnet(const ModelSpec& spec, const Weights& weights);
std::unique_ptr<EncoderModel> make_modern_bert(const ModelSpec& spec, const Weights& weights);
std::unique_ptr<DecoderModel> make_gpt2(const ModelSpec& spec, const Weights& weights);
std::unique_ptr<DecoderModel> make_gpt_neox(const ModelSpec& spec, const Weights& weights);

// The sizes all architectures read from the specification. Throws Error(ModelFileInvalid).
ModelSize read_size(const ModelSpec& spec);

}  // namespace ggml_transformers
