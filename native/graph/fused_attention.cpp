// Attention over ragged batches and over caches.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/kv_bytes.h"
#include "ggml-cpu.h"
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

// Floats for the result of one head before it is rounded, [rows, D], and after.
int64_t head_scratch(int64_t rows, int64_t head) {
    const int64_t values = rows * head;
    return values + values / 2 + 4 * (values / quant_block) + 7 * 16;
}

template <class T>
T* take(float*& memory, int64_t count) {
    T* part = reinterpret_cast<T*>(memory);
    memory += ceil_div(count * static_cast<int64_t>(sizeof(T)), 64) * 16;
    return part;
}

// Whether rounding can go on head by head.
bool whole_blocks(int64_t head) { return head % quant_block == 0; }

}  // namespace

void FusedCpu::attend(AttentionTask task, const RowPart& part, const Wanted& to, float* scratch) const {
    if (!to.rows()) {
        kernels_.attention(task);
        return;
    }
    const int64_t values = task.rows * task.head, blocks = values / quant_block;
    float* const out = task.out;
    task.out = take<float>(scratch, values);
    const int64_t stride = std::exchange(task.out_stride, task.head);
    kernels_.attention(task);
    for (int64_t r = 0; to.floats && r < task.rows; ++r)
        std::copy_n(task.out + r * task.head, task.head, out + r * stride);
    if (to.words.q != nullptr) {
        auto* scales = take<float>(scratch, blocks);
        const WordRow rounded = {take<int16_t>(scratch, values), scales};
        kernels_.quantize_row_words(task.out, values, rounded);
        copy_rows(rounded, part, to.words);
        return;
    }
    auto* beside = take<ByteBlock>(scratch, blocks);
    const ByteRow rounded = {take<int8_t>(scratch, values), beside};
    kernels_.quantize_row(task.out, values, rounded);
    copy_rows(rounded, part, to.bytes);
}

ggml_tensor* FusedCpu::attention(GraphBuilder& builder, const RaggedBatch& batch, const Qkv& qkv,
                                 int64_t heads, float scale, const AttentionExtras& extras) {
    const HeadAttention common = {heads, scale, extras.reach, extras.distances};
    const int64_t reach = extras.reach;
    ggml_tensor *const joint = qkv.joint, *const q = qkv.q, *const k = qkv.k, *const v = qkv.v;
    const int64_t hidden = q->ne[0];
    const auto cost = [&batch, hidden, reach](const ggml_tensor*) {
        Arithmetic sum;
        for (const RaggedGroup& g : batch.groups()) {
            const int64_t seen = reach < 0 ? g.length : std::min(g.length, 2 * reach + 1);
            sum.f32 += static_cast<double>(g.count) * attention_operations(g.length, seen, hidden);
        }
        return sum;
    };
    const auto compute = [=, &batch](ggml_tensor* out) {
        // The views of a joint tensor are not part of graphs that are run again.
        const auto rows = [&](const ggml_tensor* part, int64_t index) {
            if (joint == nullptr) return HeadRows{floats(part), row_stride(part)};
            return HeadRows{floats(joint) + index * hidden, row_stride(joint)};
        };
        compute_attention(batch, {rows(q, 0), rows(k, 1), rows(v, 2)}, common, out);
    };
    if (joint != nullptr) {
        want_floats(joint);
        return builder.custom(hidden, joint->ne[1], {joint}, compute, cost);
    }
    return builder.custom(hidden, q->ne[1], {q, k, v}, compute, cost);
}

const float* FusedCpu::distance_rows(const DistanceBias& distances, int64_t padded) {
    if (distances.table == nullptr) return nullptr;
    const int64_t heads = distances.table->ne[0], buckets = distances.table->ne[1];
    const auto size = static_cast<size_t>((2 * padded + buckets + 1) * heads) * sizeof(float);
    float* const rows = reinterpret_cast<float*>(distance_rows_.reserve(size));
    float *const table = rows + 2 * padded * heads, *const converted = table + buckets * heads;
    for (int64_t b = 0; b < buckets; ++b)
        std::copy_n(table_row(distances.table, b, converted), heads, table + b * heads);
    for (int64_t distance = -padded; distance < padded; ++distance) {
        const float* biases = table + distances.bucket(0, distance) * heads;
        for (int64_t a = 0; a < heads; ++a) rows[a * 2 * padded + padded + distance] = biases[a];
    }
    return rows;
}

