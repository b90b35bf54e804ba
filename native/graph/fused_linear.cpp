// Matrix products, on weights packed for the kernels where these know the type, else by GGML's dot products.
#include <algorithm>
#include <array>

#include "engine/mapped_file.h"
#include "graph/fused.h"
#include "graph/fused_rows.h"
#include "kernels/pack.h"

namespace ggml_transformers {

namespace {

// How weights of a file's type are packed.
struct Packing {
    ggml_type type;
    Format format;
    Pack pack;
};

constexpr Packing packings[] = {
    {GGML_TYPE_Q8_0, Format::Q8_0, pack_q8_0}, {GGML_TYPE_Q5_0, Format::Q8_0, pack_q5_0},
    {GGML_TYPE_Q4_0, Format::Q4_0, pack_q4_0}, {GGML_TYPE_Q4_K, Format::Q4_K, pack_q4_k},
    {GGML_TYPE_Q6_K, Format::Q6_K, pack_q6_k}, {GGML_TYPE_F16, Format::Q16, pack_f16},
    {GGML_TYPE_BF16, Format::Q16, pack_bf16},  {GGML_TYPE_F32, Format::F32, pack_f32},
};

// Null for what no kernel covers: other types, and rows that are not whole units.
const Packing* packing_of(const ggml_tensor* weight) {
    for (const Packing& packing : packings)
        if (packing.type == weight->type && weight->ne[0] % info(packing.format).unit_k == 0) return &packing;
    return nullptr;
}

}  // namespace

bool FusedCpu::has_kernel(const ggml_tensor* weight) { return packing_of(weight) != nullptr; }

RowForm FusedCpu::row_form(const ggml_tensor* weight) {
    const Packing* packing = packing_of(weight);
    return packing == nullptr ? RowForm::Floats : info(packing->format).rows;
}

const PackedWeights& FusedCpu::packed(const ggml_tensor* weight) {
    const auto [entry, is_new] = packed_.try_emplace(weight->data);
    PackedWeights& p = entry->second;
    if (!is_new) return p;
    const Packing& packing = *packing_of(weight);
    p = {packing.format, weight->ne[0], weight->ne[1], nullptr};
    p.data = weight_memory_.take(static_cast<size_t>(p.bytes()));
    pool_.parallel(p.panels(), [&](int64_t i, int) { packing.pack(weight->data, p, i, i + 1); });
    // On the CPU matrices lie in the mapped file; vectors do not.
    if (ggml_n_dims(weight) > 1) release_pages(weight->data, ggml_nbytes(weight));
    return p;
}

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
                              FusedActivation activation, ggml_tensor* residual, ggml_tensor* gate) {
    int64_t outputs = 0;
    for (const Linear& layer : layers) {
        outputs += layer.weight->ne[1];
        want_rows(x, row_form(layer.weight));
    }
    want_floats(residual);
    want_floats(gate);
    return builder.custom(
        outputs, x->ne[1], {x, residual, gate},
        [=](ggml_tensor* out) { compute_linear(layers, x, activation, residual, gate, out); },
        [=](const ggml_tensor* out) { return arithmetic(layers, out->ne[1]); });
}

void FusedCpu::compute_linear(const std::vector<Linear>& layers, const ggml_tensor* x,
                              FusedActivation activation, const ggml_tensor* residual,
                              const ggml_tensor* gate, ggml_tensor* out) {
    const bool alone = layers.size() == 1 && packing_of(layers.front().weight) != nullptr;
    const Wanted wanted = alone ? wanted_of(out, x) : Wanted{};
    std::array<Product, most_products> products;
    size_t count = 0;
    int64_t first = 0;                         // output of the layer at hand
    ggml_type converted_to = GGML_TYPE_COUNT;  // what x was converted to for the last product by dots
    for (const Linear& layer : layers) {
        Product product;
        product.weight = layer.weight;
        Epilogue& e = product.epilogue;
        e.bias = floats(layer.bias);
        e.activation = activation;
        e.out = wanted.floats ? static_cast<float*>(out->data) + first : nullptr;
        e.out_stride = row_stride(out);
        e.bytes = wanted.bytes;
        e.words = wanted.words;
        e.row_blocks = out->ne[0] / quant_block;
        if (gate != nullptr) {
            e.gate = floats(gate) + first;
            e.gate_stride = row_stride(gate);
        }
        if (residual != nullptr) {
            e.residual = floats(residual) + first;
            e.residual_stride = row_stride(residual);
        }
        first += layer.weight->ne[1];
        if (packing_of(layer.weight) == nullptr) {
            const ggml_type type = ggml_get_type_traits_cpu(layer.weight->type)->vec_dot_type;
            multiply_by_dots(x, product, type == converted_to);
            converted_to = type;
        } else {
            products[count++] = product;
        }
    }
    multiply(x, products.data(), count);
}

