#include "models/causal_decoder.h"

#include <algorithm>
#include <limits>

namespace ggml_transformers {

CausalHeads CausalHeads::read(const Weights& weights, const ModelSize& size, ggml_tensor* tokens,
                              float epsilon, bool normed) {
    const int64_t embedding = tokens->ne[0];  // E
    CausalHeads heads;
    if (normed) heads.norm = require_norm(weights, "output_norm", size.hidden, epsilon);
    if (weights.extent("token_embd_projection.weight", 0) != 0) {
        heads.projection = require_linear(weights, "output_projection", size.hidden, embedding);
    }
    heads.output = find_linear(weights, "output", embedding, size.vocabulary);
    if (heads.output.weight == nullptr) heads.output.weight = tokens;
    heads.sequence_labels = find_classifier(weights, "cls.output", embedding);
    return heads;
}

ggml_tensor* CausalHeads::normalize(GraphBuilder& builder, ggml_tensor* x) const {
    return norm.weight == nullptr ? x : ggml_transformers::norm(builder, norm, x);
}

ggml_tensor* CausalHeads::project(GraphBuilder& builder, ggml_tensor* x) const {
    return projection.weight == nullptr ? x : linear(builder, projection, x);
}

namespace {

// Rows of [keys, queries], `width` keys apart: 0 for what a token at `first` and those after it see, itself
// and those before it as far as it reaches, -infinity for the others.
ggml_tensor* causal_mask(GraphBuilder& b, int64_t width, int64_t queries, int64_t first, int64_t reach) {
    std::vector<float> mask(static_cast<size_t>(width * queries), -std::numeric_limits<float>::infinity());
    for (int64_t i = 0; i < queries; ++i) {
        const int64_t at = first + i, nearest = reach < 0 ? 0 : std::max<int64_t>(0, at - reach);
        std::fill_n(mask.begin() + i * width + nearest, at + 1 - nearest, 0.0f);
    }
    return b.input(std::move(mask), width, queries);
}

// One for each sequence, [K, n].
std::vector<ggml_tensor*> causal_masks(GraphBuilder& b, const std::vector<CachedSequence>& sequences,
                                       int64_t reach) {
    std::vector<ggml_tensor*> masks;
    for (const CachedSequence& s : sequences) {
        masks.push_back(causal_mask(b, KvLayout::padded(s.past + s.count), s.count, s.past, reach));
    }
    return masks;
}

// One for each group, [S, S].
std::vector<ggml_tensor*> causal_masks(GraphBuilder& b, const RaggedBatch& batch, int64_t reach) {
    std::vector<ggml_tensor*> masks;
    for (const RaggedGroup& group : batch.groups()) {
        masks.push_back(causal_mask(b, group.length, group.length, 0, reach));
    }
    return masks;
}

}  // namespace

CausalInputs CausalDecoder::inputs(GraphBuilder& b, const std::vector<int32_t>& ids,
                                   const std::vector<int32_t>& positions) const {
    CausalInputs in = {b.block("embed").input(ids), b.input(positions), {}};
    in.rotation = rotation(b.block("rotation"), in.positions);
    return in;
}

int64_t CausalDecoder::shortest_reach() const {
    for (int64_t i = 0; i < size_.layers; ++i)
        if (reach(i) >= 0) return reach(i);
    return -1;
}

size_t CausalDecoder::max_nodes(size_t sequences) const {
    constexpr size_t per_layer = 64, per_sequence = 28, around = 64;
    return around + 2 * sequences +
           static_cast<size_t>(size_.layers) * (per_layer + per_sequence * sequences);
}

ggml_tensor* CausalDecoder::build(GraphBuilder& b, const DecoderBatch& batch) const {
    std::vector<ggml_tensor*> masks, local_masks;
    if (!attention_is_fused(b, size_.head())) {
        const int64_t shortest = shortest_reach();
        masks = causal_masks(b, batch.sequences, -1);
        if (shortest >= 0) local_masks = causal_masks(b, batch.sequences, shortest);
    }
    const CausalInputs in = inputs(b, batch.ids, batch.positions);
    ggml_tensor* x = embeddings(b.block("embed"), in);  // [H, T]
    for (int64_t i = 0; i < size_.layers; ++i) {
        const CachedLayer cached = {batch.sequences, reach(i) < 0 ? masks : local_masks, i, reach(i)};
        x = layer(b, in, i, x, [&](const Qkv& qkv, float scale) {  // [H, T]
            return cached_attention(b.block("attention"), cached, qkv, size_.heads, scale);
        });
    }
    b.block("head");
    if (batch.wanted.empty()) {
        b.append(x);
        return nullptr;
    }
    x = embed(b, {x, b.input(batch.wanted)});  // [H, M]
    x = heads_.project(b, heads_.normalize(b, x));
    return b.output(linear(b, heads_.output, x));  // [V, M]
}

Heads CausalDecoder::Whole::heads() const {
    const Linear& classifier = model_.heads_.sequence_labels;
    Heads heads;
    if (classifier.weight != nullptr) heads.sequence_labels = classifier.weight->ne[1];
    return heads;
}

size_t CausalDecoder::Whole::max_nodes(size_t groups) const {
    constexpr size_t per_layer = 64, per_group = 20, around = 64;
    return around + (static_cast<size_t>(size().layers) + 1) * (per_layer + per_group * groups);
}

EncoderOutputs CausalDecoder::Whole::build(GraphBuilder& b, const EncoderBatch& batch,
                                           const EncoderWants& wants) const {
    const int64_t shortest = model_.shortest_reach();
    require_score_memory(b, batch.layout, size().heads, shortest < 0 ? 1 : 2);
    AttentionExtras all, near;
    all.biases = causal_masks(b.block("attention"), batch.layout, -1);
    if (shortest >= 0) near.biases = causal_masks(b, batch.layout, shortest);
    EncoderOutputs out;
    const CausalInputs in = model_.inputs(b, batch.ids, batch.positions);
    ggml_tensor* x = model_.embeddings(b.block("embed"), in);  // [H, T]
    for (int64_t i = 0; i < size().layers; ++i) {
        if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
        AttentionExtras& extras = model_.reach(i) < 0 ? all : near;
        if (wants.attentions) extras.scores = &out.attentions.emplace_back();
        x = model_.layer(b, in, i, x, [&](const Qkv& qkv, float scale) {
            return attention(b.block("attention"), batch.layout, qkv, size().heads, scale, extras);
        });
    }
    const CausalHeads& heads = model_.heads_;
    // The last hidden state is the normalized one.
    out.last_hidden = b.output(heads.normalize(b.block("norm"), x));
    if (wants.hidden_states) out.hidden_states.push_back(out.last_hidden);
    if (wants.sequence_labels) {
        ggml_tensor* last =
            embed(b.block("sequence classifier"), {out.last_hidden, b.input(batch.last_rows)});
        out.sequence_labels =
            b.output(linear(b, heads.sequence_labels, heads.project(b, last)));  // [labels, B]
    }
    return out;
}

}  // namespace ggml_transformers
