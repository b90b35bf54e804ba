// Attention over ragged batches and over caches.
#include <algorithm>

#include "graph/fused.h"
#include "graph/fused_rows.h"

namespace ggml_transformers {

namespace {

// Where position `position` of a head's packed keys lies; its values are `key_group` floats apart.
int64_t key_offset(int64_t position, int64_t head) {
    return position / key_group * key_group * head + position % key_group;
}

// Both products, of queries with keys and of weights with values, over all heads.
double attention_operations(int64_t queries, int64_t positions, int64_t hidden) {
    return 4.0 * static_cast<double>(queries * positions * hidden);
}

void pack_key(const float* key, int64_t head, float* packed) {
    for (int64_t d = 0; d < head; ++d) packed[d * key_group] = key[d];
}

}  // namespace

ggml_tensor* FusedCpu::attention(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* qkv,
                                 int64_t heads, float scale) {
    struct Sequence {
        int64_t first, length;
    };
    std::vector<Sequence> sequences;  // the batch itself does not outlive the building of the graph
    int64_t longest = 0;
    for (int64_t s = 0; s < batch.sequences(); ++s) {
        sequences.push_back({batch.offset(s), batch.length(s)});
        longest = std::max(longest, batch.length(s));
    }
    const int64_t hidden = qkv->ne[0] / 3;
    return builder.custom(
        hidden, qkv->ne[1], {qkv},
        [=](ggml_tensor* out) {
            const int64_t head = hidden / heads, stride = row_stride(qkv);
            const int64_t padded = ceil_div(longest, key_group) * key_group;
            const int64_t keys_size = padded * head;
            reserve_thread_scratch(keys_size + attention_scratch(padded));
            const auto count = static_cast<int64_t>(sequences.size()) * heads;
            // Short sequences' heads are little work: several make a piece.
            const int64_t piece = std::max<int64_t>(1, 65'536 / (padded * padded * head));
            pool_.parallel(ceil_div(count, piece), [&](int64_t i, int thread) {
                float* keys = thread_scratch(thread);
                for (int64_t task = i * piece; task < std::min(count, (i + 1) * piece); ++task) {
                    const Sequence& s = sequences[static_cast<size_t>(task / heads)];
                    const int64_t column = task % heads * head;
                    const float* q = floats(qkv) + s.first * stride + column;
                    const int64_t positions = ceil_div(s.length, key_group) * key_group;
                    std::fill_n(keys, positions * head, 0.0f);
                    for (int64_t t = 0; t < s.length; ++t) {
                        pack_key(q + hidden + t * stride, head, keys + key_offset(t, head));
                    }
                    AttentionTask a;
                    a.q = q;
                    a.q_stride = stride;
                    a.keys = keys;
                    a.v = q + 2 * hidden;
                    a.v_stride = stride;
                    a.head = head;
                    a.rows = s.length;
                    a.visible = s.length;
                    a.scale = scale;
                    a.out = static_cast<float*>(out->data) + s.first * hidden + column;
                    a.out_stride = hidden;
                    a.scratch = keys + keys_size;
                    kernels_.attention(a);
                }
            });
        },
        [=](const ggml_tensor*) {
            Arithmetic sum;
            for (const Sequence& s : sequences) sum.f32 += attention_operations(s.length, s.length, hidden);
            return sum;
        });
}

namespace {

// Adds the new keys and values of one head to its cache: keys [capacity / 16][D][16] for each head in turn,
// values [capacity, H].
void append_to_cache(const CachedSequence& s, const float* k, const float* v, int64_t stride, int64_t hidden,
                     int64_t head, int64_t column, float* keys) {
    auto* values = static_cast<float*>(s.values->data) + column;
    for (int64_t t = 0; t < s.count; ++t) {
        const int64_t position = s.past + t;
        pack_key(k + t * stride, head, keys + key_offset(position, head));
        std::copy_n(v + t * stride, head, values + position * hidden);
    }
}

}  // namespace

ggml_tensor* FusedCpu::cached_attention(GraphBuilder& builder, const std::vector<CachedSequence>& sequences,
                                        ggml_tensor* qkv, int64_t heads, float scale) {
    const int64_t hidden = qkv->ne[0] / 3;
    return builder.custom(
        hidden, qkv->ne[1], {qkv},
        [=](ggml_tensor* out) {
            const int64_t head = hidden / heads, stride = row_stride(qkv);
            int64_t longest = 0;
            for (const CachedSequence& s : sequences) longest = std::max(longest, s.past + s.count);
            reserve_thread_scratch(attention_scratch(ceil_div(longest, key_group) * key_group));
            const auto count = static_cast<int64_t>(sequences.size()) * heads;
            pool_.parallel(count, [&](int64_t task, int thread) {
                const CachedSequence& s = sequences[static_cast<size_t>(task / heads)];
                const int64_t column = task % heads * head;
                const float* q = floats(qkv) + s.first_token * stride + column;
                const int64_t capacity = ggml_nelements(s.keys) / hidden;
                float* keys = static_cast<float*>(s.keys->data) + capacity * column;
                append_to_cache(s, q + hidden, q + 2 * hidden, stride, hidden, head, column, keys);
                AttentionTask a;
                a.q = q;
                a.q_stride = stride;
                a.keys = keys;
                a.v = static_cast<const float*>(s.values->data) + column;
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
        },
        [=](const ggml_tensor*) {
            Arithmetic sum;
            for (const CachedSequence& s : sequences) {
                // The new tokens see their past and on average half of each other.
                sum.f32 += attention_operations(s.count, s.past + (s.count + 1) / 2, hidden);
            }
            return sum;
        });
}

}  // namespace ggml_transformers
