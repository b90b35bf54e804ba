// Checks every instruction set's kernels that this processor runs: the scalar reference against plain
// formulas in double precision, every other against the reference, bit for bit. Prints a line of JSON for
// each check.
//
//   kernel_check [--seed <number>] | --chosen | --bench [--isa <name>]
#include <algorithm>
#include <cctype>
#include <cfloat>
#include <cinttypes>
#include <cstdio>
#include <limits>
#include <string>

#include "engine/error.h"
#include "kernel_bench.h"
#include "kernel_inputs.h"
#include "kernels/elementary.h"
#include "kernels/simd_scalar.h"

namespace kernel_check {

namespace {

bool all_passed = true;

// One line: the largest error, in the given unit, and the bound it must keep.
void report(const std::string& kernel, const std::string& isa, const char* unit, double max_error,
            double bound) {
    const bool passed = max_error <= bound;  // false for NaN
    all_passed = all_passed && passed;
    std::printf(
        "{\"kernel\":\"%s\",\"isa\":\"%s\",\"unit\":\"%s\",\"max_error\":%.4g,\"bound\":%.4g,\"passed\":%s}"
        "\n",
        kernel.c_str(), isa.c_str(), unit, std::isfinite(max_error) ? max_error : 1e300, bound,
        passed ? "true" : "false");
    std::fflush(stdout);
}

// How many values differ in any bit; NaN equals NaN whatever its payload.
int64_t different(const std::vector<float>& a, const std::vector<float>& b) {
    int64_t count = a.size() == b.size() ? 0 : 1;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (std::isnan(a[i]) && std::isnan(b[i])) continue;
        if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) ++count;
    }
    return count;
}

// The larger of two errors, in which NaN is largest.
double worse(double a, double b) { return b <= a ? a : b; }

// The distance in units of the last place of the exact result's float.
double ulps(float got, double exact) {
    if (std::isinf(got) && std::fabs(exact) > FLT_MAX) return 0.0;
    const double size = std::max(std::fabs(exact), static_cast<double>(FLT_MIN));
    const double unit = std::ldexp(1.0, std::min(std::ilogb(size), 127) - 23);
    return std::fabs(got - exact) / unit;
}

