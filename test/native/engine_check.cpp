// Runs parts of the engine without Node around it.
//
//   engine_check MODEL            MODEL is a text file: see read_model
//   engine_check --cgroups ROOT   what the control groups of the system below that folder grant
//
// Prints JSON. For a model, how often memory is allocated: by a decoder between two tokens, at most and in
// all once it has settled; by an encoder for a request with few sequences and for one with many.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/cgroup.h"
#include "engine/engine.h"

// --- The allocator ---------------------------------------------------------------------------------------

namespace {
std::atomic<uint64_t> allocations{0};
}

// glibc's own, behind the names that programs may replace.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_realloc(memory, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    *memory = __libc_memalign(alignment, size);
    return *memory == nullptr ? 12 : 0;
}
}

// --- The model -------------------------------------------------------------------------------------------

namespace {

using namespace ggml_transformers;

// Lines: "path P", "architecture A", "number KEY VALUE", "string KEY VALUE",
// "tensor NAME TYPE OFFSET EXTENT...".
ModelSpec read_model(const char* file) {
    ModelSpec spec;
    std::ifstream lines(file);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string kind, key;
        words >> kind >> key;
        if (kind == "path") spec.path = key;
        if (kind == "architecture") spec.architecture = key;
        if (kind == "number") words >> spec.numbers[key];
        if (kind == "string") words >> spec.strings[key];
        if (kind == "tensor") {
            TensorEntry entry;
            entry.name = key;
            words >> entry.type >> entry.offset;
            for (uint64_t extent = 0; words >> extent;) entry.shape.push_back(extent);
            spec.tensors.push_back(entry);
        }
    }
    return spec;
}

std::unique_ptr<Engine> load(const ModelSpec& spec) {
    std::promise<std::optional<Error>> loaded;
    EngineEvents events;
    events.progress = [](double) {};
    events.loaded = [&loaded](std::optional<Error> error) { loaded.set_value(std::move(error)); };
    events.exited = [] {};
    LoadOptions options;
    options.threads = 2;
    auto engine = std::make_unique<Engine>(spec, options, std::move(events));
    if (const std::optional<Error> error = loaded.get_future().get()) throw *error;
    return engine;
}

// The outcome of work that `start` gives a completion to.
template <class T, class Start>
T await(Start start) {
    std::promise<Outcome<T>> told;
    start(Completion<T>([&told](Outcome<T> outcome) { told.set_value(std::move(outcome)); }));
    Outcome<T> outcome = told.get_future().get();
    if (const Error* error = std::get_if<Error>(&outcome)) throw *error;
    return std::get<T>(std::move(outcome));
}

// --- The measurements ------------------------------------------------------------------------------------

// Sequences of many lengths, in no order.
EncodeRequest sequences(int64_t count, bool with_heads) {
    EncodeRequest request;
    request.pooling = Pooling::Mean;
    request.normalize = true;
    request.last_hidden = with_heads;
    request.pooler = with_heads;
    request.next_sentence = with_heads;
    for (int64_t i = 0; i < count; ++i) {
        if (with_heads) request.mlm_positions.push_back(static_cast<int32_t>(request.ids.size()));
        const auto length = static_cast<int32_t>(1 + i * 7 % 30);
        request.lengths.push_back(length);
        request.ids.insert(request.ids.end(), static_cast<size_t>(length), static_cast<int32_t>(i % 50));
    }
    return request;
}

uint64_t encode_allocations(Engine& engine, int64_t count, bool with_heads) {
    EncodeRequest request = sequences(count, with_heads);
    const uint64_t before = allocations;
    await<EncodeResult>([&](auto completion) { engine.encode(std::move(request), std::move(completion)); });
    return allocations - before;
}

void measure_encoder(Engine& engine) {
    constexpr int64_t few = 500, many = 4000;
    const char* separator = "{";
    for (const bool with_heads : {false, true}) {
        encode_allocations(engine, few, with_heads);  // whatever grows once has grown
        encode_allocations(engine, many, with_heads);
        std::printf("%s\"%s\": {\"few\": %llu, \"many\": %llu}", separator, with_heads ? "heads" : "pooled",
                    static_cast<unsigned long long>(encode_allocations(engine, few, with_heads)),
                    static_cast<unsigned long long>(encode_allocations(engine, many, with_heads)));
        separator = ", ";
    }
    std::printf("}\n");
}

SamplingOptions every_sampler() {
    SamplingOptions options;
    options.temperature = 0.8;
    options.dynamic_temperature.range = 0.2;
    options.logit_bias = {{5, 1.0f}};
    options.repetition_penalty = 1.1;
    options.frequency_penalty = 0.01;
    options.presence_penalty = 0.1;
    options.dry = {0.5, 1.2, 1, 0, {7}};
    options.no_repeat_ngram_size = 4;
    options.bad_words = {{8}, {9, 10}};
    options.min_new_tokens = 150;
    options.stop_ids = {11};
    options.suppress_tokens = {12};
    options.top_n_sigma = 3.0;
    options.top_k = 50;
    options.top_p = 0.95;
    options.min_p = 0.01;
    options.typical_p = 0.95;
    options.xtc_probability = 0.3;
    options.mirostat.version = 2;
    return options;
}

void measure_decoder(Engine& engine) {
    std::vector<uint64_t> at;  // allocations when each token came
    at.reserve(1000);
    GenerateRequest request;
    request.ids = {1, 2, 3};
    request.max_tokens = 200;
    request.logprobs = true;
    request.sampling = every_sampler();
    request.on_token = [&at](int32_t, float) { at.push_back(allocations); };
    await<GenerateResult>(
        [&](auto completion) { engine.generate(std::move(request), std::move(completion)); });
    uint64_t most = 0;
    for (size_t i = 1; i < at.size(); ++i) most = std::max(most, at[i] - at[i - 1]);
    const auto settled = at.size() / 4;  // tables that grow have their final size by then
    std::printf("{\"tokens\": %zu, \"most\": %llu, \"settled\": %llu}\n", at.size(),
                static_cast<unsigned long long>(most),
                static_cast<unsigned long long>(at.back() - at[settled]));
}

int print_cgroups(const char* root) {
    const CgroupLimits limits = cgroup_limits(root);
    std::printf("{\"cpus\": %g, \"limited\": %s, \"left\": %llu}\n", limits.cpus,
                limits.memory_limited ? "true" : "false",
                static_cast<unsigned long long>(limits.memory_left));
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 3 && std::string(arguments[1]) == "--cgroups") return print_cgroups(arguments[2]);
    if (count != 2) return 2;
    try {
        const std::unique_ptr<Engine> engine = load(read_model(arguments[1]));
        if (engine->is_encoder()) {
            measure_encoder(*engine);
        } else {
            measure_decoder(*engine);
        }
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
