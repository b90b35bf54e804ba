// Working memory, norm and embedding; products and attention have files of their own.
#include "graph/fused.h"

#include <algorithm>

#include "engine/pooling.h"
#include "graph/fused_rows.h"
#include "kernels/pack.h"

namespace ggml_transformers {

FusedCpu::FusedCpu(int threads, Profile* profile)
    : pool_(threads), kernels_(kernels()), profile_(profile), thread_scratch_(static_cast<size_t>(threads)) {}

uint64_t FusedCpu::scratch_bytes() const {
    uint64_t bytes = converted_.bytes() + distance_rows_.bytes();
    for (const RowStore& store : stores_) bytes += store.bytes();
    for (const AlignedBuffer& buffer : thread_scratch_) bytes += buffer.bytes();
    return bytes;
}

void FusedCpu::release() {
    converted_.release();
    distance_rows_.release();
    for (RowStore& store : stores_) store.release();
    for (AlignedBuffer& buffer : thread_scratch_) buffer.release();
}

float* FusedCpu::thread_scratch(int thread) {
    return reinterpret_cast<float*>(thread_scratch_[static_cast<size_t>(thread)].data());
}

void FusedCpu::reserve_thread_scratch(int64_t values) {
    for (AlignedBuffer& buffer : thread_scratch_) buffer.reserve(static_cast<size_t>(values) * sizeof(float));
}

// A tensor of another graph may have lain at the address of one of this.
void FusedCpu::begin() {
    for (RowStore& store : stores_) store.forget();
}

RowStore& FusedCpu::next_store(const ggml_tensor* reads) {
    last_store_ ^= 1;
    if (stores_[last_store_].holds(reads)) last_store_ ^= 1;
    return stores_[last_store_];
}

FusedCpu::Wanted FusedCpu::wanted_of(const ggml_tensor* out, const ggml_tensor* reads) {
    const RowForm form = wanted_form(out);
    Wanted wanted;
    if (form == RowForm::Bytes) wanted.bytes = next_store(reads).take_bytes(out);
    if (form == RowForm::Words) wanted.words = next_store(reads).take_words(out);
    wanted.floats = floats_wanted(out);
    return wanted;
}

void FusedCpu::quantize_row(const float* x, int64_t row, int64_t k, const Wanted& to) const {
    const int64_t block = row * (k / quant_block);
    if (to.bytes.q != nullptr) {
        kernels_.quantize_row(x, k, {to.bytes.q + row * k, to.bytes.blocks + block});
    }
    if (to.words.q != nullptr) {
        kernels_.quantize_row_words(x, k, {to.words.q + row * k, to.words.scales + block});
    }
}

ggml_tensor* FusedCpu::add_norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x,
                                ggml_tensor* residual) {
    want_floats(x);
    want_floats(residual);
    return builder.custom(x->ne[0], x->ne[1], {x, residual}, [=](ggml_tensor* out) {
        const Wanted wanted = wanted_of(out, x);
        const int64_t hidden = x->ne[0], tokens = x->ne[1];
        const int64_t piece = rows_per_piece(hidden, tokens, pool_.threads());
        pool_.parallel(ceil_div(tokens, piece), [&](int64_t i, int) {
            for (int64_t t = i * piece; t < std::min(tokens, (i + 1) * piece); ++t) {
                const float* add =
                    residual == nullptr ? nullptr : floats(residual) + t * row_stride(residual);
                float* to = static_cast<float*>(out->data) + t * hidden;
                kernels_.norm_row(floats(x) + t * row_stride(x), add, floats(layer.weight),
                                  floats(layer.bias), layer.epsilon, hidden, to);
                quantize_row(to, t, hidden, wanted);
            }
        });
    });
}

ggml_tensor* FusedCpu::mean_rows(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* sequences,
                                 ggml_tensor* x) {
    want_floats(x);
    return builder.custom(x->ne[0], sequences->ne[0], {sequences, x}, [=, &batch](ggml_tensor* out) {
        const int64_t hidden = x->ne[0];
        pool_.parallel(batch.sequences(), [&](int64_t i, int) {
            pool(Pooling::Mean, floats(x) + batch.offset(i) * hidden, batch.length(i), hidden,
                 static_cast<float*>(out->data) + i * hidden);
        });
    });
}

// A table that is also a product's weights is in memory once: packed.
const float* FusedCpu::table_row(const ggml_tensor* table, int64_t index, float* scratch) const {
    const auto found = packed_.find(table->data);
    // Q16 has rounded what the file holds.
    if (found != packed_.end() && found->second.format != Format::Q16) {
        unpack_row(found->second, index, scratch);
        return scratch;
    }
    const auto* row = static_cast<const uint8_t*>(table->data) + static_cast<size_t>(index) * table->nb[1];
    if (table->type == GGML_TYPE_F32) return reinterpret_cast<const float*>(row);
    ggml_get_type_traits(table->type)->to_float(row, scratch, table->ne[0]);
    return scratch;
}

ggml_tensor* FusedCpu::embed_sum(GraphBuilder& builder, const std::vector<Lookup>& lookups) {
    const int64_t hidden = lookups.front().table->ne[0], room = lookups.front().indices->ne[0];
    for (const Lookup& lookup : lookups) want_floats(lookup.table);
    // The tables are sources as well: one may be a result of this graph.
    const auto source = [&lookups](size_t i) {
        const size_t count = lookups.size();
        return i < count ? lookups[i].indices : (i < 2 * count ? lookups[i - count].table : nullptr);
    };
    const auto sources = {source(0), source(1), source(2), source(3), source(4), source(5)};
    return builder.custom(hidden, room, sources, [=](ggml_tensor* out) {
        const int64_t tokens = out->ne[1];
        reserve_thread_scratch(hidden);
        const int64_t piece = rows_per_piece(hidden, tokens, pool_.threads());
        pool_.parallel(ceil_div(tokens, piece), [&](int64_t i, int thread) {
            for (int64_t t = i * piece; t < std::min(tokens, (i + 1) * piece); ++t) {
                float* row = static_cast<float*>(out->data) + t * hidden;
                for (const Lookup& lookup : lookups) {
                    const int32_t index = static_cast<const int32_t*>(lookup.indices->data)[t];
                    const float* values = table_row(lookup.table, index, thread_scratch(thread));
                    const bool first = &lookup == &lookups.front();
                    for (int64_t k = 0; k < hidden; ++k) row[k] = first ? values[k] : row[k] + values[k];
                }
            }
        });
    });
}

}  // namespace ggml_transformers
