// F32 weights times F32 activations: the reference.
#include <math.h>

#include "kernels/epilogue.h"
#include "kernels/simd_scalar.h"
#include "kernels/tables.h"

namespace ggml_transformers::scalar {

void gemm_f32(const PackedF32& weights, const float* x, int64_t x_stride, int64_t row_begin, int64_t row_end,
              int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue) {
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const float* data = weights.data + panel * weights.k * panel_columns;
        const int64_t column = panel * panel_columns;
        const int64_t columns = weights.n - column < panel_columns ? weights.n - column : panel_columns;
        for (int64_t row = row_begin; row < row_end; ++row) {
            float tile[panel_columns] = {};
            for (int64_t k = 0; k < weights.k; ++k)
                for (int64_t c = 0; c < columns; ++c)
                    tile[c] = fmaf(x[row * x_stride + k], data[k * panel_columns + c], tile[c]);
            finish_tile<F32x16>(tile, 1, row, column, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::scalar
