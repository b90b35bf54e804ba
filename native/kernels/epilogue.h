// What happens to a tile of products before it is stored, over the F32x16 of any instruction set.
#pragma once

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "kernels/quantize_rows.h"

namespace ggml_transformers {

template <FusedActivation activation, class V>
inline V activate(V x) {
    if constexpr (activation == FusedActivation::Gelu) return gelu(x);
    if constexpr (activation == FusedActivation::GeluTanh) return gelu_tanh(x);
    if constexpr (activation == FusedActivation::Relu) return max(V::zero(), x);
    if constexpr (activation == FusedActivation::Silu) return silu(x);
    if constexpr (activation == FusedActivation::Tanh) return tanh(x);
    return x;
}

template <FusedActivation activation, class V>
inline void finish_rows(float* tile, int64_t rows, int64_t row, int64_t column, int64_t columns,
                        const Epilogue& epilogue) {
    const bool whole_numbers = epilogue.bytes.q || epilogue.words.q;
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t out_at = (row + r) * epilogue.out_stride + column;
        const int64_t gate_at = (row + r) * epilogue.gate_stride + column;
        const int64_t residual_at = (row + r) * epilogue.residual_stride + column;
        for (int64_t c = 0; c < columns; c += 16) {
            const int64_t count = columns - c;
            const bool whole = count >= 16;
            float* product = tile + r * panel_columns + c;
            V x = whole ? V::load(product) : V::load_first(product, count);
            if (epilogue.bias) {
                const float* bias = epilogue.bias + column + c;
                x = add(x, whole ? V::load(bias) : V::load_first(bias, count));
            }
            x = activate<activation>(x);
            if (epilogue.gate) {
                const float* gate = epilogue.gate + gate_at + c;
                x = mul(x, whole ? V::load(gate) : V::load_first(gate, count));
            }
            if (epilogue.residual) {
                const float* residual = epilogue.residual + residual_at + c;
                x = add(x, whole ? V::load(residual) : V::load_first(residual, count));
            }
            if (whole_numbers) x.store(product);
            if (!epilogue.out) continue;
            if (whole)
                x.store(epilogue.out + out_at + c);
            else
                x.store_first(epilogue.out + out_at + c, count);
        }
    }
}

template <class V>
inline void apply_epilogue(float* tile, int64_t rows, int64_t row, int64_t column, int64_t columns,
                           const Epilogue& epilogue) {
    switch (epilogue.activation) {
        case FusedActivation::None:
            return finish_rows<FusedActivation::None, V>(tile, rows, row, column, columns, epilogue);
        case FusedActivation::Gelu:
            return finish_rows<FusedActivation::Gelu, V>(tile, rows, row, column, columns, epilogue);
        case FusedActivation::GeluTanh:
            return finish_rows<FusedActivation::GeluTanh, V>(tile, rows, row, column, columns, epilogue);
        case FusedActivation::Relu:
            return finish_rows<FusedActivation::Relu, V>(tile, rows, row, column, columns, epilogue);
        case FusedActivation::Silu:
            return finish_rows<FusedActivation::Silu, V>(tile, rows, row, column, columns, epilogue);
        case FusedActivation::Tanh:
            return finish_rows<FusedActivation::Tanh, V>(tile, rows, row, column, columns, epilogue);
    }
}

// Finishes and stores a tile [rows][32] of products, of which `columns` exist, for the output at (row,
// column). The tile is lost.
template <class V>
inline void finish_tile(float* tile, int64_t rows, int64_t row, int64_t column, int64_t columns,
                        const Epilogue& epilogue) {
    apply_epilogue<V>(tile, rows, row, column, columns, epilogue);
    if (epilogue.bytes.q)
        quantize_tile<V>(tile, rows, row, column / quant_block, epilogue.row_blocks, epilogue.bytes);
    if (epilogue.words.q)
        quantize_tile<V>(tile, rows, row, column / quant_block, epilogue.row_blocks, epilogue.words);
}

// The same for one row of any width, in place.
template <class V>
void finish_row(float* y, int64_t n, const Epilogue& finish) {
    Epilogue epilogue;
    epilogue.bias = finish.bias;
    epilogue.activation = finish.activation;
    epilogue.gate = finish.gate;
    epilogue.residual = finish.residual;
    epilogue.out = y;
    apply_epilogue<V>(y, 1, 0, 0, n, epilogue);
}

}  // namespace ggml_transformers
