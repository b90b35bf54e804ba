// The matrix products against sums in double precision, whole and cut into random pieces.
#include <utility>

#include "kernel_checks.h"

namespace kernel_check {

namespace {

struct Shape {
    int64_t k, n, t;
};

std::vector<Shape> shapes(Random& random, int64_t k_step) {
    std::vector<Shape> all = {{32, 1, 1}, {768, 96, 13}, {3072, 33, 7}, {1024, 64, 12}};
    for (int64_t t = 1; t <= 13; ++t) all.push_back({random.whole(1, 12) * k_step, random.whole(1, 100), t});
    for (int i = 0; i < 12; ++i)
        all.push_back({random.whole(1, 3072 / k_step) * k_step, random.whole(1, 100), random.whole(1, 13)});
    return all;
}

// An epilogue of random parts whose output rows stand apart, so that a stray store shows.
struct RandomEpilogue {
    RandomEpilogue(Random& random, const Shape& shape, bool plain)
        : bias(random.normals(shape.n)), residual(random.normals(shape.t * (shape.n + 3))) {
        if (plain) return;
        if (random.whole(0, 1) == 1) epilogue.bias = bias.data();
        if (random.whole(0, 1) == 1) epilogue.residual = residual.data();
        epilogue.residual_stride = shape.n + 3;
        epilogue.activation = activations[random.whole(0, 5)];
    }

    double finish(double product, int64_t row, int64_t column) const {
        if (epilogue.bias) product += epilogue.bias[column];
        product = exact_activation(epilogue.activation, product);
        if (epilogue.residual) product += epilogue.residual[row * epilogue.residual_stride + column];
        return product;
    }

