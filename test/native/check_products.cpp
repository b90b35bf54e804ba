// The matrix products against sums in double precision, whole and cut into random pieces.
#include <utility>

#include "kernel_checks.h"

namespace kernel_check {

namespace {

struct Shape {
    int64_t k, n, t;
};

std::vector<Shape> shapes(Random& random, int64_t k_step) {
    std::vector<Shape> all = {{k_step, 1, 1}, {768, 96, 13}, {3072, 33, 7}, {1024, 64, 12}, {k_step, 32, 70},
                              {768, 96, 48},  {3 * k_step, 40, 16}};
    for (int64_t t = 1; t <= 13; ++t) all.push_back({random.whole(1, 12) * k_step, random.whole(1, 100), t});
    for (int i = 0; i < 12; ++i)
        all.push_back({random.whole(1, 3072 / k_step) * k_step, random.whole(1, 100), random.whole(1, 13)});
    // Enough rows for the tiles of processors that have such, and some more.
    for (int i = 0; i < 6; ++i)
        all.push_back({random.whole(1, 1024 / k_step) * k_step, random.whole(1, 100), random.whole(14, 150)});
    return all;
}

// An epilogue of random parts whose output rows stand apart, so that a stray store shows.
struct RandomEpilogue {
    RandomEpilogue(Random& random, const Shape& shape, bool plain)
        : bias(random.normals(shape.n)),
          gate(random.normals(shape.t * (shape.n + 1))),
          residual(random.normals(shape.t * (shape.n + 3))) {
        if (plain) return;
        if (random.whole(0, 1) == 1) epilogue.bias = bias.data();
        if (random.whole(0, 1) == 1) epilogue.residual = residual.data();
        if (random.whole(0, 1) == 1) epilogue.gate = gate.data();
        epilogue.gate_stride = shape.n + 1;
        epilogue.residual_stride = shape.n + 3;
        epilogue.activation = activations[random.whole(0, 5)];
    }

    double finish(double product, int64_t row, int64_t column) const {
        if (epilogue.bias) product += epilogue.bias[column];
        product = exact_activation(epilogue.activation, product);
        if (epilogue.gate) product *= epilogue.gate[row * epilogue.gate_stride + column];
        if (epilogue.residual) product += epilogue.residual[row * epilogue.residual_stride + column];
        return product;
    }

    // How much larger the gate makes an error.
    double spread(int64_t row, int64_t column) const {
        if (!epilogue.gate) return 1.0;
        return 1.0 + std::fabs(epilogue.gate[row * epilogue.gate_stride + column]);
    }

