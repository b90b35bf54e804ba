#include "graph/blocks.h"

#include <algorithm>
#include <cmath>

#include "engine/device.h"
#include "engine/error.h"
#include "graph/fused.h"

namespace ggml_transformers {

Activation activation_from_name(const std::string& name) {
    if (name == "gelu") return Activation::Gelu;
    if (name == "gelu_new") return Activation::GeluTanh;
    if (name == "relu") return Activation::Relu;
    if (name == "silu") return Activation::Silu;
    if (name == "tanh") return Activation::Tanh;
    throw Error(ErrorCode::Unsupported, "The activation \"" + name + "\" is not supported")
        .with("field", std::string("activation"))
        .with("value", name);
}

ggml_tensor* embed(GraphBuilder& builder, const Lookup& lookup) {
    if (builder.fused() != nullptr) return builder.fused()->embed_sum(builder, {lookup});
    return ggml_get_rows(builder.context(), lookup.table, lookup.indices);
}

ggml_tensor* mean_rows(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* sequences,
                       ggml_tensor* x) {
    if (builder.fused() != nullptr) return builder.fused()->mean_rows(builder, batch, sequences, x);
    ggml_context* context = builder.context();
    const int64_t hidden = x->ne[0];
    ggml_tensor* means = nullptr;
    for (const RaggedGroup& group : batch.groups()) {
        const auto offset = static_cast<size_t>(batch.offset(group.first_sequence)) * x->nb[1];
        ggml_tensor* rows = ggml_view_3d(context, x, hidden, group.length, group.count, x->nb[1],
                                         x->nb[1] * static_cast<size_t>(group.length), offset);
        rows = ggml_cont(context, ggml_permute(context, rows, 1, 0, 2, 3));  // [S, H, n]
        ggml_tensor* mean = ggml_reshape_2d(context, ggml_mean(context, rows), hidden, group.count);
        means = means == nullptr ? mean : ggml_concat(context, means, mean, 1);
    }
    return means;
}

ggml_tensor* embed_sum(GraphBuilder& builder, const std::vector<Lookup>& lookups) {
    if (builder.fused() != nullptr) return builder.fused()->embed_sum(builder, lookups);
    ggml_tensor* sum = embed(builder, lookups.front());
    for (size_t i = 1; i < lookups.size(); ++i) {
        sum = ggml_add_inplace(builder.context(), sum, embed(builder, lookups[i]));
    }
    return sum;
}

ggml_tensor* norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x) {
    if (builder.fused() != nullptr) return builder.fused()->add_norm(builder, layer, x, nullptr);
    ggml_context* context = builder.context();
    ggml_tensor* y = ggml_norm(context, x, layer.epsilon);
    y = ggml_mul_inplace(context, y, layer.weight);
    return layer.bias == nullptr ? y : ggml_add_inplace(context, y, layer.bias);
}

ggml_tensor* add_norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x, ggml_tensor* residual) {
    if (builder.fused() != nullptr) return builder.fused()->add_norm(builder, layer, x, residual);
    return norm(builder, layer, ggml_add(builder.context(), x, residual));
}

namespace {

// GGML's own tanh form goes through a half-precision table on the CPU and is off by up to 1e-3. The same
// function is x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), because (1 + tanh(u)) / 2 = sigmoid(2 u).
ggml_tensor* gelu_tanh(GraphBuilder& builder, ggml_tensor* x) {
    constexpr float slope = 1.5957691216057308f;  // 2 sqrt(2 / pi)
    constexpr float cubic = 0.044715f;
    ggml_context* context = builder.context();
    ggml_tensor* u = ggml_scale_bias_inplace(context, ggml_sqr(context, x), slope * cubic, slope);
    u = ggml_mul_inplace(context, u, x);
    return ggml_mul_inplace(context, ggml_sigmoid_inplace(context, u), x);
}

}  // namespace

