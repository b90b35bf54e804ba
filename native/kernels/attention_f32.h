// Attention of a few queries of one head over packed keys, over the F32x16 of any instruction set.
//
// The scores of a tile of rows stand in the task's scratch, [row][positions]. Every sum runs in an order that
// depends on the row alone: scores over the head's values, the softmax's total over 16 partial sums, and the
// output over positions up to the last one the row sees.
#pragma once

#include <math.h>

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/unroll.h"

namespace ggml_transformers {

// A number of rows, groups or vectors, known when compiling.
template <int n>
struct Count {
    static constexpr int value = n;
};

// The softmax takes powers of two.
constexpr float log2_e = 1.44269504f;

// The scores of `rows` queries against `groups` groups of 16 keys, times `scale`. `bias`, which may be null,
// is that of the first query and key; it is added to the scores.
template <class V, int rows, int groups>
inline void score_groups(const float* q, int64_t q_stride, const float* keys, int64_t head, V scale,
                         const float* bias, float* scores, int64_t positions) {
    V sum[rows][groups];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int g = 0; g < groups; ++g) sum[r][g] = V::zero();
    for (int64_t d = 0; d < head; ++d) {
        V key[groups];
        KERNEL_UNROLL
        for (int g = 0; g < groups; ++g) key[g] = V::load(keys + (g * head + d) * key_group);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) {
            const V value = V::set(q[r * q_stride + d]);
            KERNEL_UNROLL
            for (int g = 0; g < groups; ++g) sum[r][g] = fma(value, key[g], sum[r][g]);
        }
    }
    if (bias == nullptr) {
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) KERNEL_UNROLL
        for (int g = 0; g < groups; ++g) mul(sum[r][g], scale).store(scores + r * positions + g * key_group);
        return;
    }
    const V unit = V::set(log2_e);
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int g = 0; g < groups; ++g) {
        const V shift = mul(V::load(bias - r + g * key_group), unit);
        fma(sum[r][g], scale, shift).store(scores + r * positions + g * key_group);
    }
}

// Turns the scores of each row into softmax weights that still lack the division; stores the reciprocals of
// their sums. Row r sees `common` positions, of a causal task r more. The rows go side by side, which hides
// the latency.
template <class V, int rows>
inline void exponentiate(float* scores, int64_t positions, int64_t common, bool causal, float* reciprocals) {
    const int64_t whole = common / key_group * key_group;  // every row sees all of these
    const V lowest = V::set(-INFINITY);
    V most[rows];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) most[r] = lowest;
    for (int64_t i = 0; i < whole; i += key_group) {
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) most[r] = max(most[r], V::load(scores + r * positions + i));
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        const int64_t seen = common + (causal ? r : 0);
        for (int64_t i = whole; i < seen; i += key_group)
            most[r] = max(most[r], keep_first(V::load(scores + r * positions + i), seen - i, lowest));
        most[r] = V::set(reduce_max(most[r]));
    }

    V total[rows];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) total[r] = V::zero();
    for (int64_t i = 0; i < whole; i += key_group) {
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) {
            float* at = scores + r * positions + i;
            const V weight = exp2(sub(V::load(at), most[r]));
            weight.store(at);
            total[r] = add(total[r], weight);
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        const int64_t seen = common + (causal ? r : 0);
        for (int64_t i = whole; i < seen; i += key_group) {
            float* at = scores + r * positions + i;
            const V weight = keep_first(exp2(sub(V::load(at), most[r])), seen - i, V::zero());
            weight.store(at);
            total[r] = add(total[r], weight);
        }
        reciprocals[r] = 1.0f / reduce_add(total[r]);
    }
}

// The positions that a tile of rows looks at: whole groups of keys, of which those from `end` on do not
// count.
struct Window {
    int64_t begin;
    int64_t end;
};

KERNEL_INLINE inline Window window_of(const AttentionTask& task, int64_t row, int64_t rows) {
    const int64_t seen = task.visible + (task.causal ? row + rows - 1 : 0);
    if (task.reach < 0) return {0, seen};
    const int64_t first = task.first + row - task.reach, last = task.first + row + rows + task.reach;
    return {first < 0 ? 0 : first / key_group * key_group, last < seen ? last : seen};
}

// The piece of one of the sequence's parts that lies in [begin, end).
struct Slice {
    const float* keys;
    const float* values;
    int64_t begin;
    int64_t end;
};

// Calls `visit` for the slices of [begin, end), in order. `begin` is a multiple of 16.
template <class Visit>
inline void for_slices(const AttentionTask& task, int64_t begin, int64_t end, const Visit& visit) {
    int64_t first = 0;
    for (int64_t p = 0; p < task.part_count && first < end; ++p) {
        const KeyValues& part = task.parts[p];
        const int64_t from = first < begin ? begin : first;
        const int64_t last = first + part.positions;
        const int64_t to = last < end ? last : end;
        if (from < to) {
            const int64_t skipped = from - first;
            visit(
                Slice{part.keys + skipped * task.head, part.values + skipped * task.values_stride, from, to});
        }
        first = last;
    }
}