    std::vector<float> bias, gate, residual;
    Epilogue epilogue;
};

// Runs `multiply(piece, epilogue)` over everything, in one piece or in
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
        multiply({0, shape.t, 0, panels}, epilogue);
        return out;
    }
    for (int64_t row = 0; row < shape.t;) {
        const int64_t row_end = row + pieces->whole(1, shape.t - row);
        for (int64_t panel = 0; panel < panels;) {
            const int64_t panel_end = panel + pieces->whole(1, panels - panel);
            multiply({row, row_end, panel, panel_end}, epilogue);
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

// What a kernel rounds as it finishes a product: the same as the rounding of its floats.
int64_t rounded_differences(Random& random, const Kernels& kernels, const Weights& weights, const Rows& rows,
                            const Shape& shape, const RandomEpilogue& finish) {
    const int64_t n = shape.n, blocks = n / 32;
    const size_t values = static_cast<size_t>(shape.t * n), all_blocks = values / 32;
    std::vector<float> out(values), scales(all_blocks), expected_scales(all_blocks);
    std::vector<int8_t> bytes(values), expected_bytes(values);
    std::vector<int16_t> words(values), expected_words(values);
    std::vector<ByteBlock> beside(all_blocks), expected_beside(all_blocks);
    const auto run = [&](Epilogue epilogue, Random* pieces) {
        run_product(shape, finish, pieces, [&](const Piece& piece, Epilogue part) {
            part.out = epilogue.out;
            part.out_stride = n;
            part.bytes = epilogue.bytes;
            part.words = epilogue.words;
            part.row_blocks = blocks;
            kernels.gemm[static_cast<int>(weights.packed.format)](weights.packed, rows, piece, part);
        });
    };
    Epilogue floats, rounded, both;
    floats.out = both.out = out.data();
    rounded.bytes = {bytes.data(), beside.data()};
    both.words = {words.data(), scales.data()};
    run(rounded, &random);
    run(both, &random);
    std::vector<float> once = out;
    run(floats, nullptr);
    kernels.quantize_row(out.data(), shape.t * n, {expected_bytes.data(), expected_beside.data()});
    kernels.quantize_row_words(out.data(), shape.t * n, {expected_words.data(), expected_scales.data()});
    int64_t count = different(once, out) + different(scales, expected_scales);
    for (size_t i = 0; i < values; ++i)
        count += bytes[i] != expected_bytes[i] || words[i] != expected_words[i] ? 1 : 0;
    count += std::memcmp(beside.data(), expected_beside.data(), all_blocks * sizeof(ByteBlock)) == 0 ? 0 : 1;
    return count;
}

void check_gemm(Random& random, const FormatInfo& format) {
    double reference_error = 0.0;
    std::vector<int64_t> differing(checked_kernels().size()), dependent(differing), rounded(differing);
    for (const Shape& shape : shapes(random, format.unit_k)) {
        const Weights weights(random, format.format, shape.k, shape.n, random.whole(0, 1) == 1);
        const Activations activations(random, shape.t, shape.k, shape.k + random.whole(0, 9));
        const Rows rows = activations.rows(format.rows);
        const RandomEpilogue finish(random, shape, random.whole(0, 3) == 0);
        const auto run = [&](const Kernels& kernels, Random* pieces) {
            return run_product(shape, finish, pieces, [&](const Piece& piece, const Epilogue& epilogue) {
                kernels.gemm[static_cast<int>(format.format)](weights.packed, rows, piece, epilogue);
            });
        };
        const std::vector<float> expected = run(*find_kernels("scalar"), nullptr);
        reference_error = worse(
            reference_error, product_error(shape, expected, [&](int64_t row, int64_t column) {
                double sum = 0.0, magnitude = 1.0;
                for (int64_t i = 0; i < shape.k; ++i) {
                    const double term = weights.value(column, i) * activation_value(rows, row, i, shape.k);
                    sum += term;
                    magnitude += std::fabs(term);
                }
                return std::pair(finish.finish(sum, row, column), magnitude * finish.spread(row, column));
            }));
        for (size_t i = 0; i < differing.size(); ++i) {
            const Kernels& kernels = *checked_kernels()[i];
            const std::vector<float> whole = run(kernels, nullptr);
            differing[i] += different(whole, expected);
            dependent[i] += different(run(kernels, &random), whole);
            if (shape.n % 32 == 0)
                rounded[i] += rounded_differences(random, kernels, weights, rows, shape, finish);
        }
    }
    const std::string name = std::string("gemm ") + format.name;
    report(name, "scalar", "relative to the terms", reference_error, 1e-6);
    for (size_t i = 0; i < differing.size(); ++i) {
        const char* isa = checked_kernels()[i]->isa;
        report(name, isa, "values that differ", static_cast<double>(differing[i]), 0);
        report(name + " cut", isa, "values that differ", static_cast<double>(dependent[i]), 0);
        report(name + " rounded", isa, "values that differ", static_cast<double>(rounded[i]), 0);
    }
}

}  // namespace

void check_gemms(Random& random) {
    for (const FormatInfo& format : formats) check_gemm(random, format);
}

namespace {

// Steps by which Q16 is off the file's values, at most.
double q16_error(const Weights& weights) {
    double largest = 0.0;
    for (int64_t column = 0; column < weights.packed.n; ++column)
        for (int64_t i = 0; i < weights.packed.k; ++i) {
            const double step = weights.packed.panel<UnitQ16>(column / 32)[i / 32].scales[column % 32];
            const double off = std::fabs(weights.value(column, i) - weights.file_value(column, i));
            largest = worse(largest, step == 0.0 ? off * 1e30 : off / step);
        }
    return largest;
}

// The largest error of a row taken back out of the panels, relative to its terms.
double unpack_error(const Weights& weights) {
    double largest = 0.0;
    std::vector<float> row(static_cast<size_t>(weights.packed.k));
    for (int64_t column = 0; column < weights.packed.n; ++column) {
        unpack_row(weights.packed, column, row.data());
        for (int64_t i = 0; i < weights.packed.k; ++i) {
            const double exact = weights.value(column, i);
            // A minimum may take away all but a little.
            largest =
                worse(largest, std::fabs(row[static_cast<size_t>(i)] - exact) / (std::fabs(exact) + 1.0));
        }
    }
    return largest;
}

}  // namespace

void check_packing(Random& random) {
    for (const FormatInfo& format : formats) {
        int64_t differing = 0;
        double off = 0.0, unpacked = 0.0;
        for (const int64_t n : {1, 31, 32, 33, 100}) {
            const int64_t k = format.unit_k * random.whole(1, 9);
            const Weights weights(random, format.format, k, n, n % 2 == 0);
            if (format.format == Format::Q16) off = worse(off, q16_error(weights));
            unpacked = worse(unpacked, unpack_error(weights));
            // Each panel on its own, from the last to the first, into memory that is not zero.
            Aligned<uint8_t> bytes(weights.packed.bytes());
            std::memset(bytes.data(), 0x55, static_cast<size_t>(weights.packed.bytes()));
            PackedWeights again = weights.packed;
            again.data = bytes.data();
            for (int64_t panel = again.panels() - 1; panel >= 0; --panel)
                weights.pack(again, panel, panel + 1);
            const int order =
                std::memcmp(bytes.data(), weights.packed.data, static_cast<size_t>(weights.packed.bytes()));
            differing += order == 0 ? 0 : 1;
        }
        report(std::string("pack ") + format.name, "scalar", "matrices that differ",
               static_cast<double>(differing), 0);
        report(std::string("unpack ") + format.name, "scalar", "relative to the terms", unpacked, 1.2e-7);
        if (format.format == Format::Q16) report("pack Q16", "scalar", "steps", off, 0.502);
    }
}

}  // namespace kernel_check
