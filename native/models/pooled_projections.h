// What a sentence-transformers model computes of a pooled vector: its `Dense` modules, one after the other.
#pragma once

#include <optional>
#include <vector>

#include "engine/graph_builder.h"
#include "engine/model_spec.h"
#include "engine/weights.h"
#include "graph/blocks.h"

namespace ggml_transformers {

class PooledProjections {
 public:
    // Those in the file, for vectors of `size` values. Throws Error(ModelFileInvalid | Unsupported).
    PooledProjections(const ModelSpec& spec, const Weights& weights, int64_t size);

    bool empty() const { return layers_.empty(); }
    // Values of a vector that comes out.
    int64_t size() const { return size_; }
    // An upper bound of the tensors that build() makes.
    size_t max_nodes() const { return 16 + 8 * layers_.size(); }
    // [in, B] -> [size, B].
    ggml_tensor* build(GraphBuilder& builder, ggml_tensor* pooled) const;

 private:
    struct Layer {
        Linear linear;
        std::optional<Activation> activation;
    };

    std::vector<Layer> layers_;
    int64_t size_;
};

}  // namespace ggml_transformers