namespace {

ggml_tensor* activate(GraphBuilder& builder, Activation activation, ggml_tensor* x) {
    switch (activation) {
        case Activation::Gelu:
            return ggml_gelu_erf_inplace(builder.context(), x);
        case Activation::GeluTanh:
            return gelu_tanh(builder, x);
        case Activation::Relu:
            return ggml_relu_inplace(builder.context(), x);
        case Activation::Silu:
            return ggml_silu_inplace(builder.context(), x);
        case Activation::Tanh:
            return ggml_tanh_inplace(builder.context(), x);
    }
    throw Error(ErrorCode::Internal, "An activation has no lowering");
}

FusedActivation fused_activation(Activation activation) {
    switch (activation) {
        case Activation::Gelu:
            return FusedActivation::Gelu;
        case Activation::GeluTanh:
            return FusedActivation::GeluTanh;
        case Activation::Relu:
            return FusedActivation::Relu;
        case Activation::Silu:
            return FusedActivation::Silu;
        case Activation::Tanh:
            return FusedActivation::Tanh;
    }
    throw Error(ErrorCode::Internal, "An activation has no fused form");
}

}  // namespace

ggml_tensor* linear(GraphBuilder& builder, const Linear& layer, ggml_tensor* x) {
    if (builder.fused() != nullptr) {
        return builder.fused()->linear(builder, {layer}, x, FusedActivation::None, nullptr);
    }
    ggml_tensor* y = ggml_mul_mat(builder.context(), layer.weight, x);
    return layer.bias == nullptr ? y : ggml_add_inplace(builder.context(), y, layer.bias);
}

ggml_tensor* linear(GraphBuilder& builder, const Linear& layer, Activation activation, ggml_tensor* x) {
    if (builder.fused() != nullptr) {
        return builder.fused()->linear(builder, {layer}, x, fused_activation(activation), nullptr);
    }
    return activate(builder, activation, linear(builder, layer, x));
}

ggml_tensor* linear_add(GraphBuilder& builder, const Linear& layer, ggml_tensor* x, ggml_tensor* residual) {
    if (builder.fused() != nullptr) {
        return builder.fused()->linear(builder, {layer}, x, FusedActivation::None, residual);
    }
    return ggml_add(builder.context(), linear(builder, layer, x), residual);
}

namespace {

// Outputs [first, first + count) of a layer without bias.
Linear some_outputs(GraphBuilder& builder, const Linear& layer, int64_t first, int64_t count) {
    ggml_tensor* w = layer.weight;
    return {
        ggml_view_2d(builder.context(), w, w->ne[0], count, w->nb[1], static_cast<size_t>(first) * w->nb[1]),
        nullptr};
}

}  // namespace

ggml_tensor* gated_linear(GraphBuilder& builder, const Linear& layer, Activation activation, ggml_tensor* x) {
    const int64_t half = layer.weight->ne[1] / 2;
    const Linear activated = some_outputs(builder, layer, 0, half);
    ggml_tensor* gate = linear(builder, some_outputs(builder, layer, half, half), x);
    if (builder.fused() != nullptr) {
        return builder.fused()->linear(builder, {activated}, x, fused_activation(activation), nullptr, gate);
    }
    return ggml_mul(builder.context(), linear(builder, activated, activation, x), gate);
}

namespace {

// The first `hidden` values are queries.
Qkv split(GraphBuilder& builder, ggml_tensor* joint, int64_t hidden) {
    const int64_t shared = (joint->ne[0] - hidden) / 2;  // G
    const auto part = [&](int64_t first, int64_t values) {
        return ggml_view_2d(builder.context(), joint, values, joint->ne[1], joint->nb[1],
                            static_cast<size_t>(first) * sizeof(float));
    };
    builder.append(joint);
    return {joint, part(0, hidden), part(hidden, shared), part(hidden + shared, shared)};
}

}  // namespace

