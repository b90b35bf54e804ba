// The fused CPU kernels: one table of functions for each instruction set, chosen once (dispatch.cpp).
//
// Every kernel works on rows that belong to one token and gives each row the same bits whatever rows stand
// beside it, however the work was cut and whoever ran it: sums run in an order that depends on the row alone.
// `kernels_scalar.cpp` defines what is correct.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/formats.h"

namespace ggml_transformers {

constexpr int64_t quant_block = 32;  // values along K that share a scale of the activations
constexpr int64_t key_group = 16;    // positions that a group of packed keys holds

// What is kept of 32 activations beside their bytes: value = scale * byte.
struct ByteBlock {
    float scale;
    int32_t sum;        // -128 times the sum of the bytes
    int32_t first_sum;  // -128 times the sum of the first 16
    float scaled_sum;   // -scale times the sum of the bytes
};

// Activations [T, K] in the form the packed weights want (formats.h). Only that form's members are set.
struct Rows {
    // As they are.
    const float* x = nullptr;  // [T, K] with row stride `x_stride`
    int64_t x_stride = 0;

    const int8_t* bytes = nullptr;      // [T, K], in [-127, 127]
    const ByteBlock* blocks = nullptr;  // [T, K / 32]

    const int16_t* words = nullptr;  // [T, K], in [-8191, 8191]; value = scale * word
    const float* scales = nullptr;   // [T, K / 32]
};

// Rows in bytes, to be written (Rows).
struct ByteRow {
    int8_t* q = nullptr;          // [K]
    ByteBlock* blocks = nullptr;  // [K / 32]
};

// Rows in words, to be written (Rows).
struct WordRow {
    int16_t* q = nullptr;     // [K]
    float* scales = nullptr;  // [K / 32]
};

enum class FusedActivation : uint8_t { None, Gelu, GeluTanh, Relu, Silu, Tanh };

// What happens to a product before it is stored: y = activation(product + bias) * gate + residual.
struct Epilogue {
    const float* bias = nullptr;  // [N], or null
    FusedActivation activation = FusedActivation::None;
    const float* gate = nullptr;  // [T, N] with row stride `gate_stride`, or null
    int64_t gate_stride = 0;
    const float* residual = nullptr;  // [T, N] with row stride `residual_stride`, or null
    int64_t residual_stride = 0;
    float* out = nullptr;  // [T, N] with row stride `out_stride`; may be null where rows are wanted
    int64_t out_stride = 0;
    // Not null: the result in whole numbers as well, rows of N values, a multiple of 32.
    ByteRow bytes;
    WordRow words;
    int64_t row_blocks = 0;  // N / 32
};

// Keys and values of one head at consecutive positions of a sequence.
struct KeyValues {
    // [groups of 16 positions][D][16]: a group's positions lie side by side. What lies behind the sequence's
    // last position may be anything.
    const float* keys = nullptr;
    const float* values = nullptr;  // [positions, D] with row stride `values_stride`
    int64_t positions = 0;          // a multiple of 16, or the last ones of the sequence
};

// Keys or values of a head at 16 positions, kept as bytes: whole numbers where the floats would lie, in
// [-127, 127], and a bfloat16 scale for 32 values of a position.
struct ByteGroup {
    const int8_t* numbers = nullptr;   // keys [D][16], values [16][D]
    const uint16_t* scales = nullptr;  // [D / 32][16]
};

// Attention of some queries of one head over the packed keys and the values of its sequence.
// Query i of the task sees the first `visible + i` positions when `causal`, else the first `visible`.
struct AttentionTask {
    const float* q = nullptr;  // [rows, D] with row stride `q_stride`
    int64_t q_stride = 0;
    const KeyValues* parts = nullptr;  // of the sequence, in order; results do not depend on where it is cut
    int64_t part_count = 0;
    int64_t values_stride = 0;
    int64_t head = 0;  // D, a multiple of 16
    int64_t rows = 0;
    int64_t visible = 0;
    bool causal = false;
    int64_t first = 0;   // position of query 0, where distances matter
    int64_t reach = -1;  // not negative: a query sees only what is no further from it
    float scale = 1.0f;
    // Not null: what is added to the scaled score of a key, for each distance from query to key. Points to
    // that of distance 0; what lies between the farthest key and its group's end may be anything.
    const float* bias = nullptr;
    float* out = nullptr;  // [rows, D] with row stride `out_stride`; may be `q` itself
    int64_t out_stride = 0;
    float* scratch = nullptr;  // attention_scratch(positions) floats, 64-byte aligned
};

// Rows of a tile of attention and of products with floats; those with whole numbers have 4.
constexpr int64_t row_tile = 6;

// Floats of scratch an attention task over that many positions needs.
constexpr int64_t attention_scratch(int64_t positions) {
    return row_tile * ((positions + key_group - 1) / key_group * key_group);
}

// A rectangle of the product: rows [row_begin, row_end) of T, times the columns of panels [panel_begin,
// panel_end).
struct Piece {
    int64_t row_begin = 0;
    int64_t row_end = 0;
    int64_t panel_begin = 0;
    int64_t panel_end = 0;
    int64_t ahead = 0;  // panels from one to the one whose weights to fetch meanwhile; 0: none
};

// For each output element, block by block in order of K: the exact dot product of whole numbers, as a float,
// times (weight scale times activation scale), added by a fused multiply-add; formats with minima add theirs
// the same way after it. Floats: fused multiply-adds in order of K.
using Gemm = void (*)(const PackedWeights& weights, const Rows& rows, const Piece& piece,
                      const Epilogue& epilogue);

struct Kernels {
    const char* isa;  // "scalar", "AVX2", "AVX512-VNNI", ...

    // Quantizes row x [K]: scale = max |x| / 127 of the block; q = x * (127 / max |x|), rounded to nearest
    // even. A block below 1e-30 counts as zero. What is not finite makes the scale so, and with it all its
    // products.
    void (*quantize_row)(const float* x, int64_t k, const ByteRow& out);

    // The same with 8191 for 127.
    void (*quantize_row_words)(const float* x, int64_t k, const WordRow& out);

    Gemm gemm[format_count];  // by Format

    // out = (x + residual - mean) / sqrt(variance + epsilon) * weight + bias over [H]; `residual` may be
    // null, `out` may be `x`.
    void (*norm_row)(const float* x, const float* residual, const float* weight, const float* bias,
                     float epsilon, int64_t hidden, float* out);

    // y = activation(y + bias) * gate + residual over [n], in place; of the epilogue, only these count.
    void (*finish_row)(float* y, int64_t n, const Epilogue& epilogue);

    // Softmax(q k^T * scale + bias) v for one task.
    void (*attention)(const AttentionTask& task);

    // Number times scale, laid out as the numbers are; exact.
    void (*widen_key_bytes)(const ByteGroup& group, int64_t head, float* out);
    void (*widen_value_bytes)(const ByteGroup& group, int64_t head, float* out);
};

// The kernels in use: the best this processor runs, or the one forced by name, in any case, through the
// environment variable GGML_TRANSFORMERS_ISA. Throws Error(Unsupported) when that names none of
// `available_kernels`.
const Kernels& kernels();

// All that run on this processor, best first; the scalar reference is last.
std::vector<const Kernels*> available_kernels();

// The one of that name, in any case, among those available, or null.
const Kernels* find_kernels(const std::string& isa);

}  // namespace ggml_transformers
