// The heads an encoder's file may have; architectures differ in names and sizes, not in what they compute.
#pragma once

#include "models/bind.h"
#include "models/model.h"

namespace ggml_transformers {

struct EncoderHeads {
    Linear pooler;              // [H, H]
    Norm pooler_norm;           // [H], or null
    Linear mlm_transform;       // [H, E]
    Norm mlm_norm;              // [E]
    Linear mlm_output;          // [E, V]; the token embedding when tied
    Linear next_sentence;       // [H, 2]
    Linear sequence_labels;     // [H, labels]
    Linear token_labels;        // [H, labels]
    Linear answer;              // [H, 2]
    Linear replaced_transform;  // [H, H]
    Linear replaced_tokens;     // [H, 1]
    Activation pooler_activation = Activation::Tanh;
    bool pooler_of_mean = false;     // of all tokens, instead of the first
    bool pooler_for_tokens = false;  // the heads over tokens are over what the pooler makes of them
    Activation mlm_activation = Activation::Gelu;
    Activation replaced_activation = Activation::Gelu;

    Heads present() const;
    // Appends those that are wanted; `out.last_hidden` is there.
    void build(GraphBuilder& builder, const EncoderBatch& batch, const EncoderWants& wants,
               EncoderOutputs& out) const;

 private:
    ggml_tensor* pool(GraphBuilder& builder, ggml_tensor* x) const;
    ggml_tensor* transform_for_vocabulary(GraphBuilder& builder, ggml_tensor* x) const;
};

// Those in the file, over the token embedding `tokens` [E, V]; `epsilon` and `bias` are of the masked-token
// head's norm.
EncoderHeads read_encoder_heads(const Weights& weights, const ModelSize& size, ggml_tensor* tokens,
                                float epsilon, NormBias bias = NormBias::Required);

}  // namespace ggml_transformers