Qkv project(GraphBuilder& builder, const Projections& p, ggml_tensor* x) {
    const bool together = p.fused.weight != nullptr;
    if (builder.fused() != nullptr) {
        const std::vector<Linear> layers =
            together ? std::vector<Linear>{p.fused} : std::vector<Linear>{p.query, p.key, p.value};
        ggml_tensor* joint = builder.fused()->linear(builder, layers, x, FusedActivation::None, nullptr);
        return split(builder, joint, x->ne[0]);
    }
    if (together) return split(builder, linear(builder, p.fused, x), x->ne[0]);
    Qkv qkv{nullptr, linear(builder, p.query, x), linear(builder, p.key, x), linear(builder, p.value, x)};
    // Their readers take views: all three exist before the first view is taken.
    builder.append(qkv.q);
    builder.append(qkv.k);
    builder.append(qkv.v);
    return qkv;
}

namespace {

ggml_tensor* rotate(ggml_context* context, ggml_tensor* x, const Rotation& r) {
    const int64_t hidden = x->ne[0], tokens = x->ne[1];
    ggml_tensor* heads =  // [D, A, T]
        ggml_view_3d(context, x, r.head, hidden / r.head, tokens, static_cast<size_t>(r.head) * sizeof(float),
                     x->nb[1], 0);
    heads = ggml_rope_ext(context, heads, r.positions, nullptr, static_cast<int>(r.values),
                          GGML_ROPE_TYPE_NEOX, 0, r.base, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f);
    return ggml_reshape_2d(context, heads, hidden, tokens);
}

}  // namespace

Rotation make_rotation(GraphBuilder& builder, ggml_tensor* positions, int64_t head, int64_t values,
                       float base) {
    Rotation rotation = {positions, head, values, base, nullptr};
    if (builder.fused() != nullptr) rotation.turns = builder.fused()->turns(builder, rotation);
    return rotation;
}

Qkv rotate(GraphBuilder& builder, const Qkv& qkv, const Rotation& rotation) {
    if (builder.fused() != nullptr && qkv.joint != nullptr) {
        return split(builder, builder.fused()->rotate(builder, qkv, rotation), qkv.q->ne[0]);
    }
    Qkv rotated = {nullptr, rotate(builder.context(), qkv.q, rotation),
                   rotate(builder.context(), qkv.k, rotation), qkv.v};
    builder.append(rotated.q);
    builder.append(rotated.k);
    return rotated;
}

namespace {

// The group's rows of x [H, T] as [D, S, A, n]: queries or keys, head by head.
ggml_tensor* split_heads(ggml_context* context, ggml_tensor* x, const RaggedGroup& group, int64_t heads) {
    const size_t value = sizeof(float);
    const int64_t head = x->ne[0] / heads;
    ggml_tensor* rows =  // [D, A, S, n]
        ggml_view_4d(context, x, head, heads, group.length, group.count, static_cast<size_t>(head) * value,
                     x->nb[1], x->nb[1] * static_cast<size_t>(group.length),
                     x->nb[1] * static_cast<size_t>(group.first_token));
    return ggml_permute(context, rows, 0, 2, 1, 3);
}

// Writes `heads_out` [D, S, A, n] over the group's rows of x [H, T].
ggml_tensor* join_heads(ggml_context* context, ggml_tensor* heads_out, ggml_tensor* x,
                        const RaggedGroup& group) {
    return ggml_cpy(context, heads_out, split_heads(context, x, group, heads_out->ne[2]));
}

// All of a group's attention in one operation, where the device has it for such heads; else null. Keys and
// values are rounded to half precision. [D, A, S, n], as rows lie. Dao et al., "FlashAttention",
// arXiv:2205.14135.
ggml_tensor* flash_attention(GraphBuilder& builder, ggml_tensor* queries, ggml_tensor* keys,
                             ggml_tensor* values, ggml_tensor* bias, float scale) {
    const bool one_bias = bias == nullptr || bias->ne[2] == 1;
    if (!one_bias || !builder.device().has_flash_attention(keys->ne[0], keys->ne[2])) return nullptr;
    ggml_context* context = builder.context();
    ggml_tensor* mixed = ggml_flash_attn_ext(
        context, queries, ggml_cast(context, keys, GGML_TYPE_F16), ggml_cast(context, values, GGML_TYPE_F16),
        bias == nullptr ? nullptr : ggml_cast(context, bias, GGML_TYPE_F16), scale, 0.0f, 0.0f);
    ggml_prec_set_acc(mixed, GGML_PREC_F32);
    return mixed;
}

// Writes `rows` [D, A, S, n] over the group's rows of x [H, T].
ggml_tensor* replace_rows(ggml_context* context, ggml_tensor* rows, ggml_tensor* x,
                          const RaggedGroup& group) {
    const int64_t hidden = x->ne[0], count = group.length * group.count;
    return ggml_cpy(
        context, ggml_reshape_2d(context, rows, hidden, count),
        ggml_view_2d(context, x, hidden, count, x->nb[1], x->nb[1] * static_cast<size_t>(group.first_token)));
}

}  // namespace

