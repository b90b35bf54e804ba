// Which instruction set's kernels run: the only place that decides.
#include <cstdlib>

#include "engine/cpu_check.h"
#include "engine/error.h"
#include "kernels/tables.h"

namespace ggml_transformers {

namespace {

bool same_name(const std::string& a, const char* b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    size_t i = 0;
    for (; i < a.size() && b[i] != '\0'; ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return i == a.size() && b[i] == '\0';
}

#if defined(__x86_64__) && defined(__linux__)
// AVX-512's, but for the products that tiles do.
const Kernels& amx_kernels() {
    static const Kernels table = [] {
        Kernels kernels = avx512::table;
        kernels.isa = "AMX-INT8";
        kernels.gemm[static_cast<int>(Format::Q8_0)] = amx::gemm<UnitQ8_0>;
        kernels.gemm[static_cast<int>(Format::Q4_0)] = amx::gemm<UnitQ4_0>;
        kernels.gemm[static_cast<int>(Format::Q4_K)] = amx::gemm<UnitQ4_K>;
        return kernels;
    }();
    return table;
}
#endif

std::vector<const Kernels*> detect() {
    std::vector<const Kernels*> found;
    const std::vector<std::string> features = cpu_features();
    [[maybe_unused]] const auto has = [&features](const char* name) {
        for (const std::string& feature : features)
            if (feature == name) return true;
        return false;
    };
#if defined(__x86_64__) || defined(_M_X64)
    const bool avx2 = has("AVX2") && has("FMA") && has("F16C");
#if defined(__linux__)
    if (avx2 && has("AVX512-VNNI") && has("AMX-INT8")) found.push_back(&amx_kernels());
#endif
    if (avx2 && has("AVX512-VNNI")) found.push_back(&avx512::table);
    if (avx2 && has("AVX-VNNI")) found.push_back(&avxvnni::table);
    if (avx2) found.push_back(&avx2::table);
#elif defined(__aarch64__) || defined(_M_ARM64)
    if (has("DOTPROD") && has("I8MM")) found.push_back(&neon_i8mm::table);
    if (has("DOTPROD")) found.push_back(&neon::table);
#endif
    found.push_back(&scalar::table);
    return found;
}

const Kernels& choose() {
    const char* forced = std::getenv("GGML_TRANSFORMERS_ISA");
    if (!forced || !*forced) return *available_kernels().front();
    if (const Kernels* found = find_kernels(forced)) return *found;
    std::string names;
    for (const Kernels* each : available_kernels())
        names += (names.empty() ? "" : ", ") + std::string(each->isa);
    throw Error(ErrorCode::Unsupported,
                "Expected the name of an instruction set of this processor (" + names +
                    ") for the environment variable GGML_TRANSFORMERS_ISA but received " + forced +
                    " of type string")
        .with("GGML_TRANSFORMERS_ISA", forced);
}

}  // namespace

std::vector<const Kernels*> available_kernels() {
    // Never destroyed: process.exit() runs destructors while engine threads may still ask.
    static const std::vector<const Kernels*>& found = *new std::vector<const Kernels*>(detect());
    return found;
}

const Kernels* find_kernels(const std::string& isa) {
    for (const Kernels* each : available_kernels())
        if (same_name(isa, each->isa)) return each;
    return nullptr;
}

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

}  // namespace ggml_transformers
