#include "engine/graph_runner.h"

#include "engine/error.h"
#include "graph/fused.h"

namespace ggml_transformers {

GraphRunner::GraphRunner(Device& device, Profile* profile) : device_(device), profile_(profile) {}

void GraphRunner::run(GraphBuilder& builder, const std::function<bool()>& should_abort) {
    if (!builder.reusable() || !builder.allocator_) allocate(builder);
    if (!builder.reusable()) device_.require_supported(builder.graph());
    builder.take_inputs();
    if (builder.fused() != nullptr) builder.fused()->begin();
    if (builder.reusable()) {
        walk(builder, should_abort);
    } else if (profile_ == nullptr) {
        device_.compute(builder.graph(), should_abort);
    } else {
        device_.compute_timed(builder.graph(), should_abort, [this](const ggml_tensor* node, double seconds) {
            profile_->operation(node->name, seconds, GraphBuilder::arithmetic(node));
        });
    }
    if (builder.failure_) std::rethrow_exception(builder.failure_);
    if (profile_ != nullptr) profile_->batch();
}

// All operations are custom ones: GGML, which would allocate, is not needed to call them. Nor is the gate:
// the pool's threads hold up nobody when graphs of several models run at once.
void GraphRunner::walk(GraphBuilder& builder, const std::function<bool()>& should_abort) {
    for (int i = 0; i < ggml_graph_n_nodes(builder.graph()); ++i) {
        if (should_abort()) throw aborted();
        ggml_tensor* node = ggml_graph_node(builder.graph(), i);
        const GraphBuilder::Custom& custom = builder.custom_of(node);
        const auto begin = profile_ == nullptr ? Profile::Clock::time_point() : Profile::Clock::now();
        custom.work(node);
        if (profile_ == nullptr) continue;
        const Arithmetic arithmetic = custom.cost ? custom.cost(node) : Arithmetic{};
        profile_->operation(node->name, Profile::seconds_since(begin), arithmetic);
    }
}

void GraphRunner::allocate(GraphBuilder& builder) {
    builder.name_new_tensors();
    builder.smaller_ = nullptr;
    AllocatorPtr& allocator = builder.reusable() ? builder.allocator_ : allocator_;
    if (!allocator) allocator.reset(ggml_gallocr_new(device_.buffer_type()));
    if (allocator && ggml_gallocr_alloc_graph(allocator.get(), builder.graph())) return;
    allocator.reset();
    throw Error(ErrorCode::OutOfMemory, "The device cannot hold the activations of this batch");
}

uint64_t GraphRunner::activation_bytes() const {
    return allocator_ ? ggml_gallocr_get_buffer_size(allocator_.get(), 0) : 0;
}

uint64_t GraphRunner::activation_bytes(const GraphBuilder& builder) {
    return builder.allocator_ ? ggml_gallocr_get_buffer_size(builder.allocator_.get(), 0) : 0;
}

void GraphRunner::release() { allocator_.reset(); }

void read_output(const ggml_tensor* tensor, float* destination, int64_t first, int64_t count) {
    ggml_backend_tensor_get(tensor, destination, static_cast<size_t>(first) * sizeof(float),
                            static_cast<size_t>(count) * sizeof(float));
}

const float* view_output(const ggml_tensor* tensor, int64_t first, int64_t count,
                         std::vector<float>& storage) {
    if (ggml_backend_buffer_is_host(tensor->buffer)) return static_cast<const float*>(tensor->data) + first;
    storage.resize(static_cast<size_t>(count));
    read_output(tensor, storage.data(), first, count);
    return storage.data();
}

}  // namespace ggml_transformers
