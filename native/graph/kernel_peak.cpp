#include "graph/kernel_peak.h"

#include <algorithm>
#include <cmath>

#include "engine/aligned_buffer.h"
#include "engine/compute_pool.h"
#include "kernels/kernels.h"

namespace ggml_transformers {

namespace {

// A panel of weights and some rows: together below 32 KB in eight bits; the F32 panel is cut to the same
// size.
constexpr int64_t rows = 8 * row_tile;
constexpr int64_t q8_width = 256;
constexpr int64_t f32_width = 96;

// The best of many short rounds in which each thread does the same: operations per second.
template <class Work>
double fastest(ComputePool& pool, double operations, const Work& work) {
    using Clock = Profile::Clock;
    const auto round = [&](int64_t times) {
        const auto begin = Clock::now();
        pool.parallel(pool.threads(), [&](int64_t index, int) {
            for (int64_t i = 0; i < times; ++i) work(index);
        });
        return Profile::seconds_since(begin);
    };
    int64_t times = 1;
    while (round(times) < 200e-6) times *= 2;
    double best = 1e9;
    const auto begin = Clock::now();
    do {
        best = std::min(best, round(times));
    } while (Profile::seconds_since(begin) < 15e-3);
    return operations * static_cast<double>(times * pool.threads()) / best;
}

// Memory of its own for each thread: float out[rows][panel_columns], and what the kernel reads.
struct Bench {
    explicit Bench(int threads, size_t bytes) : stride((bytes + 127) / 64 * 64), count(threads) {
        memory.reserve(stride * static_cast<size_t>(threads));
    }
    uint8_t* of(int64_t thread) const { return memory.data() + stride * static_cast<size_t>(thread); }
    AlignedBuffer memory;
    size_t stride;
    int count;
};

double int8_peak(ComputePool& pool, const Kernels& kernels) {
    constexpr int64_t blocks = q8_width / quant_block;
    constexpr size_t weights = blocks * sizeof(UnitQ8_0), values = rows * q8_width;
    constexpr size_t per_block = rows * blocks * sizeof(ByteBlock),
                     out = rows * panel_columns * sizeof(float);
    const Bench bench(pool.threads(), weights + values + per_block + out);
    const auto row_of = [](uint8_t* memory, int64_t r) {
        return ByteRow{reinterpret_cast<int8_t*>(memory + weights) + r * q8_width,
                       reinterpret_cast<ByteBlock*>(memory + weights + values) + r * blocks};
    };
    float x[q8_width];
    for (int64_t i = 0; i < q8_width; ++i) x[i] = std::sin(static_cast<float>(i));
    for (int thread = 0; thread < bench.count; ++thread) {
        uint8_t* memory = bench.of(thread);
        auto* units = reinterpret_cast<UnitQ8_0*>(memory);
        for (int64_t b = 0; b < blocks; ++b) {
            std::fill_n(&units[b].values[0][0][0], sizeof(units[b].values), uint8_t{1});
            std::fill_n(units[b].scales, panel_columns, uint16_t{0x3c00});  // 1 in half precision
        }
        for (int64_t r = 0; r < rows; ++r) kernels.quantize_row(x, q8_width, row_of(memory, r));
    }
    return fastest(pool, 2.0 * rows * q8_width * panel_columns, [&](int64_t thread) {
        uint8_t* memory = bench.of(thread);
        const ByteRow first = row_of(memory, 0);
        Rows all;
        all.bytes = first.q;
        all.blocks = first.blocks;
        Epilogue epilogue;
        epilogue.out = reinterpret_cast<float*>(memory + weights + values + per_block);
        epilogue.out_stride = panel_columns;
        kernels.gemm[static_cast<int>(Format::Q8_0)]({Format::Q8_0, q8_width, panel_columns, memory}, all,
                                                     {0, rows, 0, 1}, epilogue);
    });
}

double f32_peak(ComputePool& pool, const Kernels& kernels) {
    constexpr size_t weights = f32_width * sizeof(UnitF32);
    constexpr size_t values = rows * f32_width * sizeof(float), out = rows * panel_columns * sizeof(float);
    const Bench bench(pool.threads(), weights + values + out);
    for (int thread = 0; thread < bench.count; ++thread) {
        std::fill_n(reinterpret_cast<float*>(bench.of(thread)), (weights + values) / sizeof(float), 0.5f);
    }
    return fastest(pool, 2.0 * rows * f32_width * panel_columns, [&](int64_t thread) {
        uint8_t* memory = bench.of(thread);
        Rows all;
        all.x = reinterpret_cast<const float*>(memory + weights);
        all.x_stride = f32_width;
        Epilogue epilogue;
        epilogue.out = reinterpret_cast<float*>(memory + weights + values);
        epilogue.out_stride = panel_columns;
        kernels.gemm[static_cast<int>(Format::F32)]({Format::F32, f32_width, panel_columns, memory}, all,
                                                    {0, rows, 0, 1}, epilogue);
    });
}

}  // namespace

KernelPeak measure_kernel_peak(int threads) {
    ComputePool pool(threads);
    const Kernels& table = kernels();
    return {int8_peak(pool, table), f32_peak(pool, table)};
}

}  // namespace ggml_transformers
