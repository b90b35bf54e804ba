#include "models/post_norm.h"

#include <cmath>

#include "models/bind.h"

namespace ggml_transformers {

PostNormParameters read_post_norm_parameters(const ModelSpec& spec) {
    PostNormParameters p;
    p.size = read_size(spec);
    p.size.segments = spec.integer("segmentCount", 0, 1024);
    p.feed_forward = spec.integer("feedForwardLength", 1, 16'000'000);
    p.epsilon = static_cast<float>(spec.non_negative("layerNormEpsilon"));
    p.activation = activation_from_name(spec.string("activation"));
    p.pooler_activation = activation_from_name(spec.string("poolerActivation"));
    return p;
}

PostNormLayer read_post_norm_layer(const Weights& weights, const PostNormParameters& p, int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const int64_t hidden = p.size.hidden;
    PostNormLayer layer;
    if (weights.extent(prefix + "attn_qkv.weight", 0) != 0) {
        layer.projections.fused = require_linear(weights, prefix + "attn_qkv", hidden, 3 * hidden);
    } else {
        layer.projections.query = require_linear(weights, prefix + "attn_q", hidden, hidden);
        layer.projections.key = require_linear(weights, prefix + "attn_k", hidden, hidden);
        layer.projections.value = require_linear(weights, prefix + "attn_v", hidden, hidden);
    }
    layer.attention_output = require_linear(weights, prefix + "attn_output", hidden, hidden);
    layer.attention_norm = require_norm(weights, prefix + "attn_output_norm", hidden, p.epsilon);
    layer.up = require_linear(weights, prefix + "ffn_up", hidden, p.feed_forward);
    layer.down = require_linear(weights, prefix + "ffn_down", p.feed_forward, hidden);
    layer.output_norm = require_norm(weights, prefix + "layer_output_norm", hidden, p.epsilon);
    return layer;
}

size_t PostNormEncoder::max_nodes(size_t groups) const {
    constexpr size_t per_layer = 48, per_group = 20, around = 64;
    return around + (static_cast<size_t>(p_.size.layers) + 1) * (per_layer + per_group * groups);
}

EncoderOutputs PostNormEncoder::build(GraphBuilder& b, const EncoderBatch& batch,
                                      const EncoderWants& wants) const {
    EncoderOutputs out;
    ggml_tensor* x = embeddings(b, batch);  // [H, T]
    AttentionExtras extras;
    const bool plain = wants.attentions || !attention_is_fused(b, p_.size.hidden / p_.size.heads);
    bias_scores(b.block("attention"), batch.layout, plain, extras);
    if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
    for (int64_t i = 0; i < p_.size.layers; ++i) {
        if (wants.attentions) extras.scores = &out.attentions.emplace_back();
        x = build_layer(b, batch.layout, layer(i), x, extras);  // [H, T]
        if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
    }
    out.last_hidden = b.output(x);
    heads_.build(b, batch, wants, out);
    return out;
}

// x = LN(x + attention(x)); x = LN(x + feed_forward(x)).
ggml_tensor* PostNormEncoder::build_layer(GraphBuilder& b, const RaggedBatch& batch, const PostNormLayer& l,
                                          ggml_tensor* x, const AttentionExtras& extras) const {
    const float scale = 1.0f / std::sqrt(static_cast<float>(p_.size.hidden / p_.size.heads));
    const Qkv qkv = project(b.block("qkv"), l.projections, x);
    ggml_tensor* a = attention(b.block("attention"), batch, qkv, p_.size.heads, scale, extras);
    a = linear(b.block("attention output"), l.attention_output, a);
    x = add_norm(b.block("norm"), l.attention_norm, a, x);
    ggml_tensor* f = linear(b.block("ffn up"), l.up, p_.activation, x);  // [F, T]
    f = linear(b.block("ffn down"), l.down, f);
    return add_norm(b.block("norm"), l.output_norm, f, x);
}

}  // namespace ggml_transformers
