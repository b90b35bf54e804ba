// What JavaScript hands over to load a model: the tensor table it read from the GGUF file, and the
// hyper-parameters by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ggml_transformers {

struct TensorEntry {
    std::string name;
    std::string type;             // GGML's name, for example "Q8_0"
    std::vector<uint64_t> shape;  // innermost first
    uint64_t offset = 0;          // bytes from the beginning of the file
};

struct ModelSpec {
    std::string path;
    std::string architecture;
    std::map<std::string, double> numbers;
    std::map<std::string, std::string> strings;
    std::vector<TensorEntry> tensors;

    // A whole number in [low, high]. Throws Error(ModelFileInvalid) naming the key.
    int64_t integer(const std::string& key, int64_t low, int64_t high) const;
    // Any finite number.
    double number(const std::string& key) const;
    // A finite number of at least zero.
    double non_negative(const std::string& key) const;
    bool flag(const std::string& key) const { return number(key) != 0.0; }
    const std::string& string(const std::string& key) const;
};

struct LoadOptions {
    std::string device = "cpu";
    int threads = 0;            // 0: default_threads()
    uint64_t max_memory = 0;    // bytes; 0: what the machine has available
    bool generic = false;       // on the CPU: GGML's plain operations instead of the fused ones
    bool discrete = false;      // on the CPU: generic, in memory that is handled as a GPU's
    bool profile = false;       // measure every operation
    uint64_t prompt_cache = 0;  // bytes of keys and values kept for later prompts
    uint64_t kv_budget = 0;     // most bytes of all keys and values; 0 chooses by what is available
    int64_t token_budget = 0;   // tokens in one batch; 0: by the size of the weights
};

}  // namespace ggml_transformers