bool attention_is_fused(const GraphBuilder& builder, int64_t head) {
    return builder.fused() != nullptr && FusedCpu::covers_head(head);
}

int32_t DistanceBias::bucket(int64_t query, int64_t key) const {
    const auto longest = static_cast<int64_t>(buckets->size() / 2);
    return (*buckets)[static_cast<size_t>(std::clamp(key - query, -longest, longest) + longest)];
}

std::vector<ggml_tensor*> distance_biases(GraphBuilder& builder, const RaggedBatch& batch,
                                          const DistanceBias& distances) {
    ggml_context* context = builder.context();
    const int64_t heads = distances.table->ne[0];
    std::vector<ggml_tensor*> all;
    for (const RaggedGroup& group : batch.groups()) {
        const int64_t length = group.length;
        std::vector<int32_t> buckets;
        buckets.reserve(static_cast<size_t>(length * length));
        for (int64_t query = 0; query < length; ++query) {
            for (int64_t key = 0; key < length; ++key) buckets.push_back(distances.bucket(query, key));
        }
        ggml_tensor* bias = ggml_get_rows(context, distances.table, builder.constant(std::move(buckets)));
        bias = ggml_reshape_3d(context, bias, heads, length, length);  // [A, S, S]
        bias = ggml_permute(context, bias, 2, 0, 1, 3);                // [S, S, A]
        all.push_back(ggml_cont(context, bias));
    }
    return all;
}

void require_score_memory(const GraphBuilder& builder, const RaggedBatch& batch, int64_t heads,
                          int64_t bias_heads) {
    double biases = 0, scores = 0;
    for (const RaggedGroup& group : batch.groups()) {
        const double pairs = static_cast<double>(group.length) * static_cast<double>(group.length);
        biases += 2 * pairs * static_cast<double>(bias_heads * sizeof(float));
        const double of_group = pairs * static_cast<double>(heads * group.count * sizeof(float));
        scores = std::max(scores, 2 * of_group);
    }
    builder.device().memory().require(static_cast<uint64_t>(biases + scores),
                                      "The attention scores (a shorter text needs less)");
}