Rows FusedCpu::rows_of(const ggml_tensor* x, RowForm form) {
    if (form == RowForm::Floats) {
        Rows rows;
        rows.x = floats(x);
        rows.x_stride = row_stride(x);
        return rows;
    }
    for (const RowStore& store : stores_)
        if (store.holds(x, form)) return store.rows();
    const Profile::Part part(profile_, "quantize");
    RowStore& store = next_store(x);
    Wanted to;
    if (form == RowForm::Bytes) {
        to.bytes = store.take_bytes(x);
    } else {
        to.words = store.take_words(x);
    }
    const int64_t k = x->ne[0], tokens = x->ne[1], piece = rows_per_piece(k, tokens, pool_.threads());
    pool_.parallel(ceil_div(tokens, piece), [&](int64_t i, int) {
        for (int64_t t = i * piece; t < std::min(tokens, (i + 1) * piece); ++t)
            quantize_row(floats(x) + t * row_stride(x), t, k, to);
    });
    return store.rows();
}

namespace {

// How a product of `tokens` rows and `panels` column panels is cut: pieces large enough to be worth taking,
// small enough to keep every thread busy to the end. The panels of some rows come one after the other, so
// that the rows stay in a thread's caches.
struct Tiling {
    int64_t rows;    // per piece
    int64_t panels;  // per piece
    int64_t row_pieces;
    int64_t panel_pieces;

    int64_t pieces() const { return row_pieces * panel_pieces; }
};

Tiling tile(int64_t tokens, int64_t panels, int64_t k, int threads) {
    constexpr int64_t most_rows = 128, row_step = 4;
    constexpr int64_t worth_taking = 150'000;  // multiply-adds
    Tiling t{};
    t.row_pieces = ceil_div(tokens, most_rows);
    t.rows = ceil_div(ceil_div(tokens, t.row_pieces), row_step) * row_step;
    t.row_pieces = ceil_div(tokens, t.rows);
    const int64_t wanted = ceil_div(worth_taking, t.rows * panel_columns * k);
    const int64_t fair = std::max<int64_t>(1, panels / (4 * threads));
    t.panels = std::clamp<int64_t>(wanted, 1, fair);
    t.panel_pieces = ceil_div(panels, t.panels);
    return t;
}

}  // namespace

void FusedCpu::multiply(const ggml_tensor* x, const Product* products, size_t count) {
    struct Work {
        const PackedWeights* weights;
        Gemm gemm;
        Rows rows;
        Tiling tiling;
        int64_t first_piece;
    };
    std::array<Work, most_products> work{};
    const int64_t tokens = x->ne[1];
    int64_t pieces = 0;
    for (size_t i = 0; i < count; ++i) {
        const PackedWeights& weights = packed(products[i].weight);
        const Tiling t = tile(tokens, weights.panels(), x->ne[0], pool_.threads());
        work[i] = {&weights, kernels_.gemm[static_cast<int>(weights.format)],
                   rows_of(x, info(weights.format).rows), t, pieces};
        pieces += t.pieces();
    }
    pool_.parallel(pieces, [&](int64_t piece, int) {
        size_t i = count - 1;
        while (piece < work[i].first_piece) --i;
        const auto& [weights, gemm, rows, t, first_piece] = work[i];
        const int64_t at = piece - first_piece;
        const int64_t row = at / t.panel_pieces * t.rows, panel = at % t.panel_pieces * t.panels;
        gemm(*weights, rows,
             {row, std::min(tokens, row + t.rows), panel, std::min(weights->panels(), panel + t.panels),
              t.panels},
             products[i].epilogue);
    });
}

// Weight types without a packed kernel: GGML's own dot products on this pool.

const uint8_t* FusedCpu::converted_rows(const ggml_tensor* x, ggml_type type, bool ready) {
    const int64_t k = x->ne[0], tokens = x->ne[1];
    const size_t row_bytes = ggml_row_size(type, k);
    uint8_t* memory = converted_.reserve(row_bytes * static_cast<size_t>(tokens));
    if (ready) return memory;
    const Profile::Part part(profile_, "quantize");
    const ggml_from_float_t convert = ggml_get_type_traits_cpu(type)->from_float;
    const int64_t piece = rows_per_piece(k, tokens, pool_.threads());
    pool_.parallel(ceil_div(tokens, piece), [&](int64_t i, int) {
        for (int64_t t = i * piece; t < std::min(tokens, (i + 1) * piece); ++t) {
            convert(floats(x) + t * row_stride(x), memory + static_cast<size_t>(t) * row_bytes, k);
        }
    });
    return memory;
}

void FusedCpu::multiply_by_dots(const ggml_tensor* x, const Product& product, bool same_rows) {
    const ggml_tensor* w = product.weight;
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
            Epilogue finish;
            finish.activation = e.activation;
            if (e.bias != nullptr) finish.bias = e.bias + first;
            if (e.gate != nullptr) finish.gate = e.gate + t * e.gate_stride + first;
            if (e.residual != nullptr) finish.residual = e.residual + t * e.residual_stride + first;
            kernels_.finish_row(out + first, last - first, finish);
        }
    });
}

}  // namespace ggml_transformers