double exact_activation(FusedActivation activation, double x) {
    switch (activation) {
        case FusedActivation::None:
            return x;
        case FusedActivation::Gelu:
            return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
        case FusedActivation::GeluTanh:
            return x / (1.0 + std::exp(-2.0 * std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
        case FusedActivation::Relu:
            return x > 0.0 ? x : 0.0;
        case FusedActivation::Silu:
            return x / (1.0 + std::exp(-x));
        case FusedActivation::Tanh:
            return std::tanh(x);
    }
    return x;
}

constexpr FusedActivation activations[] = {FusedActivation::None,     FusedActivation::Gelu,
                                           FusedActivation::GeluTanh, FusedActivation::Relu,
                                           FusedActivation::Silu,     FusedActivation::Tanh};
constexpr const char* activation_names[] = {"none", "gelu", "gelu_tanh", "relu", "silu", "tanh"};

// --- Elementary functions ------------------------------------------------------------------------------

// Every `step`-th float, of both signs, infinities included.
std::vector<float> sweep(uint32_t step) {
    std::vector<float> values;
    for (uint64_t bits = 0; bits <= 0x7f800000u; bits += step) {
        const auto low = static_cast<uint32_t>(bits);
        float value;
        std::memcpy(&value, &low, sizeof(value));
        values.push_back(value);
        values.push_back(-value);
    }
    values.push_back(std::numeric_limits<float>::infinity());
    values.push_back(-std::numeric_limits<float>::infinity());
    while (values.size() % 16 != 0) values.push_back(0.0f);
    return values;
}

template <class Function, class Exact>
double largest_ulps(const std::vector<float>& inputs, Function function, Exact exact) {
    double largest = 0.0;
    for (size_t i = 0; i < inputs.size(); i += 16) {
        const scalar::F32x16 result = function(scalar::F32x16::load(inputs.data() + i));
        for (size_t lane = 0; lane < 16; ++lane)
            largest = worse(largest, ulps(result.lane[lane], exact(static_cast<double>(inputs[i + lane]))));
    }
    return largest;
}

void check_elementary() {
    // An odd step meets every pattern of low bits.
    const std::vector<float> inputs = sweep(1021);
    using V = scalar::F32x16;
    report("exp2", "scalar", "ulp",
           largest_ulps(
               inputs, [](V x) { return ggml_transformers::exp2(x); }, [](double x) { return std::exp2(x); }),
           1.0);
    report("exp", "scalar", "ulp",
           largest_ulps(
               inputs, [](V x) { return ggml_transformers::exp(x); }, [](double x) { return std::exp(x); }),
           1.0);
    report("tanh", "scalar", "ulp",
           largest_ulps(
               inputs, [](V x) { return ggml_transformers::tanh(x); }, [](double x) { return std::tanh(x); }),
           1.5);
}

// The error of an activation relative to the input's magnitude, and whether it is right far out.
void check_activation(FusedActivation activation, const char* name, double bound) {
    const std::vector<float> inputs = sweep(1021);
    const Kernels& reference = *find_kernels("scalar");
    std::vector<float> expected = inputs;
    reference.finish_row(expected.data(), static_cast<int64_t>(expected.size()), nullptr, activation,
                         nullptr);
    double largest = 0.0, tail = 0.0;
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (std::isinf(inputs[i])) continue;
        const double x = inputs[i];
        const double exact = exact_activation(activation, x);
        // Half of the smallest float is nobody's fault.
        const double error = std::max(0.0, std::fabs(expected[i] - exact) - std::ldexp(1.0, -150));
        if (x != 0.0) largest = worse(largest, error / std::fabs(x));
        if (x > 15.0) tail = worse(tail, std::fabs(expected[i] - exact) / exact);
        if (x < -200.0) tail = worse(tail, std::fabs(static_cast<double>(expected[i])));
    }
    report(name, "scalar", "error/|x|", largest, bound);
    if (activation != FusedActivation::Tanh)
        report(std::string(name) + " tails", "scalar", "relative", tail, 1.2e-7);
    for (const Kernels* each : available_kernels()) {
        std::vector<float> got = inputs;
        each->finish_row(got.data(), static_cast<int64_t>(got.size()), nullptr, activation, nullptr);
        report(name, each->isa, "values that differ", static_cast<double>(different(got, expected)), 0);
    }
}

void check_finish_row(Random& random) {
    for (const Kernels* each : available_kernels()) {
        double largest = 0.0;
        for (int round = 0; round < 200; ++round) {
            const int64_t n = random.whole(1, 100);
            const FusedActivation activation = activations[random.whole(0, 5)];
            const std::vector<float> x = random.normals(n, 2.0f), bias = random.normals(n),
                                     residual = random.normals(n);
            const bool with_bias = random.whole(0, 1) == 1, with_residual = random.whole(0, 1) == 1;
            std::vector<float> y = x;
            y.resize(x.size() + 4, 77.0f);  // nothing beyond the row may change
            each->finish_row(y.data(), n, with_bias ? bias.data() : nullptr, activation,
                             with_residual ? residual.data() : nullptr);
            for (size_t i = 0; i < x.size(); ++i) {
                const double sum = static_cast<double>(x[i]) + (with_bias ? bias[i] : 0.0f);
                const double exact = exact_activation(activation, sum) + (with_residual ? residual[i] : 0.0f);
                largest = worse(largest, std::fabs(y[i] - exact));
            }
            for (size_t i = x.size(); i < y.size(); ++i) largest = worse(largest, y[i] == 77.0f ? 0.0 : 1e9);
        }
        report("finish_row", each->isa, "absolute", largest, 2e-6);
    }
}

// --- Matrix products -----------------------------------------------------------------------------------

struct Shape {
    int64_t k, n, t;
};

std::vector<Shape> shapes(Random& random, int64_t k_step) {
    std::vector<Shape> all = {{32, 1, 1}, {768, 96, 13}, {3072, 33, 7}, {1024, 64, 12}};
    for (int64_t t = 1; t <= 13; ++t) all.push_back({random.whole(1, 12) * k_step, random.whole(1, 100), t});
    for (int i = 0; i < 12; ++i)
        all.push_back({random.whole(1, 3072 / k_step) * k_step, random.whole(1, 100), random.whole(1, 13)});
    return all;
}

// An epilogue of random parts whose output rows stand apart, so that a stray store shows.
struct RandomEpilogue {
    RandomEpilogue(Random& random, const Shape& shape, bool plain)
        : bias(random.normals(shape.n)), residual(random.normals(shape.t * (shape.n + 3))) {
        if (plain) return;
        if (random.whole(0, 1) == 1) epilogue.bias = bias.data();
        if (random.whole(0, 1) == 1) epilogue.residual = residual.data();
        epilogue.residual_stride = shape.n + 3;
        epilogue.activation = activations[random.whole(0, 5)];
    }

    double finish(double product, int64_t row, int64_t column) const {
        if (epilogue.bias) product += epilogue.bias[column];
        product = exact_activation(epilogue.activation, product);
        if (epilogue.residual) product += epilogue.residual[row * epilogue.residual_stride + column];
        return product;
    }

    std::vector<float> bias, residual;
    Epilogue epilogue;
};

// Runs `multiply(row_begin, row_end, panel_begin, panel_end, epilogue)` over everything, in one piece or in
// random pieces; returns the output with the untouched floats between its rows.
template <class Multiply>
std::vector<float> run_product(const Shape& shape, const RandomEpilogue& finish, Random* pieces,
                               Multiply multiply) {
    const int64_t stride = shape.n + 5;
    std::vector<float> out(static_cast<size_t>(shape.t * stride), 77.0f);
    Epilogue epilogue = finish.epilogue;
    epilogue.out = out.data();
    epilogue.out_stride = stride;
    const int64_t panels = (shape.n + 31) / 32;
    if (!pieces) {
        multiply(0, shape.t, 0, panels, epilogue);
        return out;
    }
    for (int64_t row = 0; row < shape.t;) {
        const int64_t row_end = row + pieces->whole(1, shape.t - row);
        for (int64_t panel = 0; panel < panels;) {
            const int64_t panel_end = panel + pieces->whole(1, panels - panel);
            multiply(row, row_end, panel, panel_end, epilogue);
            panel = panel_end;
        }
        row = row_end;
    }
    return out;
}

// The largest error against `exact(row, column)`, relative to the magnitude the sum went through; a float
// that should not have been touched counts as a huge one.
template <class Exact>
double product_error(const Shape& shape, const std::vector<float>& out, Exact exact) {
    double largest = 0.0;
    for (int64_t row = 0; row < shape.t; ++row) {
        for (int64_t column = 0; column < shape.n + 5; ++column) {
            const float got = out[static_cast<size_t>(row * (shape.n + 5) + column)];
            if (column < shape.n) {
                const auto [value, magnitude] = exact(row, column);
                largest = worse(largest, std::fabs(got - value) / magnitude);
            } else if (got != 77.0f) {
                largest = 1e9;
            }
        }
    }
    return largest;
}

void check_gemm_q8(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(available_kernels().size()), dependent(differing);
    for (const Shape& shape : shapes(random, 32)) {
        const Q8Weights weights(random, shape.k, shape.n);
        const Activations rows(random, shape.t, shape.k);
        const RandomEpilogue finish(random, shape, random.whole(0, 3) == 0);
        const auto run = [&](const Kernels& kernels, Random* pieces) {
            return run_product(shape, finish, pieces,
                               [&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, const Epilogue& epilogue) {
                                   kernels.gemm_q8(weights.packed, rows.quantized, r0, r1, p0, p1, epilogue);
                               });
        };
        const std::vector<float> expected = run(*find_kernels("scalar"), nullptr);
        reference_error =
            worse(reference_error, product_error(shape, expected, [&](int64_t row, int64_t column) {
                      double sum = 0.0, magnitude = 1.0;
                      for (int64_t i = 0; i < shape.k; ++i) {
                          const double term = weights.value(column, i) * weights.scale(column, i / 32) *
                                              rows.quantized.q[row * shape.k + i] *
                                              rows.quantized.scales[row * (shape.k / 32) + i / 32];
                          sum += term;
                          magnitude += std::fabs(term);
                      }
                      return std::pair(finish.finish(sum, row, column), magnitude);
                  }));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *available_kernels()[i];
            const std::vector<float> whole = run(kernels, nullptr);
            differing[i] += different(whole, expected);
            dependent[i] += different(run(kernels, &random), whole);
        }
    }
    report("gemm_q8", "scalar", "relative to the terms", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = available_kernels()[i]->isa;
        report("gemm_q8", isa, "values that differ", static_cast<double>(differing[i]), 0);
        report("gemm_q8 cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
    }
}

void check_gemm_f32(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(available_kernels().size()), dependent(differing);
    for (const Shape& shape : shapes(random, 1)) {
        const F32Weights weights(random, shape.k, shape.n);
        const int64_t x_stride = shape.k + random.whole(0, 9);
        const std::vector<float> x = random.normals(shape.t * x_stride);
        const RandomEpilogue finish(random, shape, random.whole(0, 3) == 0);
        const auto run = [&](const Kernels& kernels, Random* pieces) {
            return run_product(shape, finish, pieces,
                               [&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, const Epilogue& epilogue) {
                                   kernels.gemm_f32(weights.packed, x.data(), x_stride, r0, r1, p0, p1,
                                                    epilogue);
                               });
        };
        const std::vector<float> expected = run(*find_kernels("scalar"), nullptr);
        reference_error =
            worse(reference_error, product_error(shape, expected, [&](int64_t row, int64_t column) {
                      double sum = 0.0, magnitude = 1.0;
                      for (int64_t i = 0; i < shape.k; ++i) {
                          const double term =
                              static_cast<double>(weights.rows[static_cast<size_t>(column * shape.k + i)]) *
                              x[static_cast<size_t>(row * x_stride + i)];
                          sum += term;
                          magnitude += std::fabs(term);
                      }
                      return std::pair(finish.finish(sum, row, column), magnitude);
                  }));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *available_kernels()[i];
            const std::vector<float> whole = run(kernels, nullptr);
            differing[i] += different(whole, expected);
            dependent[i] += different(run(kernels, &random), whole);
        }
    }
    report("gemm_f32", "scalar", "relative to the terms", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = available_kernels()[i]->isa;
        report("gemm_f32", isa, "values that differ", static_cast<double>(differing[i]), 0);
        report("gemm_f32 cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
    }
}

// --- Rows ----------------------------------------------------------------------------------------------

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

void check_quantize_row(Random& random) {
    std::vector<float> x = hard_blocks();
    for (int i = 0; i < 4000; ++i) {
        const float scale = std::ldexp(1.0f, static_cast<int>(random.whole(-40, 40)));
        for (const float value : random.normals(32, scale)) x.push_back(value);
    }
    const auto k = static_cast<int64_t>(x.size());
    struct Result {
        std::vector<int8_t> q;
        std::vector<float> scales;
        std::vector<int32_t> sums;
    };
    const auto run = [&](const Kernels& kernels) {
        Result r{std::vector<int8_t>(x.size()), std::vector<float>(x.size() / 32),
                 std::vector<int32_t>(x.size() / 32)};
        kernels.quantize_row(x.data(), k, r.q.data(), r.scales.data(), r.sums.data());
        return r;
    };
    const Result expected = run(*find_kernels("scalar"));

    double steps = 0.0, structure = 0.0;
    for (size_t block = 0; block < x.size() / 32; ++block) {
        int sum = 0;
        float largest = 0.0f;
        for (size_t i = block * 32; i < block * 32 + 32; ++i) {
            sum += expected.q[i];
            if (expected.q[i] == -128) structure += 1;
            largest = std::max(largest, std::fabs(x[i]));
            const double scale = expected.scales[block];
            if (scale > 0 && std::isfinite(scale))
                steps = worse(steps, std::fabs(x[i] / scale - expected.q[i]));
        }
        if (expected.sums[block] != -128 * sum) structure += 1;
        const bool finite =
            std::all_of(&x[block * 32], &x[block * 32] + 32, [](float v) { return std::isfinite(v); });
        if (finite && largest > 1e-30f && expected.scales[block] != largest / 127.0f) structure += 1;
        if (!finite && std::isfinite(expected.scales[block])) structure += 1;
    }
    report("quantize_row", "scalar", "steps", steps, 0.50002);
    report("quantize_row", "scalar", "wrong sums, scales or ranges", structure, 0);
    for (const Kernels* each : available_kernels()) {
        const Result got = run(*each);
        int64_t count = different(got.scales, expected.scales);
        for (size_t i = 0; i < got.q.size(); ++i) count += got.q[i] != expected.q[i];
        for (size_t i = 0; i < got.sums.size(); ++i) count += got.sums[i] != expected.sums[i];
        report("quantize_row", each->isa, "values that differ", static_cast<double>(count), 0);
    }
}

void check_norm_row(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(available_kernels().size());
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
            differing[i] += different(run(*available_kernels()[i], false), expected);
            differing[i] += different(run(*available_kernels()[i], true), expected);
        }
    }
    report("norm_row", "scalar", "relative", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i)
        report("norm_row", available_kernels()[i]->isa, "values that differ",
               static_cast<double>(differing[i]), 0);
}

