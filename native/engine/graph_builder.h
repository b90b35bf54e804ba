// A graph under construction, with what it reads and what computes it. Blocks (graph/) append to it.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <vector>

#include "engine/ggml_ptr.h"
#include "engine/profile.h"

namespace ggml_transformers {

class Device;
class FusedCpu;

class GraphBuilder {
 public:
    // For one batch. `max_nodes` bounds the number of tensors the graph will have, `device` will compute it.
    // With `fused`, blocks lower to its operations where it has them.
    GraphBuilder(size_t max_nodes, const Device& device, FusedCpu* fused);

    // To be run again for other batches: inputs get room for more values than they have now, not beyond
    // `most` on account of that, and at least as much as in `smaller`, a graph of the same blocks that was
    // outgrown, or null. Every operation must be a custom one, and work on as many rows as its output has
    // when it runs.
    GraphBuilder(size_t max_nodes, const Device& device, FusedCpu* fused, int64_t most,
                 const GraphBuilder* smaller);

    ggml_context* context() const { return context_.get(); }
    ggml_cgraph* graph() const { return graph_; }
    const Device& device() const { return *device_; }
    FusedCpu* fused() const { return fused_; }
    bool reusable() const { return most_ > 0; }

    // Whole numbers [n], read from `values` whenever the graph runs.
    ggml_tensor* input(const std::vector<int32_t>& values);
    // Whole numbers [n] that stay as they are, for graphs of one batch.
    ggml_tensor* constant(std::vector<int32_t> values);
    // [rows, columns], for graphs of one batch.
    ggml_tensor* input(std::vector<float> values, int64_t columns, int64_t rows);

    // What is built from here on belongs to the block of that name; profiles count by it.
    GraphBuilder& block(const char* name);

    // How much arithmetic it takes to compute a tensor.
    using Cost = std::function<Arithmetic(const ggml_tensor*)>;

    // An F32 tensor [columns, rows] that `work` computes once `sources` (nulls are skipped) are there. It has
    // as many rows as the first source, or as that has values when these are indices. Called on the thread
    // that walks the graph.
    ggml_tensor* custom(int64_t columns, int64_t rows, std::initializer_list<ggml_tensor*> sources,
                        std::function<void(ggml_tensor*)> work, Cost cost = nullptr);

    // Orders the computation of `tensor` here, before whatever is appended later.
    void append(ggml_tensor* tensor) { ggml_build_forward_expand(graph_, tensor); }
    // The same, and its values stay readable after the run.
    ggml_tensor* output(ggml_tensor* tensor);

    // Whether the inputs' values, as they are now, have room.
    bool fits() const;

 private:
    friend class GraphRunner;
    struct Input {
        ggml_tensor* tensor;
        const std::vector<int32_t>* values;
        int64_t room;
    };
    struct Constant {
        ggml_tensor* tensor;
        std::vector<float> values;
    };
    struct Custom {
        GraphBuilder* builder;
        std::function<void(ggml_tensor*)> work;
        Cost cost;
    };

    int64_t room_for(int64_t count) const;
    void name_new_tensors();
    // Copies the inputs' values, and gives all tensors as many rows as these imply.
    void take_inputs();
    void resize_nodes();
    const Custom& custom_of(const ggml_tensor* node) const;
    static Arithmetic arithmetic(const ggml_tensor* node);
    static void run_custom(ggml_tensor* tensor, int thread, int threads, void* custom);

    ContextPtr context_;
    ggml_cgraph* graph_ = nullptr;
    const Device* device_;
    FusedCpu* fused_;
    int64_t most_ = 0;                       // 0: for one batch
    const GraphBuilder* smaller_ = nullptr;  // while building
    std::vector<Input> inputs_;
    std::vector<Constant> constants_;
    std::deque<std::vector<int32_t>> constant_indices_;  // a deque: the inputs hold their addresses
    std::deque<Custom> customs_;                         // a deque: the graph holds their addresses
    std::exception_ptr failure_;                         // what a custom operation threw
    const char* block_ = nullptr;
    ggml_tensor* last_named_ = nullptr;
    AllocatorPtr allocator_;  // of a graph that is run again
};

}  // namespace ggml_transformers