// 16 * vectors output values of each row, from `column`: the weighted sum of the values of the positions the
// row sees. All rows see `common` positions of the window; row r of a causal task sees r more.
template <class V, int rows, int vectors>
inline void weigh_values(const AttentionTask& task, const Window& window, int64_t common, int64_t positions,
                         const float* reciprocals, int64_t column, float* out) {
    V sum[rows][vectors];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < vectors; ++c) sum[r][c] = V::zero();
    for_slices(task, window.begin, window.begin + common, [&](const Slice& slice) {
        const float* weights = task.scratch + (slice.begin - window.begin);
        const float* v = slice.values + column;
        const int64_t count = slice.end - slice.begin;
        for (int64_t i = 0; i < count; ++i) {
            V value[vectors];
            KERNEL_UNROLL
            for (int c = 0; c < vectors; ++c) value[c] = V::load(v + i * task.values_stride + c * 16);
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) {
                const V weight = V::set(weights[r * positions + i]);
                KERNEL_UNROLL
                for (int c = 0; c < vectors; ++c) sum[r][c] = fma(weight, value[c], sum[r][c]);
            }
        }
    });
    if (task.causal) {
        // Cut at 16 positions like the parts: row r sees the r first of those behind the common ones.
        const int64_t behind = window.begin + common;
        for_slices(task, behind / key_group * key_group, window.end, [&](const Slice& slice) {
            for (int64_t i = behind > slice.begin ? behind : slice.begin; i < slice.end; ++i) {
                const float* v = slice.values + (i - slice.begin) * task.values_stride + column;
                KERNEL_UNROLL
                for (int r = 0; r < rows; ++r) {
                    if (r <= i - behind) continue;
                    const V weight = V::set(task.scratch[r * positions + i - window.begin]);
                    KERNEL_UNROLL
                    for (int c = 0; c < vectors; ++c) sum[r][c] = fma(weight, V::load(v + c * 16), sum[r][c]);
                }
            }
        });
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < vectors; ++c)
        mul(sum[r][c], V::set(reciprocals[r])).store(out + r * task.out_stride + column + c * 16);
}

// Takes the positions out of each row's sight that only other rows of the tile reach.
template <class V, int rows>
inline void hide_far(const AttentionTask& task, int64_t row, const Window& window, float* scores,
                     int64_t positions) {
    for (int r = 0; r < rows; ++r, scores += positions) {
        const int64_t at = task.first + row + r - window.begin, count = window.end - window.begin;
        for (int64_t i = 0; i < at - task.reach; ++i) scores[i] = -INFINITY;
        for (int64_t i = at + task.reach + 1; i < count; ++i) scores[i] = -INFINITY;
    }
}

template <class V, int rows>
inline void attend_rows(const AttentionTask& task, int64_t row) {
    const Window window = window_of(task, row, rows);
    const float* q = task.q + row * task.q_stride;
    float* out = task.out + row * task.out_stride;
    const int64_t common = window.end - window.begin - (task.causal ? rows - 1 : 0);
    const int64_t positions = (window.end - window.begin + key_group - 1) / key_group * key_group;
    const V scale = V::set(task.scale * log2_e);

    // Fewer rows take more groups at a time, so that enough sums are in flight to hide the latency.
    constexpr int budget = row_tile * V::groups;
    constexpr int together = budget / rows > 8 ? 8 : budget / rows;
    for_slices(task, window.begin, window.end, [&](const Slice& slice) {
        const int64_t groups = (slice.end - slice.begin + key_group - 1) / key_group;
        float* scores = task.scratch + (slice.begin - window.begin);
        const float* bias = task.bias == nullptr ? nullptr : task.bias + slice.begin - (task.first + row);
        int64_t g = 0;
        const auto score = [&](auto count) {
            score_groups<V, rows, decltype(count)::value>(
                q, task.q_stride, slice.keys + g * task.head * key_group, task.head, scale,
                bias == nullptr ? nullptr : bias + g * key_group, scores + g * key_group, positions);
            g += decltype(count)::value;
        };
        while (g + together <= groups) score(Count<together>{});
        while (g < groups) score(Count<1>{});
    });

    if (task.reach >= 0) hide_far<V, rows>(task, row, window, task.scratch, positions);
    float reciprocals[rows];
    exponentiate<V, rows>(task.scratch, positions, common, task.causal, reciprocals);

    int64_t c = 0;
    const auto weigh = [&](auto count) {
        weigh_values<V, rows, decltype(count)::value>(task, window, common, positions, reciprocals, c, out);
        c += 16 * decltype(count)::value;
    };
    while (c + 16 * V::vectors <= task.head) weigh(Count<V::vectors>{});
    if constexpr (V::vectors > 2) {
        if (c + 32 <= task.head) weigh(Count<2>{});
    }
    while (c < task.head) weigh(Count<1>{});
}

template <class V>
void attention(const AttentionTask& task) {
    // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
    int64_t tiles = (task.rows + row_tile - 1) / row_tile;
    for (int64_t row = 0, count; row < task.rows; row += count, --tiles) {
        count = (task.rows - row + tiles - 1) / tiles;
        switch (count) {
            case 1:
                attend_rows<V, 1>(task, row);
                break;
            case 2:
                attend_rows<V, 2>(task, row);
                break;
            case 3:
                attend_rows<V, 3>(task, row);
                break;
            case 4:
                attend_rows<V, 4>(task, row);
                break;
            case 5:
                attend_rows<V, 5>(task, row);
                break;
            default:
                attend_rows<V, 6>(task, row);
                break;
        }
    }
}

}  // namespace ggml_transformers
