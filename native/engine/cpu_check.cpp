#include "engine/cpu_check.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "engine/error.h"

#if defined(__x86_64__) || defined(_M_X64)
#define GT_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) || defined(_M_ARM64)
#define GT_ARM64 1
#if defined(_WIN32)
#include <windows.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace ggml_transformers {

#ifdef GT_X86
namespace {

struct Registers {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
    Registers r;
#if defined(_MSC_VER)
    int values[4];
    __cpuidex(values, static_cast<int>(leaf), static_cast<int>(subleaf));
    r = {static_cast<uint32_t>(values[0]), static_cast<uint32_t>(values[1]), static_cast<uint32_t>(values[2]),
         static_cast<uint32_t>(values[3])};
#else
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
#endif
    return r;
}

// Which register states the operating system saves (XCR0).
uint64_t saved_states() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<uint64_t>(high) << 32) | low;
#endif
}

bool bit(uint32_t word, int index) { return ((word >> index) & 1u) != 0; }

struct X86Features {
    bool avx2 = false, fma = false, f16c = false, bmi2 = false, avx_vnni = false;
    bool avx512 = false, avx512_vnni = false, avx512_bf16 = false, amx_int8 = false;
};

// The state of tiles is large, so that an operating system may want to be asked for it, once for the process.
// It refuses where a thread's stack for signals has no room for it.
bool may_use_tiles() {
#if defined(__linux__)
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

X86Features detect() {
    X86Features f;
    if (cpuid(0, 0).eax < 7) return f;
    const Registers one = cpuid(1, 0);
    const Registers seven = cpuid(7, 0);
    const Registers seven_one = seven.eax >= 1 ? cpuid(7, 1) : Registers{};
    if (!bit(one.ecx, 27)) return f;  // OSXSAVE: xgetbv exists
    const uint64_t states = saved_states();
    const bool ymm = (states & 0x6) == 0x6;
    const bool zmm = ymm && (states & 0xe0) == 0xe0;
    f.fma = ymm && bit(one.ecx, 12);
    f.f16c = ymm && bit(one.ecx, 29);
    f.avx2 = ymm && bit(one.ecx, 28) && bit(seven.ebx, 5);
    f.bmi2 = bit(seven.ebx, 8);
    f.avx_vnni = f.avx2 && bit(seven_one.eax, 4);
    f.avx512 = zmm && bit(seven.ebx, 16) && bit(seven.ebx, 17) && bit(seven.ebx, 30) && bit(seven.ebx, 31);
    f.avx512_vnni = f.avx512 && bit(seven.ecx, 11);
    f.avx512_bf16 = f.avx512 && bit(seven_one.eax, 5);
    const bool tiles = (states & 0x60000) == 0x60000 && bit(seven.edx, 24) && bit(seven.edx, 25);
    f.amx_int8 = f.avx512 && tiles && may_use_tiles();
    return f;
}

}  // namespace

void require_supported_cpu() {
    const X86Features f = detect();
    std::string missing;
    const auto need = [&missing](bool present, const char* name) {
        if (!present) missing += (missing.empty() ? "" : ", ") + std::string(name);
    };
    need(f.avx2, "AVX2");
    need(f.fma, "FMA");
    need(f.f16c, "F16C");
    need(f.bmi2, "BMI2");
    if (missing.empty()) return;
    throw Error(ErrorCode::Unsupported, "This processor or operating system lacks " + missing +
                                            ", which the x64 build needs (Intel since 2013, AMD since 2015)")
        .with("missing", missing);
}

std::vector<std::string> cpu_features() {
    const X86Features f = detect();
    std::vector<std::string> names;
    const auto add = [&names](bool present, const char* name) {
        if (present) names.emplace_back(name);
    };
    add(f.avx2, "AVX2");
    add(f.fma, "FMA");
    add(f.f16c, "F16C");
    add(f.avx_vnni, "AVX-VNNI");
    add(f.avx512, "AVX512");
    add(f.avx512_vnni, "AVX512-VNNI");
    add(f.avx512_bf16, "AVX512-BF16");
    add(f.amx_int8, "AMX-INT8");
    return names;
}

std::string cpu_name() {
    if (cpuid(0x80000000u, 0).eax < 0x80000004u) return "CPU";
    std::array<char, 49> brand{};
    for (uint32_t i = 0; i < 3; ++i) {
        const Registers r = cpuid(0x80000002u + i, 0);
        const uint32_t words[4] = {r.eax, r.ebx, r.ecx, r.edx};
        std::memcpy(brand.data() + 16 * i, words, sizeof(words));
    }
    const std::string name(brand.data());
    const size_t first = name.find_first_not_of(' ');
    return first == std::string::npos ? "CPU" : name.substr(first, name.find_last_not_of(' ') - first + 1);
}

#elif defined(GT_ARM64)
namespace {

struct ArmFeatures {
    bool dotprod = false, i8mm = false;
};

// What the processor has is a secret of the operating system. The numbers are those of its interface, which
// the headers of older systems lack.
ArmFeatures detect() {
    ArmFeatures f;
#if defined(_WIN32)
    f.dotprod = IsProcessorFeaturePresent(43) != 0;  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
    f.i8mm = IsProcessorFeaturePresent(66) != 0;     // PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE
#elif defined(__APPLE__)
    const auto has = [](const char* name) {
        int value = 0;
        size_t size = sizeof(value);
        return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
    };
    f.dotprod = has("hw.optional.arm.FEAT_DotProd");
    f.i8mm = has("hw.optional.arm.FEAT_I8MM");
#elif defined(__linux__)
    f.dotprod = ((getauxval(AT_HWCAP) >> 20) & 1) != 0;  // HWCAP_ASIMDDP
    f.i8mm = ((getauxval(AT_HWCAP2) >> 13) & 1) != 0;    // HWCAP2_I8MM
#endif
    return f;
}

}  // namespace

void require_supported_cpu() {}

std::vector<std::string> cpu_features() {
    const ArmFeatures f = detect();
    std::vector<std::string> names = {"NEON"};
    if (f.dotprod) names.emplace_back("DOTPROD");
    if (f.i8mm) names.emplace_back("I8MM");
    return names;
}

std::string cpu_name() { return "CPU"; }

#else

void require_supported_cpu() {}

std::vector<std::string> cpu_features() { return {}; }

std::string cpu_name() { return "CPU"; }

#endif

}  // namespace ggml_transformers
