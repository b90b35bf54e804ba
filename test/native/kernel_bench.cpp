#include "kernel_bench.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <initializer_list>
#include <thread>

#include "engine/aligned_buffer.h"
#include "engine/huge_pages.h"
#include "kernel_inputs.h"
#include "kernels/unroll.h"

#if (defined(__x86_64__) || defined(_M_X64))
#define KERNEL_BENCH_X86 1
#include <immintrin.h>
#endif
#if defined(__GNUC__)
#define KERNEL_BENCH_TARGET(isa) __attribute__((target(isa)))
#else
#define KERNEL_BENCH_TARGET(isa)
#endif

namespace kernel_check {

namespace {

// The shortest of many runs of at least 20 microseconds each: what the core does when nothing disturbs it.
template <class Work>
double shortest_seconds(Work work) {
    using Clock = std::chrono::steady_clock;
    const auto measure = [&work](int64_t times) {
        const auto begin = Clock::now();
        for (int64_t i = 0; i < times; ++i) work();
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    int64_t times = 1;
    while (measure(times) < 20e-6) times *= 2;
    double shortest = 1e9, spent = 0.0;
    for (int i = 0; i < 1000 && spent < 0.15; ++i) {
        const double seconds = measure(times);
        spent += seconds;
        shortest = seconds < shortest ? seconds : shortest;
    }
    return shortest / static_cast<double>(times);
}

// --- Peaks ---------------------------------------------------------------------------------------------

// Billions of operations per second; zero where not known.
struct Peaks {
    double int8 = 0.0;
    double f32 = 0.0;
};

#ifdef KERNEL_BENCH_X86
constexpr int peak_steps = 1000;
constexpr int peak_sums = 10;  // enough to hide the latency, few enough for the registers
volatile int sink;

KERNEL_BENCH_TARGET("avx512f,avx512vnni") void multiply_int8_avx512() {
    __m512i sums[peak_sums];
    KERNEL_UNROLL
    for (__m512i& sum : sums) sum = _mm512_set1_epi32(sink);
    const __m512i a = _mm512_set1_epi8(static_cast<char>(sink));
    for (int i = 0; i < peak_steps; ++i) KERNEL_UNROLL
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, a);
    int lanes[16];
    KERNEL_UNROLL
    for (const __m512i& sum : sums) {
        _mm512_storeu_si512(lanes, sum);
        sink = lanes[0];
    }
}

KERNEL_BENCH_TARGET("avx512f") void multiply_f32_avx512() {
    __m512 sums[peak_sums];
    KERNEL_UNROLL
    for (__m512& sum : sums) sum = _mm512_set1_ps(static_cast<float>(sink));
    const __m512 a = _mm512_set1_ps(static_cast<float>(sink));
    for (int i = 0; i < peak_steps; ++i) KERNEL_UNROLL
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(a, a, sum);
    float lanes[16];
    KERNEL_UNROLL
    for (const __m512& sum : sums) {
        _mm512_storeu_ps(lanes, sum);
        sink = static_cast<int>(lanes[0]);
    }
}

KERNEL_BENCH_TARGET("avx2") void multiply_int8_avx2() {
    __m256i sums[peak_sums];
    KERNEL_UNROLL
    for (__m256i& sum : sums) sum = _mm256_set1_epi32(sink);
    __m256i a = _mm256_set1_epi32(sink);
    for (int i = 0; i < peak_steps; ++i) {
        KERNEL_UNROLL
        for (int j = 0; j < peak_sums; ++j) {
            // Were the product the same every time, it would move out of the loop.
            KERNEL_IN_ORDER(a, sums[j]);
            sums[j] = _mm256_add_epi32(sums[j], _mm256_madd_epi16(a, a));
        }
    }
    KERNEL_UNROLL
    for (const __m256i& sum : sums) sink = _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}

KERNEL_BENCH_TARGET("avx2,fma") void multiply_f32_avx2() {
    __m256 sums[peak_sums];
    KERNEL_UNROLL
    for (__m256& sum : sums) sum = _mm256_set1_ps(static_cast<float>(sink));
    const __m256 a = _mm256_set1_ps(static_cast<float>(sink));
    for (int i = 0; i < peak_steps; ++i) KERNEL_UNROLL
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(a, a, sum);
    KERNEL_UNROLL
    for (const __m256& sum : sums) sink = static_cast<int>(_mm_cvtss_f32(_mm256_castps256_ps128(sum)));
}

Peaks measure_peaks(const std::string& isa) {
    const auto rate = [](void (*work)(), double operations) {
        return peak_sums * peak_steps * operations / shortest_seconds(work) / 1e9;
    };
    // Tiles could multiply far more, but not scale it: vectors remain the measure.
    if (isa == "AVX512-VNNI" || isa == "AMX-INT8")
        return {rate(multiply_int8_avx512, 128), rate(multiply_f32_avx512, 32)};
    if (isa == "AVX2") return {rate(multiply_int8_avx2, 32), rate(multiply_f32_avx2, 16)};
    return {};
}
#else
Peaks measure_peaks(const std::string&) { return {}; }
#endif

void print(const Kernels& kernels, const std::string& kernel, const std::string& shape, double seconds,
           double operations, double peak) {
    const double rate = operations / seconds / 1e9;
    std::printf("{\"kernel\":\"%s\",\"isa\":\"%s\",\"shape\":\"%s\",\"microseconds\":%.3f,\"gops\":%.1f",
                kernel.c_str(), kernels.isa, shape.c_str(), seconds * 1e6, rate);
    if (peak > 0) std::printf(",\"of_peak\":%.3f", rate / peak);
    std::printf("}\n");
    std::fflush(stdout);
}

std::string shape_name(std::initializer_list<std::pair<const char*, int64_t>> sizes) {
    std::string name;
    for (const auto& [symbol, size] : sizes)
        name += (name.empty() ? "" : " ") + std::string(symbol) + "=" + std::to_string(size);
    return name;
}

// --- Kernels -------------------------------------------------------------------------------------------

// The product of all rows; `gelu` with the activation, `rounded` to bytes as well, as a feed-forward does it.
void bench_product(const Kernels& kernels, const Weights& weights, const Activations& activations, int64_t t,
                   bool gelu, double peak) {
    Random random(1);
    const FormatInfo& format = info(weights.packed.format);
    const int64_t k = weights.packed.k, n = weights.packed.n, blocks = t * n / 32;
    Aligned<float> out(t * n), scales(blocks);
    Aligned<int8_t> q(t * n);
    Aligned<int16_t> words(t * n);
    Aligned<ByteBlock> beside(blocks);
    const Aligned<float> bias(random.normals(n));
    Epilogue epilogue;
    epilogue.bias = bias.data();
    if (gelu) {
        epilogue.activation = FusedActivation::Gelu;
        if (format.rows == RowForm::Words) {
            epilogue.words = {words.data(), scales.data()};
        } else {
            epilogue.bytes = {q.data(), beside.data()};
        }
        epilogue.row_blocks = n / 32;
    } else {
        epilogue.out = out.data();
        epilogue.out_stride = n;
    }
    const Piece all = {0, t, 0, weights.packed.panels()};
    const Gemm gemm = kernels.gemm[static_cast<int>(format.format)];
    const double seconds =
        shortest_seconds([&] { gemm(weights.packed, activations.rows(format.rows), all, epilogue); });
    print(kernels, std::string("gemm ") + format.name + (gelu ? " gelu rounded" : ""),
          shape_name({{"K", k}, {"N", n}, {"T", t}}), seconds, 2.0 * static_cast<double>(k * n * t), peak);
}

void bench_gemm(const Kernels& kernels, const FormatInfo& format, const Peaks& peaks) {
    const double peak = format.rows == RowForm::Floats  ? peaks.f32
                        : format.rows == RowForm::Words ? peaks.int8 / 2
                                                        : peaks.int8;
    Random random(1);
    for (const auto& [k, n] :
         {std::pair<int64_t, int64_t>{768, 768}, {768, 3072}, {3072, 768}, {384, 1536}}) {
        if (k % format.unit_k != 0) continue;
        const Weights weights(random, format.format, k, n);
        const Activations activations(random, 128, k, k);
        for (const int64_t t : {128, 96, 1, 2, 3, 4, 8, 16})
            bench_product(kernels, weights, activations, t, false, peak);
        bench_product(kernels, weights, activations, 96, true, peak);
    }
}

// One row against weights that no cache holds: bound by memory, so that gigabytes per second count.
void bench_streaming(const Kernels& kernels, const FormatInfo& format) {
    Random random(1);
    constexpr int64_t k = 768;
    const int64_t n = (int64_t{48} << 20) / (k / format.unit_k * format.unit_bytes) * 32;
    const Weights weights(random, format.format, k, n);
    const Activations row(random, 1, k, k);
    Aligned<float> out(n);
    Epilogue epilogue;
    epilogue.out = out.data();
    epilogue.out_stride = n;
    const Piece all = {0, 1, 0, weights.packed.panels()};
    const double seconds = shortest_seconds([&] {
        kernels.gemm[static_cast<int>(format.format)](weights.packed, row.rows(format.rows), all, epilogue);
    });
    print(kernels, std::string("gemm ") + format.name + " bytes read",
          shape_name({{"K", k}, {"N", n}, {"T", 1}}), seconds, static_cast<double>(weights.packed.bytes()),
          0);
}

void bench_rows(const Kernels& kernels) {
    Random random(1);
    Epilogue gelu;
    gelu.activation = FusedActivation::Gelu;
    for (const int64_t h : {384, 768, 3072}) {
        const Aligned<float> x(random.normals(h)), residual(random.normals(h)), weight(random.normals(h));
        Aligned<float> out(h), scales(h / 32);
        Aligned<int8_t> q(h);
        Aligned<int16_t> words(h);
        Aligned<ByteBlock> beside(h / 32);
        const auto count = static_cast<double>(h);
        print(kernels, "quantize_row values", shape_name({{"K", h}}), shortest_seconds([&] {
                  kernels.quantize_row(x.data(), h, {q.data(), beside.data()});
              }),
              count, 0);
        print(kernels, "quantize_row_words values", shape_name({{"K", h}}), shortest_seconds([&] {
                  kernels.quantize_row_words(x.data(), h, {words.data(), scales.data()});
              }),
              count, 0);
        print(kernels, "norm_row values", shape_name({{"H", h}}), shortest_seconds([&] {
                  kernels.norm_row(x.data(), residual.data(), weight.data(), weight.data(), 1e-5f, h,
                                   out.data());
              }),
              count, 0);
        print(kernels, "gelu values", shape_name({{"N", h}}), shortest_seconds([&] {
                  std::memcpy(out.data(), x.data(), static_cast<size_t>(h) * sizeof(float));
                  kernels.finish_row(out.data(), h, gelu);
              }),
              count, 0);
    }
}

void bench_attention(const Kernels& kernels, double peak) {
    Random random(1);
    for (const int64_t head : {32, 64}) {
        for (const int64_t positions : {16, 128, 512}) {
            for (const int64_t rows : {int64_t{1}, positions}) {
                AttentionInputs inputs(random, head, rows, positions);
                const Aligned<float> q(inputs.q), v(inputs.v);
                Aligned<float> out(rows * head);
                AttentionTask task;
                task.q = q.data();
                task.q_stride = task.values_stride = task.out_stride = task.head = head;
                const KeyValues part = {inputs.packed.data(), v.data(), positions};
                task.parts = &part;
                task.part_count = 1;
                task.rows = rows;
                task.visible = positions;
                task.scale = 0.125f;
                task.out = out.data();
                task.scratch = inputs.scratch.data();
                print(kernels, "attention",
                      shape_name({{"D", head}, {"rows", rows}, {"positions", positions}}),
                      shortest_seconds([&] { kernels.attention(task); }),
                      4.0 * static_cast<double>(head * rows * positions), peak);
            }
        }
    }
}

void bench_packing(const FormatInfo& format) {
    Random random(1);
    constexpr int64_t k = 768, n = 8192;
    const Weights weights(random, format.format, k, n);
    const double seconds =
        shortest_seconds([&] { weights.pack(weights.packed, 0, weights.packed.panels()); });
    std::printf("{\"kernel\":\"pack %s\",\"seconds_per_100_mb\":%.4f}\n", format.name,
                seconds * 1e8 / static_cast<double>(weights.packed.bytes()));
}

// The sum over the threads of what each reaches while all of them work.
template <class Measure>
double all_at_once(int threads, Measure measure) {
    std::vector<double> rates(static_cast<size_t>(threads));
    std::vector<std::thread> workers;
    std::atomic<int> ready{0};
    for (double& rate : rates)
        workers.emplace_back([&] {
            ++ready;
            while (ready < threads) std::this_thread::yield();
            rate = measure();
        });
    for (std::thread& worker : workers) worker.join();
    double sum = 0.0;
    for (const double rate : rates) sum += rate;
    return sum;
}

// Gigabytes per second of a sum over memory that no cache holds, on huge pages as weights are.
double reading_rate() {
    constexpr int64_t count = int64_t{16} << 20;
    AlignedBuffer pages;
    constexpr size_t bytes = count * sizeof(uint32_t);
    auto* memory = reinterpret_cast<uint32_t*>(pages.reserve(bytes));
    prefer_huge_pages(memory, bytes);
    std::fill_n(memory, count, 1u);
    volatile uint32_t result = 0;
    const double seconds = shortest_seconds([&] {
        uint32_t sums[16] = {};
        for (int64_t i = 0; i < count; i += 16) KERNEL_UNROLL
        for (int64_t j = 0; j < 16; ++j) sums[j] += memory[i + j];
        for (const uint32_t sum : sums) result = result + sum;
    });
    return static_cast<double>(count) * sizeof(uint32_t) / seconds / 1e9;
}

}  // namespace

void run_peaks(int threads) {
    const double read = all_at_once(threads, reading_rate);
    for (const Kernels* each : available_kernels()) {
        const double int8 = all_at_once(threads, [&] { return measure_peaks(each->isa).int8; });
        const double f32 = all_at_once(threads, [&] { return measure_peaks(each->isa).f32; });
        std::printf(
            "{\"isa\":\"%s\",\"peak_int8_gops\":%.1f,\"peak_f32_gops\":%.1f,\"read_gb_per_s\":%.1f,"
            "\"threads\":%d}\n",
            each->isa, int8, f32, read, threads);
    }
}

void run_bench(const std::string& isa) {
    for (const Kernels* each : available_kernels()) {
        if (!isa.empty() && find_kernels(isa) != each) continue;
        const Peaks peaks = measure_peaks(each->isa);
        std::printf("{\"isa\":\"%s\",\"peak_int8_gops\":%.1f,\"peak_f32_gops\":%.1f}\n", each->isa,
                    peaks.int8, peaks.f32);
        for (const FormatInfo& format : formats) bench_gemm(*each, format, peaks);
        bench_attention(*each, peaks.f32);
        bench_rows(*each);
        for (const FormatInfo& format : formats) bench_streaming(*each, format);
    }
    for (const FormatInfo& format : formats) bench_packing(format);
}

}  // namespace kernel_check
