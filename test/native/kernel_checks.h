// What the checks of the kernels share: how they report, compare and count errors.
#pragma once

#include <string>
#include <vector>

#include "kernel_inputs.h"
#include "kernels/kernels.h"

namespace ggml_transformers::avxvnni_evex {
extern const Kernels table;  // kernels_avxvnni_evex.cpp
}

namespace kernel_check {

// The kernels to check: those available, and AVX-VNNI in another encoding where only that runs.
const std::vector<const Kernels*>& checked_kernels();

// Prints one line of JSON: the largest error, in the given unit, and the bound it must keep.
void report(const std::string& kernel, const std::string& isa, const char* unit, double max_error,
            double bound);

// Whether every report so far kept its bound.
bool all_passed();

// How many values differ in any bit; NaN equals NaN whatever its payload.
int64_t different(const std::vector<float>& a, const std::vector<float>& b);

// The larger of two errors, in which NaN is largest.
double worse(double a, double b);

// An activation in double precision, and all of them.
double exact_activation(FusedActivation activation, double x);
constexpr FusedActivation activations[] = {FusedActivation::None,     FusedActivation::Gelu,
                                           FusedActivation::GeluTanh, FusedActivation::Relu,
                                           FusedActivation::Silu,     FusedActivation::Tanh};

// Each prints its reports.
void check_elementary();
void check_finish_row(Random& random);
void check_quantize_row(Random& random);
void check_norm_row(Random& random);
void check_widen_bytes(Random& random);
void check_packing(Random& random);
void check_gemms(Random& random);
void check_attention(Random& random);

}  // namespace kernel_check