    std::vector<float> bias, residual;
    Epilogue epilogue;
};

// Runs `multiply(row_begin, row_end, panel_begin, panel_end, epilogue)` over everything, in one piece or in
// random pieces; returns the output with the untouched floats between its rows.
template <class Multiply>
std::vector<float> run_product(const Shape& shape, const RandomEpilogue& finish, Random* pieces,
                               Multiply multiply) {
    const int64_t stride = shape.n + 5;
    std::vector<float> out(static_cast<size_t>(shape.t * stride), 77.0f);
    Epilogue epilogue = finish.epilogue;
    epilogue.out = out.data();
    epilogue.out_stride = stride;
    const int64_t panels = (shape.n + 31) / 32;
    if (!pieces) {
        multiply(0, shape.t, 0, panels, epilogue);
        return out;
    }
    for (int64_t row = 0; row < shape.t;) {
        const int64_t row_end = row + pieces->whole(1, shape.t - row);
        for (int64_t panel = 0; panel < panels;) {
            const int64_t panel_end = panel + pieces->whole(1, panels - panel);
            multiply(row, row_end, panel, panel_end, epilogue);
            panel = panel_end;
        }
        row = row_end;
    }
    return out;
}

// The largest error against `exact(row, column)`, relative to the magnitude the sum went through; a float
// that should not have been touched counts as a huge one.
template <class Exact>
double product_error(const Shape& shape, const std::vector<float>& out, Exact exact) {
    double largest = 0.0;
    for (int64_t row = 0; row < shape.t; ++row) {
        for (int64_t column = 0; column < shape.n + 5; ++column) {
            const float got = out[static_cast<size_t>(row * (shape.n + 5) + column)];
            if (column < shape.n) {
                const auto [value, magnitude] = exact(row, column);
                largest = worse(largest, std::fabs(got - value) / magnitude);
            } else if (got != 77.0f) {
                largest = 1e9;
            }
        }
    }
    return largest;
}

}  // namespace

void check_gemm_q8(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(available_kernels().size()), dependent(differing);
    for (const Shape& shape : shapes(random, 32)) {
        const Q8Weights weights(random, shape.k, shape.n);
        const Activations rows(random, shape.t, shape.k);
        const RandomEpilogue finish(random, shape, random.whole(0, 3) == 0);
        const auto run = [&](const Kernels& kernels, Random* pieces) {
            return run_product(shape, finish, pieces,
                               [&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, const Epilogue& epilogue) {
                                   kernels.gemm_q8(weights.packed, rows.quantized, r0, r1, p0, p1, epilogue);
                               });
        };
        const std::vector<float> expected = run(*find_kernels("scalar"), nullptr);
        reference_error =
            worse(reference_error, product_error(shape, expected, [&](int64_t row, int64_t column) {
                      double sum = 0.0, magnitude = 1.0;
                      for (int64_t i = 0; i < shape.k; ++i) {
                          const double term = weights.value(column, i) * weights.scale(column, i / 32) *
                                              rows.quantized.q[row * shape.k + i] *
                                              rows.quantized.scales[row * (shape.k / 32) + i / 32];
                          sum += term;
                          magnitude += std::fabs(term);
                      }
                      return std::pair(finish.finish(sum, row, column), magnitude);
                  }));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *available_kernels()[i];
            const std::vector<float> whole = run(kernels, nullptr);
            differing[i] += different(whole, expected);
            dependent[i] += different(run(kernels, &random), whole);
        }
    }
    report("gemm_q8", "scalar", "relative to the terms", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = available_kernels()[i]->isa;
        report("gemm_q8", isa, "values that differ", static_cast<double>(differing[i]), 0);
        report("gemm_q8 cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
    }
}

void check_gemm_f32(Random& random) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(available_kernels().size()), dependent(differing);
    for (const Shape& shape : shapes(random, 1)) {
        const F32Weights weights(random, shape.k, shape.n);
        const int64_t x_stride = shape.k + random.whole(0, 9);
        const std::vector<float> x = random.normals(shape.t * x_stride);
        const RandomEpilogue finish(random, shape, random.whole(0, 3) == 0);
        const auto run = [&](const Kernels& kernels, Random* pieces) {
            return run_product(shape, finish, pieces,
                               [&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, const Epilogue& epilogue) {
                                   kernels.gemm_f32(weights.packed, x.data(), x_stride, r0, r1, p0, p1,
                                                    epilogue);
                               });
        };
        const std::vector<float> expected = run(*find_kernels("scalar"), nullptr);
        reference_error =
            worse(reference_error, product_error(shape, expected, [&](int64_t row, int64_t column) {
                      double sum = 0.0, magnitude = 1.0;
                      for (int64_t i = 0; i < shape.k; ++i) {
                          const double term =
                              static_cast<double>(weights.rows[static_cast<size_t>(column * shape.k + i)]) *
                              x[static_cast<size_t>(row * x_stride + i)];
                          sum += term;
                          magnitude += std::fabs(term);
                      }
                      return std::pair(finish.finish(sum, row, column), magnitude);
                  }));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *available_kernels()[i];
            const std::vector<float> whole = run(kernels, nullptr);
            differing[i] += different(whole, expected);
            dependent[i] += different(run(kernels, &random), whole);
        }
    }
    report("gemm_f32", "scalar", "relative to the terms", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = available_kernels()[i]->isa;
        report("gemm_f32", isa, "values that differ", static_cast<double>(differing[i]), 0);
        report("gemm_f32 cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
    }
}

void check_packing(Random& random) {
    int64_t differing = 0;
    for (const int64_t n : {1, 31, 32, 33, 100}) {
        const int64_t k = 32 * random.whole(1, 9);
        const Q8Weights q8(random, k, n);
        const F32Weights f32(random, k, n);
        const int64_t panels = q8.packed.panels();
        // Each panel on its own, from the last to the first, into memory that is not zero.
        std::vector<uint8_t> bytes(static_cast<size_t>(panels * q8.packed.panel_bytes()), 0x55);
        std::vector<float> floats(static_cast<size_t>(panels * panel_columns * k), 55.0f);
        for (int64_t panel = panels - 1; panel >= 0; --panel) {
            pack_q8_0(q8.rows(), k, n, panel, panel + 1, bytes.data());
            pack_f32(f32.rows.data(), k, k, n, panel, panel + 1, floats.data());
        }
        differing += std::memcmp(bytes.data(), q8.packed.data, bytes.size()) == 0 ? 0 : 1;
        differing += std::memcmp(floats.data(), f32.packed.data, floats.size() * sizeof(float)) == 0 ? 0 : 1;
        // What lies beyond the last column counts for nothing.
        for (int64_t column = n; column < panels * panel_columns; ++column)
            for (int64_t i = 0; i < k; ++i)
                differing += f32.packed.data[(column / 32 * k + i) * 32 + column % 32] == 0.0f ? 0 : 1;
    }
    report("pack", "scalar", "matrices that differ", static_cast<double>(differing), 0);
}

}  // namespace kernel_check
