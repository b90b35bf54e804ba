#include "graph/row_store.h"

#include <algorithm>

namespace ggml_transformers {

namespace {

// Parts of one buffer begin at multiples of the widest vector.
size_t aligned(int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); }

template <class T>
T* next(uint8_t*& memory, int64_t count) {
    T* part = reinterpret_cast<T*>(memory);
    memory += aligned(count * static_cast<int64_t>(sizeof(T)));
    return part;
}

template <class T>
void copy_strided(const T* from, T* to, int64_t rows, int64_t count, int64_t stride) {
    for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * count, count, to + r * stride);
}

// A tensor's operation parameters end with what is wanted of it; GGML uses the first few of a custom one.
constexpr size_t wants_at = GGML_MAX_OP_PARAMS / sizeof(int32_t) - 1;
constexpr int32_t bit(RowForm form) { return 1 << static_cast<int32_t>(form); }

void want(ggml_tensor* x, RowForm form) {
    if (x != nullptr && x->op == GGML_OP_CUSTOM) x->op_params[wants_at] |= bit(form);
}

}  // namespace

ByteRow RowStore::take_bytes(const ggml_tensor* x) {
    const int64_t values = x->ne[0] * x->ne[1], blocks = values / quant_block;
    constexpr int64_t block_bytes = sizeof(ByteBlock);
    uint8_t* memory = memory_.reserve(aligned(values) + aligned(blocks * block_bytes));
    auto* q = next<int8_t>(memory, values);
    bytes_ = {q, next<ByteBlock>(memory, blocks)};
    of_ = x;
    form_ = RowForm::Bytes;
    return bytes_;
}

WordRow RowStore::take_words(const ggml_tensor* x) {
    const int64_t values = x->ne[0] * x->ne[1], blocks = values / quant_block;
    uint8_t* memory = memory_.reserve(aligned(values * 2) + aligned(blocks * 4));
    auto* q = next<int16_t>(memory, values);
    words_ = {q, next<float>(memory, blocks)};
    of_ = x;
    form_ = RowForm::Words;
    return words_;
}

Rows RowStore::rows() const {
    Rows rows;
    if (form_ == RowForm::Bytes) {
        rows.bytes = bytes_.q;
        rows.blocks = bytes_.blocks;
    } else {
        rows.words = words_.q;
        rows.scales = words_.scales;
    }
    return rows;
}

void RowStore::release() {
    memory_.release();
    forget();
}

void copy_rows(const ByteRow& from, const RowPart& part, const ByteRow& out) {
    const int64_t at = part.row * part.row_blocks + part.block;
    copy_strided(from.q, out.q + at * quant_block, part.rows, part.blocks * quant_block,
                 part.row_blocks * quant_block);
    copy_strided(from.blocks, out.blocks + at, part.rows, part.blocks, part.row_blocks);
}

void copy_rows(const WordRow& from, const RowPart& part, const WordRow& out) {
    const int64_t at = part.row * part.row_blocks + part.block;
    copy_strided(from.q, out.q + at * quant_block, part.rows, part.blocks * quant_block,
                 part.row_blocks * quant_block);
    copy_strided(from.scales, out.scales + at, part.rows, part.blocks, part.row_blocks);
}

void want_rows(ggml_tensor* x, RowForm form) { want(x, form); }

void want_floats(ggml_tensor* x) { want(x, RowForm::Floats); }

RowForm wanted_form(const ggml_tensor* x) {
    const int32_t wants = x->op_params[wants_at];
    for (const RowForm form : {RowForm::Bytes, RowForm::Words})
        if ((wants & bit(form)) != 0) return form;
    return RowForm::Floats;
}

bool floats_wanted(const ggml_tensor* x) {
    const int32_t wants = x->op_params[wants_at];
    // Two forms: one of them is made from the floats later.
    const bool one_form = wants == bit(RowForm::Bytes) || wants == bit(RowForm::Words);
    return !one_form || (x->flags & GGML_TENSOR_FLAG_OUTPUT) != 0;
}

}  // namespace ggml_transformers
