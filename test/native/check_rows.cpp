// What works on single rows: quantization, normalization, and keys and values kept as bytes.
#include <algorithm>
#include <cfloat>
#include <limits>

#include "kernel_checks.h"

namespace kernel_check {

namespace {

// Blocks that are hard to quantize: zeros, ties, the smallest and largest floats, and what is not finite.
std::vector<float> hard_blocks() {
    const float inf = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> x;
    const auto block = [&x](float first, float rest) {
        x.push_back(first);
        for (int i = 1; i < 32; ++i) x.push_back(i % 2 == 1 ? rest : -rest);
    };
    block(0.0f, 0.0f);
    block(127.0f, 0.5f);
    block(127.0f, 1.5f);
    block(-127.0f, 2.5f);
    block(FLT_MAX, 1.0f);
    block(FLT_MIN, FLT_MIN);
    block(1e-45f, 1e-45f);
    block(inf, 1.0f);
    block(nan, 1.0f);
    block(nan, inf);
    return x;
}

}  // namespace

void check_quantize_row(Random& random) {
    std::vector<float> x = hard_blocks();
    for (int i = 0; i < 4000; ++i) {
        const float scale = std::ldexp(1.0f, static_cast<int>(random.whole(-40, 40)));
        for (const float value : random.normals(32, scale)) x.push_back(value);
    }
    const auto k = static_cast<int64_t>(x.size());
    struct Result {
        std::vector<int8_t> q;
        std::vector<ByteBlock> blocks;
        std::vector<int16_t> words;
        std::vector<float> word_scales;
    };
    const auto run = [&](const Kernels& kernels) {
        const size_t blocks = x.size() / 32;
        Result r{std::vector<int8_t>(x.size()), std::vector<ByteBlock>(blocks),
                 std::vector<int16_t>(x.size()), std::vector<float>(blocks)};
        kernels.quantize_row(x.data(), k, {r.q.data(), r.blocks.data()});
        kernels.quantize_row_words(x.data(), k, {r.words.data(), r.word_scales.data()});
        return r;
    };
    const Result expected = run(*find_kernels("scalar"));

    double steps = 0.0, word_steps = 0.0, structure = 0.0;
    for (size_t block = 0; block < x.size() / 32; ++block) {
        int sum = 0, first_sum = 0;
        float largest = 0.0f;
        for (size_t i = block * 32; i < block * 32 + 32; ++i) {
            sum += expected.q[i];
            if (i % 32 < 16) first_sum += expected.q[i];
            if (expected.q[i] == -128 || std::abs(expected.words[i]) > 8191) structure += 1;
            largest = std::max(largest, std::fabs(x[i]));
            const double scale = expected.blocks[block].scale;
            if (scale > 0 && std::isfinite(scale))
                steps = worse(steps, std::fabs(x[i] / scale - expected.q[i]));
            const double word_scale = expected.word_scales[block];
            if (word_scale > 0 && std::isfinite(word_scale))
                word_steps = worse(word_steps, std::fabs(x[i] / word_scale - expected.words[i]));
        }
        const ByteBlock& beside = expected.blocks[block];
        if (beside.sum != -128 * sum) structure += 1;
        if (beside.first_sum != -128 * first_sum) structure += 1;
        const float scaled = beside.scale * static_cast<float>(-sum);
        if (std::isfinite(scaled) && beside.scaled_sum != scaled) structure += 1;
        const bool finite =
            std::all_of(&x[block * 32], &x[block * 32] + 32, [](float v) { return std::isfinite(v); });
        if (finite && largest > 1e-30f && beside.scale != largest / 127.0f) structure += 1;
        if (finite && largest > 1e-30f && expected.word_scales[block] != largest / 8191.0f) structure += 1;
        if (!finite && std::isfinite(beside.scale)) structure += 1;
        if (!finite && std::isfinite(expected.word_scales[block])) structure += 1;
    }
    report("quantize_row", "scalar", "steps", steps, 0.50002);
    report("quantize_row_words", "scalar", "steps", word_steps, 0.502);
    report("quantize_row", "scalar", "wrong sums, scales or ranges", structure, 0);
    for (const Kernels* each : checked_kernels()) {
        const Result got = run(*each);
        int64_t count = 0;
        for (size_t i = 0; i < got.q.size(); ++i) count += got.q[i] != expected.q[i];
        for (size_t i = 0; i < got.blocks.size(); ++i) {
            const ByteBlock &a = got.blocks[i], &b = expected.blocks[i];
            count += a.sum != b.sum || a.first_sum != b.first_sum;
            count += different({a.scale, a.scaled_sum}, {b.scale, b.scaled_sum});
        }
        report("quantize_row", each->isa, "values that differ", static_cast<double>(count), 0);
        int64_t words = different(got.word_scales, expected.word_scales);
        for (size_t i = 0; i < got.words.size(); ++i) words += got.words[i] != expected.words[i];
        report("quantize_row_words", each->isa, "values that differ", static_cast<double>(words), 0);
    }
}

void check_norm_row(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(checked_kernels().size());
    for (int round = 0; round < 150; ++round) {
        const int64_t h = round < 40 ? round + 1 : random.whole(1, 3072);
        std::vector<float> x = random.normals(h), residual = random.normals(h);
        const std::vector<float> weight = random.normals(h), bias = random.normals(h);
        for (float& value : x) value += static_cast<float>(round % 3) * 4.0f;  // a mean to take away
        const float* add = round % 2 == 0 ? residual.data() : nullptr;
        const auto run = [&](const Kernels& kernels, bool in_place) {
            std::vector<float> out = x;
            out.resize(x.size() + 5, 77.0f);
            kernels.norm_row(in_place ? out.data() : x.data(), add, weight.data(), bias.data(), 1e-5f, h,
                             out.data());
            return out;
        };
        const std::vector<float> expected = run(*find_kernels("scalar"), false);
        double mean = 0.0, variance = 0.0;
        const auto value = [&](size_t i) { return static_cast<double>(x[i]) + (add ? residual[i] : 0.0f); };
        for (size_t i = 0; i < x.size(); ++i) mean += value(i) / static_cast<double>(h);
        for (size_t i = 0; i < x.size(); ++i)
            variance += (value(i) - mean) * (value(i) - mean) / static_cast<double>(h);
        for (size_t i = 0; i < x.size(); ++i) {
            const double normed = (value(i) - mean) / std::sqrt(variance + 1e-5);
            // A single value has no spread: what is left of it is rounding, which the scale then enlarges.
            const double magnitude = 1.0 + std::fabs(normed) + std::fabs(mean) / std::sqrt(variance + 1e-5);
            reference_error = worse(reference_error, std::fabs(expected[i] - (normed * weight[i] + bias[i])) /
                                                         (magnitude * (1.0 + std::fabs(weight[i]))));
        }
        for (size_t i = 0; i < differing.size(); ++i) {
            differing[i] += different(run(*checked_kernels()[i], false), expected);
            differing[i] += different(run(*checked_kernels()[i], true), expected);
        }
    }
    report("norm_row", "scalar", "relative", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i)
        report("norm_row", checked_kernels()[i]->isa, "values that differ", static_cast<double>(differing[i]),
               0);
}

void check_widen_bytes(Random& random) {
    for (const Kernels* each : checked_kernels()) {
        int64_t wrong = 0;
        for (int64_t head = 32; head <= 256; head += 32) {
            std::vector<int8_t> numbers(static_cast<size_t>(head * key_group));
            std::vector<uint16_t> scales(static_cast<size_t>(head / quant_block * key_group));
            for (int8_t& number : numbers) number = static_cast<int8_t>(random.whole(-127, 127));
            // From 2^-60 to 2^60.
            for (uint16_t& scale : scales) scale = static_cast<uint16_t>(random.whole(67 << 7, 187 << 7));
            const ByteGroup group{numbers.data(), scales.data()};
            std::vector<float> keys(numbers.size() + 1, 77.0f), values = keys;
            each->widen_key_bytes(group, head, keys.data());
            each->widen_value_bytes(group, head, values.data());
            for (int64_t i = 0; i < head; ++i) {
                for (int64_t p = 0; p < key_group; ++p) {
                    const uint16_t bits = scales[static_cast<size_t>(i / quant_block * key_group + p)];
                    const double scale = std::ldexp(128 + (bits & 127), (bits >> 7) - 127 - 7);
                    const auto key = static_cast<size_t>(i * key_group + p);
                    const auto value = static_cast<size_t>(p * head + i);
                    wrong += keys[key] != scale * numbers[key];
                    wrong += values[value] != scale * numbers[value];
                }
            }
            wrong += keys.back() != 77.0f || values.back() != 77.0f;
        }
        report("widen_bytes", each->isa, "wrong values", static_cast<double>(wrong), 0);
    }
}

}  // namespace kernel_check
