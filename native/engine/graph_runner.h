// Builds one graph at a time, allocates it, fills its inputs, runs it and reads its outputs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/device.h"
#include "engine/ggml_ptr.h"

namespace ggml_transformers {

// The graph under construction. Blocks (graph/) append to it.
class GraphBuilder {
public:
    // `max_nodes` bounds the number of tensors the graph will have.
    explicit GraphBuilder(size_t max_nodes);

    ggml_context* context() const { return context_.get(); }
    ggml_cgraph* graph() const { return graph_; }

    // Inputs, filled with these values once the graph is allocated.
    ggml_tensor* input(const std::vector<int32_t>& values);                                  // [n]
    ggml_tensor* input(const std::vector<float>& values, int64_t columns, int64_t rows);     // [rows, columns]

    // Orders the computation of `tensor` here, before whatever is appended later.
    void append(ggml_tensor* tensor) { ggml_build_forward_expand(graph_, tensor); }
    // The same, and its values stay readable after the run.
    ggml_tensor* output(ggml_tensor* tensor);

private:
    friend class GraphRunner;
    struct Input {
        ggml_tensor* tensor;
        std::vector<uint8_t> bytes;
    };

    ContextPtr context_;
    ggml_cgraph* graph_ = nullptr;
    std::vector<Input> inputs_;
};

class GraphRunner {
public:
    explicit GraphRunner(Device& device);

    // Throws Error(Aborted | OutOfMemory | Internal).
    void run(GraphBuilder& builder, const std::function<bool()>& should_abort);

    // Bytes of activations held between runs.
    uint64_t activation_bytes() const;
    // Gives them back; the next run allocates anew.
    void release();

private:
    Device& device_;
    AllocatorPtr allocator_;
};

// Copies an F32 output, whole or `count` values from `first`, to host memory.
void read_output(const ggml_tensor* tensor, float* destination, int64_t first, int64_t count);
std::vector<float> read_output(const ggml_tensor* tensor);

}  // namespace ggml_transformers
