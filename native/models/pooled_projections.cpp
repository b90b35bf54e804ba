#include "models/pooled_projections.h"

#include <sstream>
#include <string>

#include "models/bind.h"

namespace ggml_transformers {

// The file names them by their place among the modules, where 0 is the transformer and 1 the pooling.
PooledProjections::PooledProjections(const ModelSpec& spec, const Weights& weights, int64_t size)
    : size_(size) {
    const auto found = spec.strings.find("denseActivations");
    if (found == spec.strings.end()) return;
    std::istringstream names(found->second);
    for (std::string activation; std::getline(names, activation, ',');) {
        const std::string name = "dense_" + std::to_string(2 + layers_.size());
        const int64_t out = weights.extent(name + ".weight", 1);
        Layer layer;
        layer.linear = require_linear(weights, name, size_, out);
        if (activation != "none") layer.activation = activation_from_name(activation);
        layers_.push_back(layer);
        size_ = out;
    }
}

ggml_tensor* PooledProjections::build(GraphBuilder& b, ggml_tensor* x) const {
    b.block("dense");
    for (const Layer& layer : layers_) {
        x = layer.activation ? linear(b, layer.linear, *layer.activation, x) : linear(b, layer.linear, x);
    }
    return x;
}

}  // namespace ggml_transformers
