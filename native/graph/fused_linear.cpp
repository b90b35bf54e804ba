// Matrix products, on weights packed for the kernels where these know the type, else by GGML's dot products.
#include <algorithm>

#include "engine/mapped_file.h"
#include "graph/fused.h"
#include "graph/fused_rows.h"
#include "kernels/pack.h"

namespace ggml_transformers {

namespace {

// Parts of one buffer begin at multiples of the widest vector.
size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

namespace {

// How weights of a file's type are packed.
struct Packing {
    ggml_type type;
    Format format;
    Pack pack;
};

constexpr Packing packings[] = {
    {GGML_TYPE_Q8_0, Format::Q8_0, pack_q8_0}, {GGML_TYPE_Q4_0, Format::Q4_0, pack_q4_0},
    {GGML_TYPE_Q4_K, Format::Q4_K, pack_q4_k}, {GGML_TYPE_Q6_K, Format::Q6_K, pack_q6_k},
    {GGML_TYPE_F16, Format::Q16, pack_f16},    {GGML_TYPE_BF16, Format::Q16, pack_bf16},
    {GGML_TYPE_F32, Format::F32, pack_f32},
};

// Null for what no kernel covers: other types, and rows that are not whole units.
const Packing* packing_of(const ggml_tensor* weight) {
    for (const Packing& packing : packings)
        if (packing.type == weight->type && weight->ne[0] % info(packing.format).unit_k == 0) return &packing;
    return nullptr;
}

}  // namespace

const FusedCpu::Packed& FusedCpu::packed(const ggml_tensor* weight) {
    const auto [entry, is_new] = packed_.try_emplace(weight->data);
    Packed& p = entry->second;
    if (!is_new) return p;
    const Packing& packing = *packing_of(weight);
    p.weights = {packing.format, weight->ne[0], weight->ne[1], nullptr};
    p.weights.data = p.memory.reserve(static_cast<size_t>(p.weights.bytes()));
    pool_.parallel(p.weights.panels(),
                   [&](int64_t i, int) { packing.pack(weight->data, p.weights, i, i + 1); });
    packed_bytes_ += p.memory.bytes();
    // On the CPU matrices lie in the mapped file; vectors do not.
    if (ggml_n_dims(weight) > 1) release_pages(weight->data, ggml_nbytes(weight));
    return p;
}

struct FusedCpu::Product {
    const ggml_tensor* weight;
    const ggml_tensor* x;
    Epilogue epilogue;
};

namespace {

Arithmetic arithmetic(const std::vector<Linear>& layers, int64_t tokens) {
    Arithmetic sum;
    for (const Linear& layer : layers) {
        const ggml_tensor* w = layer.weight;
        sum += Arithmetic::product(w->type, tokens, w->ne[0], w->ne[1]);
    }
    return sum;
}

}  // namespace

ggml_tensor* FusedCpu::linear(GraphBuilder& builder, const std::vector<Linear>& layers, ggml_tensor* x,
                              FusedActivation activation, ggml_tensor* residual) {
    int64_t outputs = 0;
    for (const Linear& layer : layers) outputs += layer.weight->ne[1];
    return builder.custom(
        outputs, x->ne[1], {x, residual},
        [=](ggml_tensor* out) { compute_linear(layers, x, activation, residual, out); },
        [=](const ggml_tensor* out) { return arithmetic(layers, out->ne[1]); });
}

void FusedCpu::compute_linear(const std::vector<Linear>& layers, const ggml_tensor* x,
                              FusedActivation activation, const ggml_tensor* residual, ggml_tensor* out) {
    int64_t first = 0;  // output of the layer at hand
    for (const Linear& layer : layers) {
        Product product{layer.weight, x, {}};
        Epilogue& e = product.epilogue;
        e.bias = floats(layer.bias);
        e.activation = activation;
        e.out = static_cast<float*>(out->data) + first;
        e.out_stride = row_stride(out);
        if (residual != nullptr) {
            e.residual = floats(residual) + first;
            e.residual_stride = row_stride(residual);
        }
        const bool same_rows = first > 0 && layer.weight->type == layers.front().weight->type;
        multiply(product, same_rows);
        first += layer.weight->ne[1];
    }
}

template <class Work>
void FusedCpu::for_each_row(const ggml_tensor* x, Work work) {
    const Profile::Part part(profile_, "quantize");
    const int64_t tokens = x->ne[1], piece = rows_per_piece(x->ne[0]);
    pool_.parallel(ceil_div(tokens, piece), [&](int64_t i, int) {
        for (int64_t t = i * piece; t < std::min(tokens, (i + 1) * piece); ++t) work(t);
    });
}

Rows FusedCpu::byte_rows(const ggml_tensor* x, bool ready) {
    const int64_t k = x->ne[0], tokens = x->ne[1], blocks = k / quant_block;
    const size_t q_bytes = aligned(static_cast<size_t>(tokens * k));
    const size_t block_bytes = aligned(static_cast<size_t>(tokens * blocks) * sizeof(float));
    uint8_t* memory = rows_.reserve(q_bytes + 4 * block_bytes);
    uint8_t* per_block = memory + q_bytes;
    const ByteRow all = {reinterpret_cast<int8_t*>(memory), reinterpret_cast<float*>(per_block),
                         reinterpret_cast<int32_t*>(per_block + block_bytes),
                         reinterpret_cast<int32_t*>(per_block + 2 * block_bytes),
                         reinterpret_cast<float*>(per_block + 3 * block_bytes)};
    Rows rows;
    rows.bytes = all.q;
    rows.scales = all.scales;
    rows.sums = all.sums;
    rows.first_sums = all.first_sums;
    rows.scaled_sums = all.scaled_sums;
    if (ready) return rows;
    for_each_row(x, [&](int64_t t) {
        const int64_t at = t * blocks;
        kernels_.quantize_row(
            floats(x) + t * row_stride(x), k,
            {all.q + t * k, all.scales + at, all.sums + at, all.first_sums + at, all.scaled_sums + at});
    });
    return rows;
}

Rows FusedCpu::word_rows(const ggml_tensor* x, bool ready) {
    const int64_t k = x->ne[0], tokens = x->ne[1], blocks = k / quant_block;
    const size_t q_bytes = aligned(static_cast<size_t>(tokens * k) * sizeof(int16_t));
    uint8_t* memory = rows_.reserve(q_bytes + static_cast<size_t>(tokens * blocks) * sizeof(float));
    auto* words = reinterpret_cast<int16_t*>(memory);
    auto* scales = reinterpret_cast<float*>(memory + q_bytes);
    Rows rows;
    rows.words = words;
    rows.scales = scales;
    if (ready) return rows;
    for_each_row(x, [&](int64_t t) {
        kernels_.quantize_row_words(floats(x) + t * row_stride(x), k, words + t * k, scales + t * blocks);
    });
    return rows;
}

Rows FusedCpu::rows_of(const ggml_tensor* x, RowForm form, bool ready) {
    if (form == RowForm::Bytes) return byte_rows(x, ready);
    if (form == RowForm::Words) return word_rows(x, ready);
    Rows rows;
    rows.x = floats(x);
    rows.x_stride = row_stride(x);
    return rows;
}

namespace {

// How a product of `tokens` rows and `panels` column panels is cut: pieces large enough to be worth taking,
// small enough to keep every thread busy to the end.
struct Tiling {
    int64_t rows;    // per piece
    int64_t panels;  // per piece
    int64_t row_pieces;
    int64_t panel_pieces;
};

Tiling tile(int64_t tokens, int64_t panels, int64_t k, int threads) {
    constexpr int64_t most_rows = 16 * row_tile;
    constexpr int64_t worth_taking = 400'000;  // multiply-adds
    Tiling t{};
    t.rows = std::min(tokens, most_rows);
    t.row_pieces = ceil_div(tokens, t.rows);
    const int64_t wanted = ceil_div(worth_taking, t.rows * panel_columns * k);
    const int64_t fair = std::max<int64_t>(1, panels / (4 * threads));
    t.panels = std::clamp<int64_t>(wanted, 1, fair);
    t.panel_pieces = ceil_div(panels, t.panels);
    return t;
}

}  // namespace

void FusedCpu::multiply(const Product& product, bool same_rows) {
    if (packing_of(product.weight) == nullptr) {
        multiply_by_dots(product, same_rows);
        return;
    }
    const PackedWeights& weights = packed(product.weight).weights;
    const ggml_tensor* x = product.x;
    const int64_t tokens = x->ne[1], panels = weights.panels();
    const Rows rows = rows_of(x, info(weights.format).rows, same_rows);
    const Gemm gemm = kernels_.gemm[static_cast<int>(weights.format)];
    const Tiling t = tile(tokens, panels, x->ne[0], pool_.threads());
    pool_.parallel(t.row_pieces * t.panel_pieces, [&](int64_t i, int) {
        const int64_t row = i / t.panel_pieces * t.rows, panel = i % t.panel_pieces * t.panels;
        gemm(weights, rows, {row, std::min(tokens, row + t.rows), panel, std::min(panels, panel + t.panels)},
             product.epilogue);
    });
}

// Weight types without a packed kernel: GGML's own dot products on this pool.

const uint8_t* FusedCpu::converted_rows(const ggml_tensor* x, ggml_type type, bool ready) {
    const int64_t k = x->ne[0], tokens = x->ne[1];
    const size_t row_bytes = ggml_row_size(type, k);
    uint8_t* memory = rows_.reserve(row_bytes * static_cast<size_t>(tokens));
    if (ready) return memory;
    const Profile::Part part(profile_, "quantize");
    const ggml_from_float_t convert = ggml_get_type_traits_cpu(type)->from_float;
    const int64_t piece = rows_per_piece(k);
    pool_.parallel(ceil_div(tokens, piece), [&](int64_t i, int) {
        for (int64_t t = i * piece; t < std::min(tokens, (i + 1) * piece); ++t) {
            convert(floats(x) + t * row_stride(x), memory + static_cast<size_t>(t) * row_bytes, k);
        }
    });
    return memory;
}

void FusedCpu::multiply_by_dots(const Product& product, bool same_rows) {
    const ggml_tensor* w = product.weight;
    const ggml_tensor* x = product.x;
    const ggml_type_traits_cpu* traits = ggml_get_type_traits_cpu(w->type);
    const int64_t k = x->ne[0], tokens = x->ne[1], n = w->ne[1];
    const uint8_t* rows = converted_rows(x, traits->vec_dot_type, same_rows);
    const size_t row_bytes = ggml_row_size(traits->vec_dot_type, k);
    const auto* columns = static_cast<const uint8_t*>(w->data);
    const Epilogue& e = product.epilogue;

    constexpr int64_t piece_rows = 16, piece_columns = 32;
    const int64_t row_pieces = ceil_div(tokens, piece_rows), column_pieces = ceil_div(n, piece_columns);
    pool_.parallel(row_pieces * column_pieces, [&](int64_t i, int) {
        const int64_t first_row = i / column_pieces * piece_rows, first = i % column_pieces * piece_columns;
        const int64_t last = std::min(n, first + piece_columns);
        for (int64_t t = first_row; t < std::min(tokens, first_row + piece_rows); ++t) {
            float* out = e.out + t * e.out_stride;
            for (int64_t c = first; c < last; ++c) {
                traits->vec_dot(static_cast<int>(k), out + c, 0, columns + static_cast<size_t>(c) * w->nb[1],
                                0, rows + static_cast<size_t>(t) * row_bytes, 0, 1);
            }
            const float* residual =
                e.residual == nullptr ? nullptr : e.residual + t * e.residual_stride + first;
            kernels_.finish_row(out + first, last - first, e.bias == nullptr ? nullptr : e.bias + first,
                                e.activation, residual);
        }
    });
}

}  // namespace ggml_transformers
