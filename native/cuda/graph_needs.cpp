#include "cuda/graph_needs.h"

#include <algorithm>

namespace ggml_transformers {

namespace {

// The generations from which GGML has kernels for tensor cores, by what they multiply.
constexpr int volta = 70, turing = 75, ampere = 80;

// Whether rows begin at multiples of two values, as GGML's kernels for floats want.
bool has_even_rows(const ggml_tensor* tensor) {
    const size_t value = ggml_type_size(tensor->type);
    for (int i = 1; i < GGML_MAX_DIMS; ++i) {
        if (tensor->nb[i] % (2 * value) != 0) return false;
    }
    return tensor->nb[0] == value;
}

// Mirrors the choice in ggml_cuda_mul_mat, and where in doubt says yes.
bool needs_cublas(const ggml_tensor* product, int capability) {
    const ggml_tensor *weights = product->src[0], *x = product->src[1];
    if (x->type != GGML_TYPE_F32) return true;
    const int64_t columns = x->ne[1];
    if (ggml_is_quantized(weights->type)) return capability < turing && columns > 8;
    if (!has_even_rows(weights)) return true;
    const auto value = static_cast<int64_t>(ggml_type_size(weights->type));
    const bool single =
        columns == 1 && weights->ne[0] % 2 == 0 &&
        (weights->type == GGML_TYPE_F32 || weights->ne[1] <= 512 || weights->ne[2] * weights->ne[3] == 1);
    if (single) return false;
    const int tensor_cores = weights->type == GGML_TYPE_F16 ? volta : ampere;
    return capability < tensor_cores || columns > 16 || weights->ne[0] % (32 * 4 / value) != 0 ||
           weights->ne[1] % 32 != 0;
}

uint64_t scratch_of(const ggml_tensor* node, bool cublas) {
    const auto values = [](const ggml_tensor* tensor) {
        return static_cast<uint64_t>(ggml_nelements(tensor));
    };
    switch (node->op) {
        case GGML_OP_MUL_MAT:
            // Both factors as floats and the result in half precision, or x in bytes with its scales.
            return cublas ? sizeof(float) * (values(node->src[0]) + values(node->src[1])) + 2 * values(node)
                          : 2 * values(node->src[1]);
        case GGML_OP_FLASH_ATTN_EXT:
            return 16 * sizeof(float) * values(node) + 2 * (values(node->src[1]) + values(node->src[2]));
        default:
            return 0;
    }
}

}  // namespace

CudaNeeds cuda_needs(ggml_cgraph* graph, const CudaCapability& capability) {
    constexpr uint64_t fixed = uint64_t{64} << 20;  // cuBLAS's workspace, and partial tiles of products
    CudaNeeds needs;
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        const bool cublas = node->op == GGML_OP_MUL_MAT && needs_cublas(node, capability.version);
        if (cublas && needs.cublas == nullptr) needs.cublas = node;
        // Freed blocks are kept for later, and one that is a little larger may be used: twice the most.
        needs.scratch = std::max(needs.scratch, fixed + 2 * scratch_of(node, cublas));
    }
    return needs;
}

}  // namespace ggml_transformers