// --- Attention -----------------------------------------------------------------------------------------

struct AttentionShape {
    int64_t head, rows, visible;
    bool causal;

    int64_t seen_by(int64_t row) const { return visible + (causal ? row : 0); }
    int64_t positions() const { return seen_by(rows - 1); }
};

std::vector<float> attend(const Kernels& kernels, AttentionInputs& inputs, const AttentionShape& shape,
                          int64_t row_begin, int64_t row_end, bool in_place) {
    const int64_t stride = shape.head;
    std::vector<float> out = inputs.q;
    AttentionTask task;
    task.q = (in_place ? out.data() : inputs.q.data()) + row_begin * stride;
    task.q_stride = stride;
    task.keys = inputs.packed.data();
    task.v = inputs.v.data();
    task.v_stride = shape.head;
    task.head = shape.head;
    task.rows = row_end - row_begin;
    task.visible = shape.seen_by(row_begin);
    task.causal = shape.causal;
    task.scale = 1.0f / std::sqrt(static_cast<float>(shape.head));
    task.out = out.data() + row_begin * stride;
    task.out_stride = stride;
    task.scratch = inputs.scratch.data();
    kernels.attention(task);
    return std::vector<float>(out.begin() + row_begin * stride, out.begin() + row_end * stride);
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
            double size = 0.0;
            for (int64_t d = 0; d < head; ++d) {
                const double term = static_cast<double>(inputs.q[static_cast<size_t>(row * head + d)]) *
                                    inputs.keys[i * static_cast<size_t>(head) + static_cast<size_t>(d)] *
                                    scale;
                weights[i] += term;
                size += std::fabs(term);
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
    return all;
}

void check_attention(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(available_kernels().size()), dependent(differing), leaking(differing);
    for (const AttentionShape& shape : attention_shapes(random)) {
        AttentionInputs inputs(random, shape.head, shape.rows, shape.positions());
        const std::vector<float> expected =
            attend(*find_kernels("scalar"), inputs, shape, 0, shape.rows, false);
        reference_error = worse(reference_error, attention_error(inputs, shape, expected));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *available_kernels()[i];
            differing[i] += different(attend(kernels, inputs, shape, 0, shape.rows, false), expected);
            differing[i] += different(attend(kernels, inputs, shape, 0, shape.rows, true), expected);
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
            std::vector<float> got = attend(*available_kernels()[i], inputs, shape, 0, shape.rows, false);
            got.resize(first.size());
            leaking[i] += different(got, first);
        }
    }
    report("attention", "scalar", "relative to the scores' terms", reference_error, 6e-7);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = available_kernels()[i]->isa;
        report("attention", isa, "values that differ", static_cast<double>(differing[i]), 0);
        report("attention cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
        report("attention mask", isa, "values that differ", static_cast<double>(leaking[i]), 0);
    }
}

