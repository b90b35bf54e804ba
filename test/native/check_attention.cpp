// Attention against the softmax in double precision, whole and cut, and what it must not look at.
#include <algorithm>
#include <limits>

#include "kernel_checks.h"

namespace kernel_check {

namespace {

struct AttentionShape {
    int64_t head, rows, visible;
    bool causal;
    int64_t reach = -1;
    int64_t first = 0;
    bool biased = false;

    int64_t seen_by(int64_t row) const { return visible + (causal ? row : 0); }
    bool sees(int64_t row, int64_t position) const {
        return reach < 0 || std::abs(first + row - position) <= reach;
    }
    int64_t positions() const { return seen_by(rows - 1); }
};

std::vector<float> attend(const Kernels& kernels, AttentionInputs& inputs, const AttentionShape& shape,
                          int64_t row_begin, int64_t row_end, bool in_place,
                          const std::vector<int64_t>& cuts = {}) {
    const int64_t stride = shape.head;
    std::vector<float> out = inputs.q;
    AttentionTask task;
    task.q = (in_place ? out.data() : inputs.q.data()) + row_begin * stride;
    task.q_stride = stride;
    const std::vector<KeyValues> parts = inputs.parts(cuts);
    task.parts = parts.data();
    task.part_count = static_cast<int64_t>(parts.size());
    task.values_stride = shape.head;
    task.head = shape.head;
    task.rows = row_end - row_begin;
    task.visible = shape.seen_by(row_begin);
    task.causal = shape.causal;
    task.reach = shape.reach;
    task.first = shape.first + row_begin;
    task.scale = 1.0f / std::sqrt(static_cast<float>(shape.head));
    if (shape.biased) task.bias = inputs.distance_bias();
    task.out = out.data() + row_begin * stride;
    task.out_stride = stride;
    task.scratch = inputs.scratch.data();
    kernels.attention(task);
    return std::vector<float>(out.begin() + row_begin * stride, out.begin() + row_end * stride);
}

// Where a sequence may be cut: in order, at multiples of 16.
std::vector<int64_t> some_cuts(Random& random, const AttentionShape& shape) {
    std::vector<int64_t> cuts;
    for (int64_t at = 16; at < shape.positions(); at += 16)
        if (random.whole(0, 3) == 0) cuts.push_back(at);
    return cuts;
}

// The largest error of an output, relative to the magnitude the scores went through.
double attention_error(const AttentionInputs& inputs, const AttentionShape& shape,
                       const std::vector<float>& got) {
    const int64_t head = shape.head;
    const double scale = 1.0 / std::sqrt(static_cast<double>(head));
    double largest = 0.0;
    for (int64_t row = 0; row < shape.rows; ++row) {
        std::vector<double> weights(static_cast<size_t>(shape.seen_by(row)));
        double most = -1e300, total = 0.0, magnitude = 1.0;
        for (size_t i = 0; i < weights.size(); ++i) {
            if (!shape.sees(row, static_cast<int64_t>(i))) {
                weights[i] = -1e300;
                continue;
            }
            double size = 0.0;
            for (int64_t d = 0; d < head; ++d) {
                const double term = static_cast<double>(inputs.q[static_cast<size_t>(row * head + d)]) *
                                    inputs.keys[i * static_cast<size_t>(head) + static_cast<size_t>(d)] *
                                    scale;
                weights[i] += term;
                size += std::fabs(term);
            }
            if (shape.biased) {
                const double bias = inputs.distance_bias()[static_cast<int64_t>(i) - shape.first - row];
                weights[i] += bias;
                size += std::fabs(bias);
            }
            most = std::max(most, weights[i]);
            magnitude = std::max(magnitude, size);
        }
        for (double& weight : weights) total += weight = std::exp(weight - most);
        for (int64_t d = 0; d < head; ++d) {
            double sum = 0.0;
            for (size_t i = 0; i < weights.size(); ++i)
                sum += weights[i] / total * inputs.v[i * static_cast<size_t>(head) + static_cast<size_t>(d)];
            const double error = std::fabs(got[static_cast<size_t>(row * head + d)] - sum);
            largest = worse(largest, error / magnitude);
        }
    }
    return largest;
}

std::vector<AttentionShape> attention_shapes(Random& random) {
    std::vector<AttentionShape> all = {
        {64, 13, 600, false}, {64, 1, 1, true}, {32, 6, 16, false}, {64, 12, 1, true}};
    for (const int64_t head : {16, 32, 48, 64, 80, 96, 112, 128})
        for (int64_t rows = 1; rows <= 13; rows += head == 64 ? 1 : 3)
            all.push_back({head, rows, random.whole(1, 600), random.whole(0, 1) == 1});
    // Windows: none but itself, narrow, wide, beyond both ends.
    for (const int64_t reach : {0, 1, 7, 16, 64, 300}) {
        const int64_t rows = random.whole(1, 40), positions = random.whole(rows, 200);
        all.push_back(
            {random.whole(1, 8) * 16, rows, positions, false, reach, random.whole(0, positions - rows)});
        // Behind a past, looking back only.
        const int64_t past = random.whole(0, 400);
        all.push_back({random.whole(1, 8) * 16, rows, past + 1, true, reach, past});
    }
    // A bias for each distance: of whole sequences, of rows in the middle, within a window, behind a past.
    for (const int64_t positions : {1, 15, 16, 17, 100, 384}) {
        const int64_t head = random.whole(1, 8) * 16;
        const int64_t rows = random.whole(1, std::min<int64_t>(positions, 13));
        const int64_t first = random.whole(0, positions - rows);
        all.push_back({head, positions, positions, false, -1, 0, true});
        all.push_back({head, rows, positions, false, -1, first, true});
        all.push_back({head, rows, positions, false, random.whole(0, 20), first, true});
        all.push_back({head, rows, first + 1, true, -1, first, true});
    }
    return all;
}

}  // namespace

void check_attention(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(checked_kernels().size()), dependent(differing), leaking(differing);
    for (const AttentionShape& shape : attention_shapes(random)) {
        AttentionInputs inputs(random, shape.head, shape.rows, shape.positions());
        const std::vector<float> expected =
            attend(*find_kernels("scalar"), inputs, shape, 0, shape.rows, false);
        reference_error = worse(reference_error, attention_error(inputs, shape, expected));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *checked_kernels()[i];
            differing[i] += different(attend(kernels, inputs, shape, 0, shape.rows, false), expected);
            differing[i] += different(attend(kernels, inputs, shape, 0, shape.rows, true), expected);
            // The positions lie in several places.
            differing[i] += different(
                attend(kernels, inputs, shape, 0, shape.rows, false, some_cuts(random, shape)), expected);
            std::vector<float> pieces;
            for (int64_t row = 0; row < shape.rows;) {
                const int64_t end = row + random.whole(1, shape.rows - row);
                const std::vector<float> some = attend(kernels, inputs, shape, row, end, false);
                pieces.insert(pieces.end(), some.begin(), some.end());
                row = end;
            }
            dependent[i] += different(pieces, expected);
        }
        if (!shape.causal || shape.rows == 1) continue;

        // What only later rows see must leave the first row alone, even when it is not finite.
        for (int64_t position = shape.visible; position < shape.positions(); ++position) {
            for (int64_t d = 0; d < shape.head; ++d) {
                const auto at = static_cast<size_t>(position * shape.head + d);
                inputs.v[at] = std::numeric_limits<float>::quiet_NaN();
                inputs.packed.data()[(position / 16 * shape.head + d) * 16 + position % 16] =
                    std::numeric_limits<float>::infinity();
            }
        }
        const std::vector<float> first(expected.begin(), expected.begin() + shape.head);
        for (size_t i = 0; i < leaking.size(); ++i) {
            std::vector<float> got = attend(*checked_kernels()[i], inputs, shape, 0, shape.rows, false);
            got.resize(first.size());
            leaking[i] += different(got, first);
        }
    }
    report("attention", "scalar", "relative to the scores' terms", reference_error, 6e-7);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = checked_kernels()[i]->isa;
        report("attention", isa, "values that differ", static_cast<double>(differing[i]), 0);
        report("attention cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
        report("attention mask", isa, "values that differ", static_cast<double>(leaking[i]), 0);
    }
}

}  // namespace kernel_check
