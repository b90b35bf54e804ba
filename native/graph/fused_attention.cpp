// Attention over ragged batches and over caches.
#include <algorithm>

#include "graph/fused.h"
#include "graph/fused_rows.h"

namespace ggml_transformers {

namespace {

// Both products, of queries with keys and of weights with values, over all heads.
double attention_operations(int64_t queries, int64_t positions, int64_t hidden) {
    return 4.0 * static_cast<double>(queries * positions * hidden);
}

// Where position `position` of a head's packed keys lies; its values are `key_group` floats apart.
int64_t key_offset(int64_t position, int64_t head) {
    return position / key_group * key_group * head + position % key_group;
}

void pack_key(const float* key, int64_t head, float* packed) {
    for (int64_t d = 0; d < head; ++d) packed[d * key_group] = key[d];
}

// All keys of a head, `stride` floats apart; positions that fill up the last group are zero.
void pack_keys(const float* k, int64_t stride, int64_t length, int64_t head, float* packed) {
    std::fill_n(packed, ceil_div(length, key_group) * key_group * head, 0.0f);
    for (int64_t t = 0; t < length; ++t) pack_key(k + t * stride, head, packed + key_offset(t, head));
}

}  // namespace

ggml_tensor* FusedCpu::attention(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* qkv,
                                 int64_t heads, float scale) {
    const int64_t hidden = qkv->ne[0] / 3;
    const auto cost = [&batch, hidden](const ggml_tensor*) {
        Arithmetic sum;
        for (const RaggedGroup& g : batch.groups()) {
            sum.f32 += static_cast<double>(g.count) * attention_operations(g.length, g.length, hidden);
        }
        return sum;
    };
    return builder.custom(
        hidden, qkv->ne[1], {qkv},
        [=, &batch](ggml_tensor* out) { compute_attention(batch, qkv, heads, scale, out); }, cost);
}

void FusedCpu::compute_attention(const RaggedBatch& batch, const ggml_tensor* qkv, int64_t heads, float scale,
                                 ggml_tensor* out) {
    const int64_t hidden = out->ne[0], head = hidden / heads, stride = row_stride(qkv);
    const int64_t padded = ceil_div(batch.longest(), key_group) * key_group;
    const int64_t keys_size = padded * head;
    reserve_thread_scratch(keys_size + attention_scratch(padded));
    const int64_t count = batch.sequences() * heads;
    // Short sequences' heads are little work: several make a piece.
    const int64_t piece = std::max<int64_t>(1, 65'536 / (padded * padded * head));
    pool_.parallel(ceil_div(count, piece), [&](int64_t i, int thread) {
        float* keys = thread_scratch(thread);
        for (int64_t task = i * piece; task < std::min(count, (i + 1) * piece); ++task) {
            const int64_t first = batch.offset(task / heads), length = batch.length(task / heads);
            const int64_t column = task % heads * head;
            const float* q = floats(qkv) + first * stride + column;
            pack_keys(q + hidden, stride, length, head, keys);
            AttentionTask a;
            a.q = q;
            a.q_stride = stride;
            a.keys = keys;
            a.v = q + 2 * hidden;
            a.v_stride = stride;
            a.head = head;
            a.rows = length;
            a.visible = length;
            a.scale = scale;
            a.out = static_cast<float*>(out->data) + first * hidden + column;
            a.out_stride = hidden;
            a.scratch = keys + keys_size;
            kernels_.attention(a);
        }
    });
}

namespace {

// Adds the new keys and values of one head to its cache: keys [capacity / 16][D][16], values [capacity, H].
void append_to_cache(const CachedSequence& s, const float* k, const float* v, int64_t stride, int64_t hidden,
                     int64_t head, float* keys, float* values) {
    for (int64_t t = 0; t < s.count; ++t) {
        const int64_t position = s.past + t;
        pack_key(k + t * stride, head, keys + key_offset(position, head));
        std::copy_n(v + t * stride, head, values + position * hidden);
    }
}

}  // namespace

ggml_tensor* FusedCpu::cached_attention(GraphBuilder& builder, const std::vector<CachedSequence>& sequences,
                                        int64_t layer, ggml_tensor* qkv, int64_t heads, float scale) {
    const int64_t hidden = qkv->ne[0] / 3;
    const auto cost = [&sequences, hidden](const ggml_tensor*) {
        Arithmetic sum;
        for (const CachedSequence& s : sequences) {
            // The new tokens see their past and on average half of each other.
            sum.f32 += attention_operations(s.count, s.past + (s.count + 1) / 2, hidden);
        }
        return sum;
    };
    return builder.custom(
        hidden, qkv->ne[1], {qkv},
        [=, &sequences](ggml_tensor* out) {
            compute_cached_attention(sequences, layer, qkv, heads, scale, out);
        },
        cost);
}

void FusedCpu::compute_cached_attention(const std::vector<CachedSequence>& sequences, int64_t layer,
                                        const ggml_tensor* qkv, int64_t heads, float scale,
                                        ggml_tensor* out) {
    const int64_t hidden = out->ne[0], head = hidden / heads, stride = row_stride(qkv);
    int64_t longest = 0;
    for (const CachedSequence& s : sequences) longest = std::max(longest, s.past + s.count);
    reserve_thread_scratch(attention_scratch(ceil_div(longest, key_group) * key_group));
    const auto count = static_cast<int64_t>(sequences.size()) * heads;
    pool_.parallel(count, [&](int64_t task, int thread) {
        const CachedSequence& s = sequences[static_cast<size_t>(task / heads)];
        const int64_t column = task % heads * head;
        const float* q = floats(qkv) + s.first_token * stride + column;
        // The heads' keys lie one after the other, their values side by side.
        float* keys = static_cast<float*>(s.cache->keys(layer)->data) + s.cache->capacity() * column;
        float* values = static_cast<float*>(s.cache->values(layer)->data) + column;
        append_to_cache(s, q + hidden, q + 2 * hidden, stride, hidden, head, keys, values);
        AttentionTask a;
        a.q = q;
        a.q_stride = stride;
        a.keys = keys;
        a.v = values;
        a.v_stride = hidden;
        a.head = head;
        a.rows = s.count;
        a.visible = s.past + 1;
        a.causal = true;
        a.scale = scale;
        a.out = static_cast<float*>(out->data) + s.first_token * hidden + column;
        a.out_stride = hidden;
        a.scratch = thread_scratch(thread);
        kernels_.attention(a);
    });
}

}  // namespace ggml_transformers
