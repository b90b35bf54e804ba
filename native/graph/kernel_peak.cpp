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
constexpr int64_t rows = 4 * row_tile;
constexpr int64_t q8_width = 384;
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
    constexpr size_t weights = blocks * PackedQ8::block_bytes, values = rows * q8_width;
    constexpr size_t scales = rows * blocks * sizeof(float), out = rows * panel_columns * sizeof(float);
    const Bench bench(pool.threads(), weights + values + 2 * scales + out);
    const auto rows_of = [](uint8_t* memory) {
        return QuantizedRows{reinterpret_cast<int8_t*>(memory + weights),
                             reinterpret_cast<float*>(memory + weights + values),
                             reinterpret_cast<int32_t*>(memory + weights + values + scales)};
    };
    float x[q8_width];
    for (int64_t i = 0; i < q8_width; ++i) x[i] = std::sin(static_cast<float>(i));
    for (int thread = 0; thread < bench.count; ++thread) {
        uint8_t* memory = bench.of(thread);
        // Weights of -128 + 1, scales of 1.0 in half precision.
        for (int64_t b = 0; b < blocks; ++b) {
            uint8_t* block = memory + b * PackedQ8::block_bytes;
            std::fill_n(block, quant_block * panel_columns, uint8_t{1});
            for (int64_t c = 0; c < panel_columns; ++c) block[quant_block * panel_columns + 2 * c + 1] = 0x3c;
        }
        const QuantizedRows q = rows_of(memory);
        for (int64_t r = 0; r < rows; ++r) {
            kernels.quantize_row(x, q8_width, q.q + r * q8_width, q.scales + r * blocks, q.sums + r * blocks);
        }
    }
    return fastest(pool, 2.0 * rows * q8_width * panel_columns, [&](int64_t thread) {
        uint8_t* memory = bench.of(thread);
        Epilogue epilogue;
        epilogue.out = reinterpret_cast<float*>(memory + weights + values + 2 * scales);
        epilogue.out_stride = panel_columns;
        kernels.gemm_q8({q8_width, panel_columns, memory}, rows_of(memory), 0, rows, 0, 1, epilogue);
    });
}

double f32_peak(ComputePool& pool, const Kernels& kernels) {
    constexpr size_t weights = f32_width * panel_columns * sizeof(float);
    constexpr size_t values = rows * f32_width * sizeof(float), out = rows * panel_columns * sizeof(float);
    const Bench bench(pool.threads(), weights + values + out);
    for (int thread = 0; thread < bench.count; ++thread) {
        std::fill_n(reinterpret_cast<float*>(bench.of(thread)), (weights + values) / sizeof(float), 0.5f);
    }
    return fastest(pool, 2.0 * rows * f32_width * panel_columns, [&](int64_t thread) {
        uint8_t* memory = bench.of(thread);
        Epilogue epilogue;
        epilogue.out = reinterpret_cast<float*>(memory + weights + values);
        epilogue.out_stride = panel_columns;
        kernels.gemm_f32({f32_width, panel_columns, reinterpret_cast<const float*>(memory)},
                         reinterpret_cast<const float*>(memory + weights), f32_width, 0, rows, 0, 1,
                         epilogue);
    });
}

}  // namespace

KernelPeak measure_kernel_peak(int threads) {
    ComputePool pool(threads);
    const Kernels& table = kernels();
    return {int8_peak(pool, table), f32_peak(pool, table)};
}

}  // namespace ggml_transformers
