#include "engine/graph_builder.h"

#include <algorithm>

#include "engine/error.h"

namespace ggml_transformers {

GraphBuilder::GraphBuilder(size_t max_nodes, const Device& device, FusedCpu* fused)
    : device_(&device), fused_(fused) {
    ggml_init_params parameters{};
    parameters.mem_size = max_nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(max_nodes, false);
    parameters.no_alloc = true;
    context_.reset(ggml_init(parameters));
    if (!context_) throw Error(ErrorCode::OutOfMemory, "The graph cannot be allocated");
    graph_ = ggml_new_graph_custom(context_.get(), max_nodes, false);
}

GraphBuilder::GraphBuilder(size_t max_nodes, const Device& device, FusedCpu* fused, int64_t most,
                           const GraphBuilder* smaller)
    : GraphBuilder(max_nodes, device, fused) {
    most_ = most;
    smaller_ = smaller;
}

// The next power of two, beyond 16 the next quarter of one: at most a fourth is never used.
int64_t GraphBuilder::room_for(int64_t count) const {
    if (!reusable()) return count;
    int64_t power = 1;
    while (2 * power <= count) power *= 2;
    const int64_t step = power < 16 ? power : power / 4;
    const int64_t rounded = (count + step - 1) / step * step;
    const int64_t room = std::max(count, std::min(rounded, most_));
    return smaller_ == nullptr ? room : std::max(room, smaller_->inputs_[inputs_.size()].room);
}

ggml_tensor* GraphBuilder::input(const std::vector<int32_t>& values) {
    const int64_t room = room_for(static_cast<int64_t>(values.size()));
    ggml_tensor* tensor = ggml_new_tensor_1d(context_.get(), GGML_TYPE_I32, room);
    ggml_set_input(tensor);
    inputs_.push_back({tensor, &values, room});
    return tensor;
}

ggml_tensor* GraphBuilder::constant(std::vector<int32_t> values) {
    return input(constant_indices_.emplace_back(std::move(values)));
}

ggml_tensor* GraphBuilder::input(std::vector<float> values, int64_t columns, int64_t rows) {
    ggml_tensor* tensor = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, columns, rows);
    ggml_set_input(tensor);
    constants_.push_back({tensor, std::move(values)});
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
    if (node->op == GGML_OP_FLASH_ATTN_EXT) {  // queries with keys, and weights with values
        const ggml_tensor *queries = node->src[0], *keys = node->src[1];
        return Arithmetic::product(keys->type, ggml_nrows(queries) * keys->ne[1], queries->ne[0], 2);
    }
    if (node->op != GGML_OP_MUL_MAT) return {};
    const ggml_tensor* weights = node->src[0];
    return Arithmetic::product(weights->type, ggml_nrows(node), weights->ne[0], node->ne[0]);
}

bool GraphBuilder::fits() const {
    return std::all_of(inputs_.begin(), inputs_.end(), [](const Input& input) {
        return static_cast<int64_t>(input.values->size()) <= input.room;
    });
}

void GraphBuilder::take_inputs() {
    bool resized = false;
    for (const Input& input : inputs_) {
        ggml_tensor* tensor = input.tensor;
        const auto count = static_cast<int64_t>(input.values->size());
        resized = resized || tensor->ne[0] != count;
        tensor->ne[0] = count;
        tensor->nb[1] = tensor->nb[2] = tensor->nb[3] = input.values->size() * sizeof(int32_t);
        // An input that no node reads has no memory.
        if (tensor->buffer == nullptr) continue;
        ggml_backend_tensor_set(tensor, input.values->data(), 0, input.values->size() * sizeof(int32_t));
    }
    for (const Constant& constant : constants_) {
        if (constant.tensor->buffer == nullptr) continue;
        ggml_backend_tensor_set(constant.tensor, constant.values.data(), 0,
                                constant.values.size() * sizeof(float));
    }
    if (resized) resize_nodes();
}

void GraphBuilder::resize_nodes() {
    for (int i = 0; i < ggml_graph_n_nodes(graph_); ++i) {
        ggml_tensor* node = ggml_graph_node(graph_, i);
        const ggml_tensor* source = node->src[0];
        node->ne[1] = source->type == GGML_TYPE_I32 ? source->ne[0] : source->ne[1];
        node->nb[2] = node->nb[3] = node->nb[1] * static_cast<size_t>(node->ne[1]);
    }
}

const GraphBuilder::Custom& GraphBuilder::custom_of(const ggml_tensor* node) const {
    if (node->op == GGML_OP_CUSTOM) return *static_cast<const Custom*>(node->extra);
    throw Error(ErrorCode::Internal, "A graph that is run again has an operation that is not its own");
}

}  // namespace ggml_transformers
