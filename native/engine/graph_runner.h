// Allocates graphs, fills their inputs, runs them and reads their outputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/device.h"
#include "engine/graph_builder.h"

namespace ggml_transformers {

class GraphRunner {
 public:
    // `profile` is null unless operations are to be measured.
    GraphRunner(Device& device, Profile* profile);

    // Throws Error(Aborted | OutOfMemory | Internal).
    void run(GraphBuilder& builder, const std::function<bool()>& should_abort);

    // Bytes of activations held between runs for graphs of one batch, and for a graph that is run again.
    uint64_t activation_bytes() const;
    static uint64_t activation_bytes(const GraphBuilder& builder);
    // Gives those of graphs of one batch back; the next run allocates anew.
    void release();

 private:
    void allocate(GraphBuilder& builder);
    void walk(GraphBuilder& builder, const std::function<bool()>& should_abort);

    Device& device_;
    Profile* profile_;
    AllocatorPtr allocator_;  // shared by the graphs of one batch
};

// Graphs that are run again, by what they compute. The least recently used makes room for a new one.
template <class Key, class Outputs>
class GraphCache {
 public:
    struct Graph {
        Key key;
        GraphBuilder builder;
        Outputs outputs;
    };

    // The graph of that key with room for its inputs as they are now. Where there is none,
    // `make(smaller)` builds one; `smaller` is the one that was outgrown, or null.
    template <class Make>
    Graph& find(const Key& key, const Make& make) {
        const auto found = std::find_if(graphs_.begin(), graphs_.end(),
                                        [&key](const auto& graph) { return graph->key == key; });
        if (found != graphs_.end() && (*found)->builder.fits()) {
            std::rotate(graphs_.begin(), found, found + 1);
            return *graphs_.front();
        }
        std::unique_ptr<Graph> smaller;
        if (found != graphs_.end()) {
            smaller = std::move(*found);
            graphs_.erase(found);
        }
        std::unique_ptr<Graph> graph = make(smaller ? &smaller->builder : nullptr);
        if (graphs_.size() == most_graphs) graphs_.pop_back();
        graphs_.insert(graphs_.begin(), std::move(graph));
        return *graphs_.front();
    }

    uint64_t activation_bytes() const {
        uint64_t bytes = 0;
        for (const auto& graph : graphs_) bytes += GraphRunner::activation_bytes(graph->builder);
        return bytes;
    }
    void release() { graphs_.clear(); }

 private:
    static constexpr size_t most_graphs = 4;

    std::vector<std::unique_ptr<Graph>> graphs_;  // the most recently used first
};

// Copies `count` values of an F32 output from `first` on to host memory.
void read_output(const ggml_tensor* tensor, float* destination, int64_t first, int64_t count);
// The same values where they are, if the device computes in host memory, else copied to `storage`.
const float* view_output(const ggml_tensor* tensor, int64_t first, int64_t count,
                         std::vector<float>& storage);

}  // namespace ggml_transformers