void FusedCpu::compute_attention(const RaggedBatch& batch, const HeadRows (&qkv)[3],
                                 const HeadAttention& common, ggml_tensor* out) {
    const HeadRows &queries = qkv[0], &new_keys = qkv[1], &values = qkv[2];
    const int64_t heads = common.heads, hidden = out->ne[0], head = hidden / heads;
    const int64_t padded = ceil_div(batch.longest(), key_group) * key_group;
    const float* biases = distance_rows(common.distances, padded);
    const int64_t keys_size = padded * head, scores_size = attention_scratch(padded);
    reserve_thread_scratch(keys_size + scores_size + head_scratch(batch.longest(), head));
    const Wanted wanted = whole_blocks(head) ? wanted_of(out, nullptr) : Wanted{};
    const int64_t count = batch.sequences() * heads;
    // Short sequences' heads are little work: several make a piece.
    const int64_t piece = std::max<int64_t>(1, 65'536 / (padded * padded * head));
    pool_.parallel(ceil_div(count, piece), [&](int64_t i, int thread) {
        float* keys = thread_scratch(thread);
        for (int64_t task = i * piece; task < std::min(count, (i + 1) * piece); ++task) {
            const int64_t first = batch.offset(task / heads), length = batch.length(task / heads);
            const int64_t column = task % heads * head;
            pack_keys(new_keys.at + first * new_keys.stride + column, new_keys.stride, length, head, keys);
            AttentionTask a;
            a.q = queries.at + first * queries.stride + column;
            a.q_stride = queries.stride;
            const KeyValues all = {keys, values.at + first * values.stride + column, length};
            a.parts = &all;
            a.part_count = 1;
            a.values_stride = values.stride;
            a.head = head;
            a.rows = length;
            a.visible = length;
            a.reach = common.reach;
            a.scale = common.scale;
            if (biases != nullptr) a.bias = biases + (2 * (task % heads) + 1) * padded;
            a.out = static_cast<float*>(out->data) + first * hidden + column;
            a.out_stride = hidden;
            a.scratch = keys + keys_size;
            const RowPart part = {first, length, column / quant_block, head / quant_block,
                                  hidden / quant_block};
            attend(a, part, wanted, a.scratch + scores_size);
        }
    });
}

namespace {

// One head of a cached layer. In its parts everything lies head by head: a token reads all of it, from
// memory, and pages near each other are found sooner. What is kept in fewer bits is widened into `wide`,
// wide_size() floats, before it is read.
class CachedHead {
 public:
    CachedHead(const CachedSequence& s, int64_t layer, int64_t column, int64_t head, float* wide)
        : cache_(*s.cache), layer_(layer), column_(column), head_(head), seen_(s.past + s.count) {
        for (const KvPart& part : cache_.parts()) {
            const int64_t positions = part.end - part.first;
            if (is_narrow(*s.cache)) {
                parts_[count_++] = {wide, wide + padded(positions) * head, positions};
                wide += 2 * padded(positions) * head;
            } else {
                parts_[count_++] = {at<float>(part, true), at<float>(part, false), positions};
            }
        }
    }

    static int64_t wide_size(const KvCache& cache, int64_t head) {
        int64_t size = 0;
        for (const KvPart& part : cache.parts()) size += 2 * padded(part.end - part.first) * head;
        return is_narrow(cache) ? size : 0;
    }

    const KeyValues* parts() const { return parts_.data(); }
    int64_t count() const { return static_cast<int64_t>(count_); }

    // Takes in the keys and values of the sequence's new tokens; widen() makes all readable.
    void append(const CachedSequence& s, const float* k, const float* v, int64_t stride) const {
        if (type_of(cache_) == GGML_TYPE_F16) return append_half(s, k, v, stride);
        if (type_of(cache_) == GGML_TYPE_Q8_0) return append_bytes(s, k, v, stride);
        each_new(s, [&](const KvPart& part, int64_t t, int64_t position) {
            pack_key(k + t * stride, head_, at<float>(part, true) + key_offset(position, head_));
            std::copy_n(v + t * stride, head_, at<float>(part, false) + position * head_);
        });
    }

    void widen() const {
        if (type_of(cache_) == GGML_TYPE_F16) widen_half();
        if (type_of(cache_) == GGML_TYPE_Q8_0) widen_bytes();
    }

 private:
    static ggml_type type_of(const KvCache& cache) {
        return cache.parts().empty() ? GGML_TYPE_F32 : cache.parts().front().segment->keys(0)->type;
    }
    static bool is_narrow(const KvCache& cache) { return type_of(cache) != GGML_TYPE_F32; }
    static int64_t padded(int64_t positions) { return ceil_div(positions, key_group) * key_group; }

    template <class T>
    T* at(const KvPart& part, bool keys) const {
        const KvSegment& segment = *part.segment;
        const ggml_tensor* tensor = keys ? segment.keys(layer_) : segment.values(layer_);
        return static_cast<T*>(tensor->data) + segment.capacity() * column_;
    }

    // Calls use(part, t, position within the part) for the new tokens.
    template <class Use>
    void each_new(const CachedSequence& s, Use&& use) const {
        size_t p = 0;
        for (int64_t t = 0; t < s.count; ++t) {
            while (s.past + t >= cache_.parts()[p].end) ++p;
            use(cache_.parts()[p], t, s.past + t - cache_.parts()[p].first);
        }
    }

    void append_half(const CachedSequence& s, const float* k, const float* v, int64_t stride) const {
        std::array<ggml_fp16_t, 64> half;
        each_new(s, [&](const KvPart& part, int64_t t, int64_t position) {
            ggml_fp16_t* keys = at<ggml_fp16_t>(part, true) + key_offset(position, head_);
            for (int64_t d = 0; d < head_; d += 64) {
                const int64_t count = std::min<int64_t>(64, head_ - d);
                ggml_cpu_fp32_to_fp16(k + t * stride + d, half.data(), count);
                for (int64_t i = 0; i < count; ++i) keys[(d + i) * key_group] = half[static_cast<size_t>(i)];
            }
            ggml_cpu_fp32_to_fp16(v + t * stride, at<ggml_fp16_t>(part, false) + position * head_, head_);
        });
    }

    void widen_half() const {
        for (size_t p = 0; p < count_; ++p) {
            const KvPart& part = cache_.parts()[p];
            const int64_t seen = std::min(part.end, seen_) - part.first;
            if (seen <= 0) break;
            ggml_cpu_fp16_to_fp32(at<ggml_fp16_t>(part, true), const_cast<float*>(parts_[p].keys),
                                  padded(seen) * head_);
            ggml_cpu_fp16_to_fp32(at<ggml_fp16_t>(part, false), const_cast<float*>(parts_[p].values),
                                  seen * head_);
        }
    }

    KvByteGroup group(const KvPart& part, int64_t index, bool keys) const {
        const KvSegment& segment = *part.segment;
        const ggml_tensor* tensor = keys ? segment.keys(layer_) : segment.values(layer_);
        const int64_t first = segment.capacity() / kv_group * (column_ / head_);
        auto* data = static_cast<uint8_t*>(tensor->data) + (first + index) * kv_group_bytes(head_);
        return {data, head_, keys};
    }

    void append_bytes(const CachedSequence& s, const float* k, const float* v, int64_t stride) const {
        each_new(s, [&](const KvPart& part, int64_t t, int64_t position) {
            group(part, position / kv_group, true).write(position % kv_group, k + t * stride);
            group(part, position / kv_group, false).write(position % kv_group, v + t * stride);
        });
    }

    void widen_bytes() const {
        for (size_t p = 0; p < count_; ++p) {
            const KvPart& part = cache_.parts()[p];
            const int64_t groups = ceil_div(std::min(part.end, seen_) - part.first, kv_group);
            for (int64_t g = 0; g < groups; ++g) {
                const int64_t at = g * kv_group * head_;
                kernels().widen_key_bytes(group(part, g, true).group(), head_,
                                          const_cast<float*>(parts_[p].keys) + at);
                kernels().widen_value_bytes(group(part, g, false).group(), head_,
                                            const_cast<float*>(parts_[p].values) + at);
            }
        }
    }

    const KvCache& cache_;
    int64_t layer_;
    int64_t column_;
    int64_t head_;
    int64_t seen_;  // positions
    std::array<KeyValues, kv_most_parts> parts_;
    size_t count_ = 0;
};

}  // namespace

ggml_tensor* FusedCpu::cached_attention(GraphBuilder& builder, const CachedLayer& cached, const Qkv& qkv,
                                        int64_t heads, float scale) {
    ggml_tensor* joint = qkv.joint;
    want_floats(joint);
    const std::vector<CachedSequence>& sequences = cached.sequences;
    const int64_t hidden = qkv.q->ne[0], kv_heads = qkv.k->ne[0] / (hidden / heads);
    const CachedHeads all = {cached.layer, cached.reach, heads, kv_heads, scale};
    const auto cost = [&sequences, hidden, all](const ggml_tensor*) {
        Arithmetic sum;
        for (const CachedSequence& s : sequences) {
            // The new tokens see their past and on average half of each other.
            const int64_t seen = s.past + (s.count + 1) / 2;
            const int64_t near = all.reach < 0 ? seen : std::min(seen, all.reach + 1);
            sum.f32 += attention_operations(s.count, near, hidden);
        }
        return sum;
    };
    return builder.custom(
        hidden, joint->ne[1], {joint},
        [=, &sequences](ggml_tensor* out) { compute_cached_attention(sequences, all, joint, out); }, cost);
}

// The heads of queries that share keys and values are cut into slices, so that every thread has work; a slice
// reads the keys and values once for a token.
void FusedCpu::compute_cached_attention(const std::vector<CachedSequence>& sequences, const CachedHeads& h,
                                        const ggml_tensor* qkv, ggml_tensor* out) {
    const int64_t hidden = out->ne[0], head = hidden / h.heads, stride = row_stride(qkv);
    const int64_t sharing = h.heads / h.kv_heads;
    int64_t longest = 0, most_rows = sharing, wide_size = 0;
    for (const CachedSequence& s : sequences) {
        longest = std::max(longest, s.past + s.count);
        most_rows = std::max(most_rows, s.count);
        wide_size = std::max(wide_size, CachedHead::wide_size(*s.cache, head));
    }
    const int64_t scores_size = attention_scratch(ceil_div(longest, key_group) * key_group);
    reserve_thread_scratch(scores_size + wide_size + head_scratch(most_rows, head));
    const Wanted wanted = whole_blocks(head) ? wanted_of(out, nullptr) : Wanted{};

    const auto pairs = static_cast<int64_t>(sequences.size()) * h.kv_heads;
    const int64_t slices = std::min(sharing, ceil_div(2 * pool_.threads(), pairs));
    const auto cached_head = [&](int64_t pair, int thread) {
        return CachedHead(sequences[static_cast<size_t>(pair / h.kv_heads)], h.layer,
                          pair % h.kv_heads * head, head, thread_scratch(thread) + scores_size);
    };
    const auto append = [&](int64_t pair, const CachedHead& cached) {
        const CachedSequence& s = sequences[static_cast<size_t>(pair / h.kv_heads)];
        const float* k = floats(qkv) + s.first_token * stride + hidden + pair % h.kv_heads * head;
        cached.append(s, k, k + h.kv_heads * head, stride);
    };
    if (slices > 1) {
        pool_.parallel(pairs, [&](int64_t pair, int thread) { append(pair, cached_head(pair, thread)); });
    }
    pool_.parallel(pairs * slices, [&](int64_t i, int thread) {
        const int64_t pair = i / slices, slice = i % slices;
        const CachedSequence& s = sequences[static_cast<size_t>(pair / h.kv_heads)];
        const CachedHead cached = cached_head(pair, thread);
        if (slices == 1) append(pair, cached);
        cached.widen();
        AttentionTask a;
        a.parts = cached.parts();
        a.part_count = cached.count();
        a.values_stride = head;
        a.head = head;
        a.visible = s.past + 1;
        a.reach = h.reach;
        a.first = s.past;
        a.scale = h.scale;
        a.scratch = thread_scratch(thread);
        // The heads of a single token see the same positions: they are rows of one task.
        const bool as_rows = s.count == 1 && h.reach < 0;
        const int64_t begin = sharing * slice / slices, end = sharing * (slice + 1) / slices;
        const int64_t together = as_rows ? end - begin : 1;
        a.causal = !as_rows;
        a.rows = as_rows ? together : s.count;
        a.q_stride = as_rows ? head : stride;
        a.out_stride = as_rows ? head : hidden;
        for (int64_t first = begin; first < end; first += together) {
            const int64_t column = (pair % h.kv_heads * sharing + first) * head;
            a.q = floats(qkv) + s.first_token * stride + column;
            a.out = static_cast<float*>(out->data) + s.first_token * hidden + column;
            const RowPart part = {s.first_token, s.count, column / quant_block, together * head / quant_block,
                                  hidden / quant_block};
            attend(a, part, wanted, a.scratch + scores_size + wide_size);
        }
    });
}

}  // namespace ggml_transformers
