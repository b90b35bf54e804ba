// The reference for the products of every format: each value of a unit as formats.h describes it, one output
// at a time.
#include <math.h>

#include "kernels/epilogue.h"
#include "kernels/simd_scalar.h"
#include "kernels/tables.h"
#include "kernels/unit_values.h"

namespace ggml_transformers::scalar {

namespace {

constexpr int64_t part_size = 16;  // values that share a scale in every format

// Adds what the block's minimum takes away; most formats have none.
template <class Unit>
float add_min(const Unit&, int64_t, int64_t, const ByteBlock*, float total) {
    return total;
}
float add_min(const UnitQ4_K& u, int64_t k, int64_t column, const ByteBlock* beside, float total) {
    return fmaf(min_of(u, k, column), beside->scaled_sum, total);
}

// One output value. `row`: its activations.
template <class Unit, class Value>
float dot_column(const Unit* unit, int64_t column, const Value* row, const float* scales,
                 const ByteBlock* beside, int64_t k) {
    constexpr bool shares_scale = Unit::format != Format::Q6_K;
    float total = 0.0f;
    for (int64_t block = 0; block < k / quant_block; ++block, row += quant_block) {
        const Unit& u = unit[block * quant_block / Unit::k];
        const int64_t first = block * quant_block % Unit::k;
        int32_t dot = 0;
        for (int64_t i = 0; i < quant_block; ++i) {
            dot += value_of(u, first + i, column) * row[i];
            if (i + 1 != quant_block && (shares_scale || i + 1 != part_size)) continue;
            const float scale = beside ? beside[block].scale : scales[block];
            total = fmaf(static_cast<float>(dot), scale_of(u, first + i, column) * scale, total);
            dot = 0;
        }
        total = add_min(u, first, column, beside ? beside + block : nullptr, total);
    }
    return total;
}

float dot_column(const UnitF32* unit, int64_t column, const float* row, int64_t k) {
    float total = 0.0f;
    for (int64_t i = 0; i < k; ++i) total = fmaf(row[i], unit[i].values[column], total);
    return total;
}

template <class Unit>
float output(const Unit* units, int64_t column, const Rows& rows, int64_t row, int64_t k) {
    const int64_t blocks = k / quant_block;
    if constexpr (Unit::format == Format::F32)
        return dot_column(units, column, rows.x + row * rows.x_stride, k);
    else if constexpr (info(Unit::format).rows == RowForm::Words)
        return dot_column(units, column, rows.words + row * k, rows.scales + row * blocks, nullptr, k);
    else
        return dot_column(units, column, rows.bytes + row * k, nullptr, rows.blocks + row * blocks, k);
}

}  // namespace

template <class Unit>
void gemm(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue) {
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        for (int64_t row = piece.row_begin; row < piece.row_end; ++row) {
            float tile[panel_columns] = {};
            for (int64_t c = 0; c < columns; ++c)
                tile[c] = output(weights.panel<Unit>(panel), c, rows, row, weights.k);
            finish_tile<F32x16>(tile, 1, row, first, columns, epilogue);
        }
    }
}

template void gemm<UnitQ8_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitQ4_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitQ4_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitQ6_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitQ16>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitF32>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);

}  // namespace ggml_transformers::scalar
