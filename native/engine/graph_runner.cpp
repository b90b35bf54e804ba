#include "engine/graph_runner.h"

#include <cstring>

#include "engine/error.h"

namespace ggml_transformers {

GraphBuilder::GraphBuilder(size_t max_nodes, FusedCpu* fused) : fused_(fused) {
    ggml_init_params parameters{};
    parameters.mem_size = max_nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(max_nodes, false);
    parameters.no_alloc = true;
    context_.reset(ggml_init(parameters));
    if (!context_) throw Error(ErrorCode::OutOfMemory, "The graph cannot be allocated");
    graph_ = ggml_new_graph_custom(context_.get(), max_nodes, false);
}

ggml_tensor* GraphBuilder::input(const std::vector<int32_t>& values) {
    ggml_tensor* tensor =
        ggml_new_tensor_1d(context_.get(), GGML_TYPE_I32, static_cast<int64_t>(values.size()));
    ggml_set_input(tensor);
    Input entry{tensor, std::vector<uint8_t>(values.size() * sizeof(int32_t))};
    std::memcpy(entry.bytes.data(), values.data(), entry.bytes.size());
    inputs_.push_back(std::move(entry));
    return tensor;
}

ggml_tensor* GraphBuilder::input(const std::vector<float>& values, int64_t columns, int64_t rows) {
    ggml_tensor* tensor = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, columns, rows);
    ggml_set_input(tensor);
    Input entry{tensor, std::vector<uint8_t>(values.size() * sizeof(float))};
    std::memcpy(entry.bytes.data(), values.data(), entry.bytes.size());
    inputs_.push_back(std::move(entry));
    return tensor;
}

ggml_tensor* GraphBuilder::custom(int64_t columns, int64_t rows, std::initializer_list<ggml_tensor*> sources,
                                  std::function<void(ggml_tensor*)> work, Cost cost) {
    std::vector<ggml_tensor*> present;
    for (ggml_tensor* source : sources) {
        if (source != nullptr) present.push_back(source);
    }
    customs_.push_back({this, std::move(work), std::move(cost)});
    ggml_tensor* tensor = ggml_custom_4d(context_.get(), GGML_TYPE_F32, columns, rows, 1, 1, present.data(),
                                         static_cast<int>(present.size()), run_custom, 1, &customs_.back());
    tensor->extra = &customs_.back();
    return tensor;
}

GraphBuilder& GraphBuilder::block(const char* name) {
    name_new_tensors();
    block_ = name;
    return *this;
}

void GraphBuilder::name_new_tensors() {
    ggml_context* context = context_.get();
    for (;;) {
        ggml_tensor* next = last_named_ == nullptr ? ggml_get_first_tensor(context)
                                                   : ggml_get_next_tensor(context, last_named_);
        if (next == nullptr) return;
        if (block_ != nullptr) ggml_set_name(next, block_);
        last_named_ = next;
    }
}

Arithmetic GraphBuilder::arithmetic(const ggml_tensor* node) {
    if (node->op == GGML_OP_CUSTOM) {
        const auto* custom = static_cast<const Custom*>(node->extra);
        return custom->cost ? custom->cost(node) : Arithmetic{};
    }
    if (node->op != GGML_OP_MUL_MAT) return {};
    const ggml_tensor* weights = node->src[0];
    return Arithmetic::product(weights->type, ggml_nrows(node), weights->ne[0], node->ne[0]);
}

// Exceptions must not cross GGML, which is C: the first is kept and thrown again after the run.
void GraphBuilder::run_custom(ggml_tensor* tensor, int thread, int, void* data) {
    const auto* custom = static_cast<Custom*>(data);
    if (thread != 0 || custom->builder->failure_) return;
    try {
        custom->work(tensor);
    } catch (...) {
        custom->builder->failure_ = std::current_exception();
    }
}

ggml_tensor* GraphBuilder::output(ggml_tensor* tensor) {
    ggml_set_output(tensor);
    append(tensor);
    return tensor;
}

GraphRunner::GraphRunner(Device& device, Profile* profile) : device_(device), profile_(profile) {}

void GraphRunner::run(GraphBuilder& builder, const std::function<bool()>& should_abort) {
    if (!allocator_) allocator_.reset(ggml_gallocr_new(device_.buffer_type()));
    if (!allocator_ || !ggml_gallocr_alloc_graph(allocator_.get(), builder.graph())) {
        release();
        throw Error(ErrorCode::OutOfMemory, "The device cannot hold the activations of this batch");
    }
    for (const GraphBuilder::Input& entry : builder.inputs_) {
        // An input no node reads has no memory.
        if (entry.tensor->buffer == nullptr) continue;
        ggml_backend_tensor_set(entry.tensor, entry.bytes.data(), 0, entry.bytes.size());
    }
    builder.name_new_tensors();
    if (profile_ == nullptr) {
        device_.compute(builder.graph(), should_abort);
    } else {
        device_.compute_timed(builder.graph(), should_abort, [this](const ggml_tensor* node, double seconds) {
            profile_->operation(node->name, seconds, GraphBuilder::arithmetic(node));
        });
    }
    if (builder.failure_) std::rethrow_exception(builder.failure_);
}

uint64_t GraphRunner::activation_bytes() const {
    return allocator_ ? ggml_gallocr_get_buffer_size(allocator_.get(), 0) : 0;
}

void GraphRunner::release() { allocator_.reset(); }

void read_output(const ggml_tensor* tensor, float* destination, int64_t first, int64_t count) {
    ggml_backend_tensor_get(tensor, destination, static_cast<size_t>(first) * sizeof(float),
                            static_cast<size_t>(count) * sizeof(float));
}

std::vector<float> read_output(const ggml_tensor* tensor) {
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    read_output(tensor, values.data(), 0, ggml_nelements(tensor));
    return values;
}

}  // namespace ggml_transformers
