// The elementary functions against the C library's in double precision, over the whole range of floats.
#include <algorithm>
#include <cfloat>
#include <limits>

#include "kernel_checks.h"
#include "kernels/elementary.h"
#include "kernels/simd_scalar.h"

namespace kernel_check {

namespace {

// The distance in units of the last place of the exact result's float; zero may stand for a subnormal number.
double ulps(float got, double exact) {
    if (std::isinf(got) && std::fabs(exact) > FLT_MAX) return 0.0;
    if (got == 0.0f && std::fabs(exact) < 1.01 * static_cast<double>(FLT_MIN)) return 0.0;
    const double size = std::max(std::fabs(exact), static_cast<double>(FLT_MIN));
    const double unit = std::ldexp(1.0, std::min(std::ilogb(size), 127) - 23);
    return std::fabs(got - exact) / unit;
}

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

bool is_subnormal(float x) { return x != 0.0f && std::fabs(x) < FLT_MIN; }

template <class Function, class Exact>
double largest_ulps(const std::vector<float>& inputs, Function function, Exact exact) {
    double largest = 0.0;
    for (size_t i = 0; i < inputs.size(); i += 16) {
        const scalar::F32x16 result = function(scalar::F32x16::load(inputs.data() + i));
        for (size_t lane = 0; lane < 16; ++lane) {
            const float x = inputs[i + lane], y = result.lane[lane];
            largest = worse(largest, ulps(y, exact(static_cast<double>(x))));
            if (is_subnormal(y) && !is_subnormal(x)) largest = 1e9;
        }
    }
    return largest;
}

// How an activation may err: relative to the magnitude of the input, and relative to the result far out on
// the negative side, where the result goes to zero.
struct ActivationBound {
    FusedActivation activation;
    const char* name;
    double error;
    double negative_tail;
};

constexpr ActivationBound activation_bounds[] = {
    {FusedActivation::Gelu, "gelu", 1.3e-7, 2e-3},   {FusedActivation::GeluTanh, "gelu_tanh", 1.3e-7, 2e-5},
    {FusedActivation::Relu, "relu", 0.0, 0.0},       {FusedActivation::Silu, "silu", 1.3e-7, 3e-7},
    {FusedActivation::Tanh, "tanh", 1.3e-7, 1.3e-7},
};

void check_activation(const ActivationBound& bound) {
    const std::vector<float> inputs = sweep(1021);
    std::vector<float> expected = inputs;
    const auto count = static_cast<int64_t>(inputs.size());
    Epilogue finish;
    finish.activation = bound.activation;
    find_kernels("scalar")->finish_row(expected.data(), count, finish);
    double largest = 0.0, positive = 0.0, negative = 0.0, vanished = 0.0;
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (std::isinf(inputs[i])) continue;
        if (is_subnormal(expected[i]) && std::fabs(inputs[i]) > 1.0f) largest = 1e9;
        const double x = inputs[i];
        const double exact = exact_activation(bound.activation, x);
        // Half of the smallest float is nobody's fault, nor is zero for a subnormal number.
        double error = std::max(0.0, std::fabs(expected[i] - exact) - std::ldexp(1.0, -150));
        if (expected[i] == 0.0f && std::fabs(exact) < 1e-36) error = 0.0;
        if (x != 0.0) largest = worse(largest, error / std::fabs(x));
        if (x > 15.0) positive = worse(positive, error / exact);
        // Not where a denominator overflows.
        if (x < -1.0 && std::fabs(exact) > 1e-36) negative = worse(negative, error / std::fabs(exact));
        if (x < -200.0 && bound.activation != FusedActivation::Tanh)
            vanished = worse(vanished, std::fabs(static_cast<double>(expected[i])));
    }
    const std::string name = bound.name;
    report(name, "scalar", "error/|x|", largest, bound.error);
    report(name + " far positive", "scalar", "relative", positive, 1.2e-7);
    report(name + " negative", "scalar", "relative", negative, bound.negative_tail);
    report(name + " far negative", "scalar", "absolute", vanished, 0);
    for (const Kernels* each : checked_kernels()) {
        std::vector<float> got = inputs;
        each->finish_row(got.data(), count, finish);
        report(name, each->isa, "values that differ", static_cast<double>(different(got, expected)), 0);
    }
}

}  // namespace

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
    for (const ActivationBound& bound : activation_bounds) check_activation(bound);
}

void check_finish_row(Random& random) {
    for (const Kernels* each : checked_kernels()) {
        double largest = 0.0;
        for (int round = 0; round < 200; ++round) {
            const int64_t n = random.whole(1, 100);
            const FusedActivation activation = activations[random.whole(0, 5)];
            const std::vector<float> x = random.normals(n, 2.0f), bias = random.normals(n),
                                     gate = random.normals(n), residual = random.normals(n);
            const bool with_bias = random.whole(0, 1) == 1, with_residual = random.whole(0, 1) == 1,
                       with_gate = random.whole(0, 1) == 1;
            Epilogue finish;
            finish.activation = activation;
            if (with_bias) finish.bias = bias.data();
            if (with_gate) finish.gate = gate.data();
            if (with_residual) finish.residual = residual.data();
            std::vector<float> y = x;
            y.resize(x.size() + 4, 77.0f);  // nothing beyond the row may change
            each->finish_row(y.data(), n, finish);
            for (size_t i = 0; i < x.size(); ++i) {
                const double sum = static_cast<double>(x[i]) + (with_bias ? bias[i] : 0.0f);
                const double gated = exact_activation(activation, sum) * (with_gate ? gate[i] : 1.0f);
                const double exact = gated + (with_residual ? residual[i] : 0.0f);
                largest = worse(largest, std::fabs(y[i] - exact) / (1.0 + std::fabs(gate[i])));
            }
            for (size_t i = x.size(); i < y.size(); ++i) largest = worse(largest, y[i] == 77.0f ? 0.0 : 1e9);
        }
        report("finish_row", each->isa, "absolute", largest, 2e-6);
    }
}

}  // namespace kernel_check
