// Checks every instruction set's kernels that this processor runs: the scalar reference against plain
// formulas in double precision, every other against the reference, bit for bit. Prints a line of JSON for
// each check.
//
//   kernel_check [--seed <number>] | --chosen | --bench [--isa <name>] | --peaks [--threads <number>]
#include <algorithm>
#include <cctype>
#include <cstdio>

#include "engine/error.h"
#include "kernel_bench.h"
#include "kernel_checks.h"

namespace kernel_check {

namespace {

bool passed_so_far = true;

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

const std::vector<const Kernels*>& checked_kernels() {
    static const std::vector<const Kernels*> checked = [] {
        std::vector<const Kernels*> all = available_kernels();
#ifdef CHECK_AVXVNNI_EVEX
        static Kernels as_avx512 = avxvnni_evex::table;
        as_avx512.isa = "AVX-VNNI (EVEX)";
        if (find_kernels("AVX512-VNNI") != nullptr) all.insert(all.begin() + 1, &as_avx512);
#endif
        return all;
    }();
    return checked;
}

bool all_passed() { return passed_so_far; }

void report(const std::string& kernel, const std::string& isa, const char* unit, double max_error,
            double bound) {
    const bool passed = max_error <= bound;  // false for NaN
    passed_so_far = passed_so_far && passed;
    std::printf(
        "{\"kernel\":\"%s\",\"isa\":\"%s\",\"unit\":\"%s\",\"max_error\":%.4g,\"bound\":%.4g,\"passed\":%s}"
        "\n",
        kernel.c_str(), isa.c_str(), unit, std::isfinite(max_error) ? max_error : 1e300, bound,
        passed ? "true" : "false");
    std::fflush(stdout);
}

int64_t different(const std::vector<float>& a, const std::vector<float>& b) {
    int64_t count = a.size() == b.size() ? 0 : 1;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (std::isnan(a[i]) && std::isnan(b[i])) continue;
        if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) ++count;
    }
    return count;
}

double worse(double a, double b) { return b <= a ? a : b; }

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
    check_finish_row(random);
    check_quantize_row(random);
    check_norm_row(random);
    check_widen_bytes(random);
    check_packing(random);
    check_gemms(random);
    check_attention(random);
    return all_passed() ? 0 : 1;
}

}  // namespace kernel_check

int main(int count, char** arguments) {
    uint64_t seed = 1;
    bool bench = false, chosen = false, peaks = false;
    int threads = 1;
    std::string isa;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument == "--bench") bench = true;
        if (argument == "--chosen") chosen = true;
        if (argument == "--peaks") peaks = true;
        if (argument == "--threads" && i + 1 < count) threads = std::max(1, std::atoi(arguments[++i]));
        if (argument == "--seed" && i + 1 < count) seed = std::strtoull(arguments[++i], nullptr, 10);
        if (argument == "--isa" && i + 1 < count) isa = arguments[++i];
    }
    if (chosen) return kernel_check::print_chosen();
    if (peaks) {
        kernel_check::run_peaks(threads);
        return 0;
    }
    if (!bench) return kernel_check::run_checks(seed);
    kernel_check::run_bench(isa);
    return 0;
}