// --- Dispatch ------------------------------------------------------------------------------------------

void check_names() {
    double wrong = std::string(available_kernels().back()->isa) == "scalar" ? 0 : 1;
    for (const Kernels* each : available_kernels()) {
        std::string lower = each->isa, upper = each->isa;
        for (char& c : lower) c = static_cast<char>(std::tolower(c));
        for (char& c : upper) c = static_cast<char>(std::toupper(c));
        for (const std::string& name : {lower, upper, std::string(each->isa)})
            wrong += find_kernels(name) == each ? 0 : 1;
        wrong += find_kernels(std::string(each->isa) + "x") == nullptr ? 0 : 1;
    }
    wrong += find_kernels("") == nullptr ? 0 : 1;
    report("dispatch", available_kernels().front()->isa, "wrong names", wrong, 0);
}

}  // namespace

// The instruction set that dispatch chose, or why it could not.
int print_chosen() {
    try {
        std::printf("%s\n", kernels().isa);
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "%s: %s\n", to_string(error.code()), error.what());
        return 1;
    }
}

int run_checks(uint64_t seed) {
    Random random(seed);
    check_names();
    check_elementary();
    for (size_t i = 1; i < 6; ++i)
        check_activation(activations[i], activation_names[i], i == 5 ? 2.4e-7 : 2e-7);
    check_finish_row(random);
    check_quantize_row(random);
    check_norm_row(random);
    check_gemm_q8(random);
    check_gemm_f32(random);
    check_attention(random);
    return all_passed ? 0 : 1;
}

}  // namespace kernel_check

int main(int count, char** arguments) {
    uint64_t seed = 1;
    bool bench = false, chosen = false;
    std::string isa;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument == "--bench") bench = true;
        if (argument == "--chosen") chosen = true;
        if (argument == "--seed" && i + 1 < count) seed = std::strtoull(arguments[++i], nullptr, 10);
        if (argument == "--isa" && i + 1 < count) isa = arguments[++i];
    }
    if (chosen) return kernel_check::print_chosen();
    if (!bench) return kernel_check::run_checks(seed);
    kernel_check::run_bench(isa);
    return 0;
}
