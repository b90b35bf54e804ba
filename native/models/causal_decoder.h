// What the decoders share: tokens see themselves and those before them, over caches or in whole sequences.
// They differ in how tokens are embedded and in what a layer computes around its attention.
#pragma once

#include <functional>
#include <vector>

#include "models/bind.h"
#include "models/model.h"

namespace ggml_transformers {

// What all layers of one graph read.
struct CausalInputs {
    ggml_tensor* ids = nullptr;        // [T]
    ggml_tensor* positions = nullptr;  // [T]
    Rotation rotation;                 // of models that rotate
};

// What follows the last layer. E is H, but for models whose embeddings are narrower than their layers.
struct CausalHeads {
    Norm norm;               // [H]; null where layers end with one
    Linear projection;       // [H, E], or null and E is H
    Linear output;           // [E, V]; the token embedding when tied
    Linear sequence_labels;  // [E, labels], of a classifier

    // "output_norm" if `normed`, "output_projection" where the embedding has one, "output" and "cls.output",
    // over the token embedding `tokens` [E, V].
    static CausalHeads read(const Weights& weights, const ModelSize& size, ggml_tensor* tokens, float epsilon,
                            bool normed);
    // What hidden states end as: [H, T] -> [H, T].
    ggml_tensor* normalize(GraphBuilder& builder, ggml_tensor* x) const;
    // Of that, what the other heads are over: [H, M] -> [E, M].
    ggml_tensor* project(GraphBuilder& builder, ggml_tensor* x) const;
};

class CausalDecoder : public DecoderModel {
 public:
    explicit CausalDecoder(const ModelSpec& spec) : size_(read_size(spec)), encoder_(*this) {}

    const ModelSize& size() const override { return size_; }
    const EncoderModel& encoder() const override { return encoder_; }
    size_t max_nodes(size_t sequences) const override;
    ggml_tensor* build(GraphBuilder& builder, const DecoderBatch& batch) const override;

 protected:
    // A layer's attention over what it has of all tokens, scores times `scale`: [H, T].
    using Attend = std::function<ggml_tensor*(const Qkv& qkv, float scale)>;

    // What the first layer reads: [H, T].
    virtual ggml_tensor* embeddings(GraphBuilder& builder, const CausalInputs& inputs) const = 0;
    virtual Rotation rotation(GraphBuilder&, ggml_tensor*) const { return {}; }
    virtual ggml_tensor* layer(GraphBuilder& builder, const CausalInputs& inputs, int64_t index,
                               ggml_tensor* x, const Attend& attend) const = 0;
    // How many tokens before itself a token sees in that layer; -1: all.
    virtual int64_t reach(int64_t) const { return -1; }

    CausalHeads heads_;

 private:
    // Whole sequences without a cache: hidden states, attention maps, and the classifier over the last token.
    class Whole final : public EncoderModel {
     public:
        explicit Whole(const CausalDecoder& model) : model_(model) {}
        const ModelSize& size() const override { return model_.size_; }
        Heads heads() const override;
        bool keeps_graphs() const override { return false; }
        size_t max_nodes(size_t groups) const override;
        EncoderOutputs build(GraphBuilder& builder, const EncoderBatch& batch,
                             const EncoderWants& wants) const override;

     private:
        const CausalDecoder& model_;
    };

    CausalInputs inputs(GraphBuilder& builder, const std::vector<int32_t>& ids,
                        const std::vector<int32_t>& positions) const;
    // The one all layers have that do not see everything, or -1.
    int64_t shortest_reach() const;

    ModelSize size_;
    Whole encoder_;
};

}  // namespace ggml_transformers
