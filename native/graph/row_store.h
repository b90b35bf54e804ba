// Activations in the whole numbers that products take. An operation whose result products read leaves it here
// as well, or here alone: the floats would only be read to be rounded.
#pragma once

#include <cstdint>

#include "engine/aligned_buffer.h"
#include "engine/ggml_ptr.h"
#include "kernels/kernels.h"

namespace ggml_transformers {

class RowStore {
 public:
    // Memory for the rows of `x` [K, T], which are here from now on: the caller fills it.
    ByteRow take_bytes(const ggml_tensor* x);
    WordRow take_words(const ggml_tensor* x);

    bool holds(const ggml_tensor* x) const { return of_ == x; }
    bool holds(const ggml_tensor* x, RowForm form) const { return of_ == x && form_ == form; }
    Rows rows() const;
    void forget() { of_ = nullptr; }

    uint64_t bytes() const { return memory_.bytes(); }
    void release();

 private:
    AlignedBuffer memory_;
    const ggml_tensor* of_ = nullptr;
    RowForm form_ = RowForm::Floats;
    ByteRow bytes_;
    WordRow words_;
};

// Some rows of some of the blocks of `out`, [T, K]: rows from `row` on, blocks from `block` on.
struct RowPart {
    int64_t row = 0;
    int64_t rows = 0;
    int64_t block = 0;
    int64_t blocks = 0;
    int64_t row_blocks = 0;  // K / 32
};

// Copies rows that lie close together to their places.
void copy_rows(const ByteRow& from, const RowPart& part, const ByteRow& out);
void copy_rows(const WordRow& from, const RowPart& part, const WordRow& out);

// Says, while a graph is built, that a product will read `x` in that form. What else reads `x` reads floats.
void want_rows(ggml_tensor* x, RowForm form);
void want_floats(ggml_tensor* x);
// What is wanted of the result of a custom operation: one form of whole numbers, or Floats for none; and
// whether floats are.
RowForm wanted_form(const ggml_tensor* x);
bool floats_wanted(const ggml_tensor* x);

}  // namespace ggml_transformers