ggml_tensor* attention(GraphBuilder& builder, const RaggedBatch& batch, const Qkv& qkv, int64_t heads,
                       float scale, const AttentionExtras& extras) {
    const auto& [joint, q, k, v] = qkv;
    const int64_t head = q->ne[0] / heads, kv_heads = k->ne[0] / head;
    const bool plain = extras.scores != nullptr || !extras.biases.empty() || kv_heads < heads;
    if (!plain && attention_is_fused(builder, head)) {
        return builder.fused()->attention(builder, batch, qkv, heads, scale, extras);
    }
    ggml_context* context = builder.context();
    for (size_t i = 0; i < batch.groups().size(); ++i) {
        const RaggedGroup& group = batch.groups()[i];
        ggml_tensor* bias = extras.biases.empty() ? nullptr : extras.biases[i];
        ggml_tensor* queries = split_heads(context, q, group, heads);  // [D, S, A, n]
        // Fewer heads of keys and values than of queries are repeated by the products.
        ggml_tensor* keys = split_heads(context, k, group, kv_heads);    // [D, S, A, n]
        ggml_tensor* values = split_heads(context, v, group, kv_heads);  // [D, S, A, n]
        if (extras.scores == nullptr) {
            if (ggml_tensor* mixed = flash_attention(builder, queries, keys, values, bias, scale)) {
                builder.append(replace_rows(context, mixed, q, group));
                continue;
            }
        }
        values = ggml_cont(context, ggml_transpose(context, values));  // [S, D, A, n]
        ggml_tensor* weights = ggml_mul_mat(context, keys, queries);   // [S, S, A, n]
        weights = ggml_soft_max_ext(context, weights, bias, scale, 0.0f);
        if (extras.scores != nullptr) extras.scores->push_back(builder.output(weights));
        ggml_tensor* mixed = ggml_mul_mat(context, values, weights);  // [D, S, A, n]
        // This group's queries are done with; its result takes their rows.
        builder.append(join_heads(context, mixed, q, group));
    }
    return q;
}

ggml_tensor* cached_attention(GraphBuilder& builder, const CachedLayer& cached, const Qkv& qkv, int64_t heads,
                              float scale) {
    const auto& [joint, q, k, v] = qkv;
    const int64_t hidden = q->ne[0];
    if (attention_is_fused(builder, hidden / heads)) {
        return builder.fused()->cached_attention(builder, cached, qkv, heads, scale);
    }
    ggml_context* context = builder.context();
    const int64_t head = hidden / heads, shared = k->ne[0], kv_heads = shared / head;
    const auto at = [](size_t stride, int64_t index) { return stride * static_cast<size_t>(index); };

    for (size_t i = 0; i < cached.sequences.size(); ++i) {
        const CachedSequence& s = cached.sequences[i];
        ggml_tensor* mask = cached.masks[i];
        ggml_tensor* past_keys = s.cache->plain().keys(cached.layer);
        ggml_tensor* past_values = s.cache->plain().values(cached.layer);
        const int64_t visible = mask->ne[0];  // K
        ggml_tensor* new_keys =
            ggml_view_2d(context, k, shared, s.count, k->nb[1], at(k->nb[1], s.first_token));
        ggml_tensor* new_values =
            ggml_view_2d(context, v, shared, s.count, v->nb[1], at(v->nb[1], s.first_token));
        builder.append(ggml_cpy(context, new_keys,
                                ggml_view_2d(context, past_keys, shared, s.count, past_keys->nb[1],
                                             at(past_keys->nb[1], s.past))));
        builder.append(ggml_cpy(context, ggml_transpose(context, new_values),
                                ggml_view_2d(context, past_values, s.count, shared, past_values->nb[1],
                                             at(past_values->nb[0], s.past))));

        const RaggedGroup rows{s.first_token, 0, s.count, 1};
        ggml_tensor* queries = split_heads(context, q, rows, heads);  // [D, n, A, 1]
        ggml_tensor* keys =                                           // [D, K, A]
            ggml_view_3d(context, past_keys, head, visible, kv_heads, past_keys->nb[1],
                         at(past_keys->nb[0], head), 0);
        ggml_tensor* values =  // [K, D, A]
            ggml_view_3d(context, past_values, visible, head, kv_heads, past_values->nb[1],
                         at(past_values->nb[1], head), 0);
        ggml_tensor* weights = ggml_mul_mat(context, keys, queries);  // [K, n, A, 1]
        weights = ggml_soft_max_ext(context, weights, mask, scale, 0.0f);
        ggml_tensor* mixed = ggml_mul_mat(context, values, weights);  // [D, n, A, 1]
        builder.append(join_heads(context, mixed, q, rows));
    }
    return q;
}

}  // namespace ggml_transformers
