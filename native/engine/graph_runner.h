// Builds one graph at a time, allocates it, fills its inputs, runs it and reads its outputs.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "engine/device.h"
#include "engine/ggml_ptr.h"
#include "engine/profile.h"

namespace ggml_transformers {

class FusedCpu;

// The graph under construction. Blocks (graph/) append to it.
class GraphBuilder {
 public:
    // `max_nodes` bounds the number of tensors the graph will have. With `fused`, blocks lower to its
    // operations where it has them.
    explicit GraphBuilder(size_t max_nodes, FusedCpu* fused = nullptr);

    ggml_context* context() const { return context_.get(); }
    ggml_cgraph* graph() const { return graph_; }
    FusedCpu* fused() const { return fused_; }

    // Inputs, filled with these values once the graph is allocated.
    ggml_tensor* input(const std::vector<int32_t>& values);                               // [n]
    ggml_tensor* input(const std::vector<float>& values, int64_t columns, int64_t rows);  // [rows, columns]

    // What is built from here on belongs to the block of that name; profiles count by it.
    GraphBuilder& block(const char* name);

    // How much arithmetic it takes to compute a tensor.
    using Cost = std::function<Arithmetic(const ggml_tensor*)>;

    // An F32 tensor [columns, rows] that `work` computes once `sources` (nulls are skipped) are there. Called
    // on the thread that walks the graph.
    ggml_tensor* custom(int64_t columns, int64_t rows, std::initializer_list<ggml_tensor*> sources,
                        std::function<void(ggml_tensor*)> work, Cost cost = nullptr);

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

    struct Custom {
        GraphBuilder* builder;
        std::function<void(ggml_tensor*)> work;
        Cost cost;
    };
    void name_new_tensors();
    static Arithmetic arithmetic(const ggml_tensor* node);
    static void run_custom(ggml_tensor* tensor, int thread, int threads, void* custom);

    ContextPtr context_;
    ggml_cgraph* graph_ = nullptr;
    FusedCpu* fused_;
    std::vector<Input> inputs_;
    std::deque<Custom> customs_;  // a deque: the graph holds their addresses
    std::exception_ptr failure_;  // what a custom operation threw
    const char* block_ = nullptr;
    ggml_tensor* last_named_ = nullptr;
};

class GraphRunner {
 public:
    // `profile` is null unless operations are to be measured.
    GraphRunner(Device& device, Profile* profile);

    // Throws Error(Aborted | OutOfMemory | Internal).
    void run(GraphBuilder& builder, const std::function<bool()>& should_abort);

    // Bytes of activations held between runs.
    uint64_t activation_bytes() const;
    // Gives them back; the next run allocates anew.
    void release();

 private:
    Device& device_;
    Profile* profile_;
    AllocatorPtr allocator_;
};

// Copies an F32 output, whole or `count` values from `first`, to host memory.
void read_output(const ggml_tensor* tensor, float* destination, int64_t first, int64_t count);
std::vector<float> read_output(const ggml_tensor* tensor);

}  // namespace ggml_transformers
