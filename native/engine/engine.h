// A loaded model: one thread that owns the device, the weights and all graphs, and a queue in front of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/decode_scheduler.h"
#include "engine/encode_scheduler.h"
#include "engine/model_spec.h"
#include "engine/profile.h"
#include "engine/weights.h"
#include "graph/fused.h"

namespace ggml_transformers {

// Told on the engine's thread.
struct EngineEvents {
    std::function<void(double fraction)> progress;
    std::function<void(std::optional<Error> error)> loaded;
    // The last thing the thread does: what it owned is freed.
    std::function<void()> exited;
};

struct EngineMemory {
    std::atomic<uint64_t> mapped{0}, weights{0}, activations{0};
    // Sessions outlive the engine.
    std::shared_ptr<std::atomic<uint64_t>> kv_cache = std::make_shared<std::atomic<uint64_t>>(0);
};

class Engine {
 public:
    // Starts loading at once.
    Engine(ModelSpec spec, LoadOptions options, EngineEvents events);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // From any thread, once loaded. Bad requests throw; everything later arrives through the completion.
    // The outputs' numbers come to lie in `memory`, or when that is null in memory of the result.
    CancelToken encode(EncodeRequest request, Completion<EncodeResult> completion,
                       const OutputMemory& memory = nullptr);
    CancelToken generate(GenerateRequest request, Completion<GenerateResult> completion);
    CancelToken beam_search(BeamRequest request, Completion<BeamResult> completion);
    CancelToken logits(LogitsRequest request, Completion<LogitsResult> completion);
    CancelToken score(ScoreRequest request, Completion<ScoreResult> completion);
    // For generate() of this model alone. Keys and values are kept as F32, F16 or Q8_0.
    std::shared_ptr<DecodeSession> create_session(ggml_type type = GGML_TYPE_F32) const;
    // Has the thread look at its cancel tokens.
    void wake();

    // Loading stops, work under way is given up, work queued is told that the model is disposed.
    void request_stop();
    void join();

    // Valid once loaded.
    bool is_encoder() const { return is_encoder_; }
    const ModelSize& size() const { return size_; }
    const Heads& heads() const { return heads_; }
    const std::string& device() const { return device_id_; }
    int threads() const { return threads_; }
    const EngineMemory& memory() const { return memory_; }
    // Of a decoder.
    const KvLayout& kv_layout() const { return kv_layout_; }
    // Null unless the options asked for it.
    const Profile* profile() const { return profile_.get(); }

 private:
    void run();
    void load();
    void warm_up();
    void serve();
    void step();
    void step_untimed();
    bool idle() const;
    void take_inbox();
    void close_inbox();
    void publish_memory();
    void release_activations();
    void require_decoder() const;
    template <class Job>
    void accept(std::vector<std::shared_ptr<Job>>& inbox, std::shared_ptr<Job> job);

    ModelSpec spec_;
    LoadOptions options_;
    EngineEvents events_;

    std::mutex mutex_;
    std::condition_variable wake_;
    bool woken_ = false;   // guarded by mutex_
    bool closed_ = false;  // guarded by mutex_; nobody reads the inboxes any more
    std::vector<std::shared_ptr<EncodeJob>> encode_inbox_;  // guarded by mutex_
    std::vector<std::shared_ptr<DecodeJob>> decode_inbox_;  // guarded by mutex_
    std::atomic<bool> stopping_{false};

    // Owned by the thread; destroyed in reverse order.
    std::unique_ptr<Device> device_;
    std::unique_ptr<FusedCpu> fused_;  // null: plain operations
    std::unique_ptr<Weights> weights_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<PooledProjections> projections_;
    std::unique_ptr<EncodeScheduler> encode_;
    std::unique_ptr<DecodeScheduler> decode_;

    // Written by the thread before it tells `loaded`, constant from then on.
    std::string device_id_;
    int threads_ = 0;
    bool is_encoder_ = false;
    ModelSize size_;
    Heads heads_;
    KvLayout kv_layout_;

    std::unique_ptr<Profile> profile_;

    EngineMemory memory_;
    std::thread thread_;  // last: starts when all else is there
};

}  // namespace ggml_transformers
