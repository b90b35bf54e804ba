// The post-LN encoder that BERT and its nearest kin share. They differ in how tokens are embedded, in which
// layers have weights of their own, and in what is added to the attention scores.
#pragma once

#include "models/encoder_heads.h"
#include "models/model.h"

namespace ggml_transformers {

struct PostNormParameters {
    ModelSize size;
    int64_t feed_forward = 0;  // F
    float epsilon = 0.0f;
    Activation activation = Activation::Gelu;
    Activation pooler_activation = Activation::Tanh;
};

PostNormParameters read_post_norm_parameters(const ModelSpec& spec);

struct PostNormLayer {
    Projections projections;  // [H, 3H], or three of [H, H]
    Linear attention_output;  // [H, H]
    Norm attention_norm;      // [H]
    Linear up;                // [H, F]
    Linear down;              // [F, H]
    Norm output_norm;         // [H]
};

// The tensors "blk.`index`.…".
PostNormLayer read_post_norm_layer(const Weights& weights, const PostNormParameters& p, int64_t index);

class PostNormEncoder : public EncoderModel {
 public:
    explicit PostNormEncoder(const ModelSpec& spec) : p_(read_post_norm_parameters(spec)) {}

    const ModelSize& size() const override { return p_.size; }
    Heads heads() const override { return heads_.present(); }
    size_t max_nodes(size_t groups) const override;
    EncoderOutputs build(GraphBuilder& builder, const EncoderBatch& batch,
                         const EncoderWants& wants) const override;

 protected:
    // What the first layer reads: [H, T].
    virtual ggml_tensor* embeddings(GraphBuilder& builder, const EncoderBatch& batch) const = 0;
    virtual const PostNormLayer& layer(int64_t index) const = 0;
    // Sets what is added to the scores; `plain`: where attention is plain operations.
    virtual void bias_scores(GraphBuilder&, const RaggedBatch&, bool /*plain*/, AttentionExtras&) const {}

    PostNormParameters p_;
    EncoderHeads heads_;

 private:
    ggml_tensor* build_layer(GraphBuilder& builder, const RaggedBatch& batch, const PostNormLayer& layer,
                             ggml_tensor* x, const AttentionExtras& extras) const;
};

}  // namespace ggml_transformers
