#include "engine/engine.h"

#include <algorithm>
#include <chrono>

#include "engine/kv_bytes.h"
#include "engine/system.h"
#include "graph/kernel_peak.h"

namespace ggml_transformers {

namespace {

// Tokens in one batch. A batch is so much work that a request which comes just too late waits some tens of
// milliseconds for it, and still enough rows to use each weight many times and to occupy all threads. More
// make nothing faster: the activations outgrow the caches (docs/performance.md has the figures). GPUs, with
// `threads` 0, are faster by two orders of magnitude, and want more rows to be busy.
int64_t token_budget(uint64_t weight_bytes, int threads, bool is_encoder) {
    if (threads == 0) return is_encoder ? 16384 : 4096;
    constexpr double bytes_times_tokens = 3e9;  // for each thread
    // Encoders of bert-base's size gain 4 % from a second step; decoders' streams would wait for it.
    constexpr uint64_t large = 200'000'000;
    constexpr int64_t step = 128, most = 1024;
    const double tokens =
        bytes_times_tokens * threads / static_cast<double>(std::max<uint64_t>(weight_bytes, 1));
    const int64_t least = is_encoder && weight_bytes < large ? 2 : 1;
    const int64_t steps = std::max(least, static_cast<int64_t>(std::min(tokens, 1e6)) / step + 1);
    return std::min(steps * step, std::max<int64_t>(most, threads * step));
}

constexpr auto idle_before_release = std::chrono::seconds(2);

}  // namespace

Engine::Engine(ModelSpec spec, LoadOptions options, EngineEvents events)
    : spec_(std::move(spec)),
      options_(std::move(options)),
      events_(std::move(events)),
      thread_([this] { run(); }) {}

Engine::~Engine() {
    request_stop();
    join();
}

void Engine::request_stop() {
    stopping_.store(true, std::memory_order_relaxed);
    wake();
}

void Engine::join() {
    if (thread_.joinable()) thread_.join();
}

void Engine::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = true;
    }
    wake_.notify_one();
}

void Engine::run() {
    std::optional<Error> error;
    try {
        load();
    } catch (...) {
        error = current_error();
    }
    const bool usable = !error;
    events_.loaded(std::move(error));
    if (usable) serve();
    close_inbox();
    // Whatever is unfinished is dropped with the schedulers, and tells that the model is disposed.
    encode_.reset();
    decode_.reset();
    model_.reset();
    weights_.reset();
    fused_.reset();
    device_.reset();
    for (auto* bytes : {&memory_.mapped, &memory_.weights, &memory_.activations}) *bytes = 0;
    events_.exited();
}

void Engine::load() {
    const LoadProgress progress{events_.progress,
                                [this] { return stopping_.load(std::memory_order_relaxed); }};
    if (progress.should_abort()) throw aborted();
    threads_ = options_.threads > 0 ? options_.threads : default_threads();
    // Without kernels for this processor's vectors, GGML's own operations are faster.
    const bool vectorized = available_kernels().size() > 1;
    const bool fused = options_.device == "cpu" && !options_.generic && !options_.discrete && vectorized;
    device_ = std::make_unique<Device>(options_.device, fused ? 1 : threads_, options_.discrete);
    if (options_.profile) {
        profile_ = std::make_unique<Profile>(kernels().isa, fused, measure_kernel_peak(threads_));
    }
    if (fused) fused_ = std::make_unique<FusedCpu>(threads_, profile_.get());
    weights_ = std::make_unique<Weights>(spec_, options_, *device_, progress);
    if (!weights_->mostly_f32()) device_->allow_rounding();
    model_ = std::make_unique<Model>(make_model(spec_, *weights_));
    is_encoder_ = std::holds_alternative<std::unique_ptr<EncoderModel>>(*model_);
    const int64_t budget = options_.token_budget > 0
                               ? options_.token_budget
                               : token_budget(weights_->mapped_bytes() + weights_->copied_bytes(),
                                              options_.device == "cpu" ? threads_ : 0, is_encoder_);
    const EncoderModel& encoder = is_encoder_ ? *std::get<std::unique_ptr<EncoderModel>>(*model_)
                                              : std::get<std::unique_ptr<DecoderModel>>(*model_)->encoder();
    size_ = encoder.size();
    projections_ = std::make_unique<PooledProjections>(spec_, *weights_, size_.hidden);
    size_.embedding = projections_->size();
    heads_ = encoder.heads();
    encode_ = std::make_unique<EncodeScheduler>(encoder, *projections_, *device_, fused_.get(),
                                                profile_.get(), budget);
    if (!is_encoder_) {
        const DecoderModel& model = *std::get<std::unique_ptr<DecoderModel>>(*model_);
        KvLimits limits;
        limits.prompt_cache = options_.prompt_cache;
        limits.budget = options_.kv_budget > 0 ? options_.kv_budget : system_memory().available / 2;
        decode_ = std::make_unique<DecodeScheduler>(model, *device_, fused_.get(), profile_.get(), budget,
                                                    limits, memory_.kv_cache);
        kv_layout_ = decode_->kv_layout();
    }
    device_id_ = device_->id();
    if (fused_ || options_.device != "cpu") warm_up();
    if (profile_) profile_->reset();
    memory_.mapped = weights_->mapped_bytes();
    publish_memory();
}

// One token through the model: the weights are packed now, not at the first request. On a GPU some more, so
// that what it cannot compute is known before a request comes.
void Engine::warm_up() {
    std::optional<Error> failure;
    const auto keep_failure = [&failure](const auto& outcome) {
        if (const Error* error = std::get_if<Error>(&outcome)) failure = *error;
    };
    const auto tokens = static_cast<int32_t>(fused_ ? 1 : std::min<int64_t>(64, size_.context));
    const std::vector<int32_t> ids(static_cast<size_t>(tokens), 0);
    if (is_encoder_) {
        EncodeRequest request;
        request.ids = ids;
        request.lengths = {tokens};
        request.pooling = Pooling::Cls;
        encode_->add(std::make_shared<EncodeJob>(std::move(request), size_, heads_, CancelToken(),
                                                 Completion<EncodeResult>(keep_failure), nullptr));
    } else {
        LogitsRequest request;
        request.ids = ids;
        decode_->add(make_logits_job(std::move(request), size_, CancelToken(),
                                     Completion<LogitsResult>(keep_failure)));
    }
    while (!idle()) step();
    if (stopping_.load(std::memory_order_relaxed)) throw aborted();
    if (failure) throw *std::move(failure);
}

void Engine::serve() {
    while (!stopping_.load(std::memory_order_relaxed)) {
        {
            std::unique_lock lock(mutex_);
            const auto ready = [this] { return woken_ || !idle(); };
            if (!wake_.wait_for(lock, idle_before_release, ready)) {
                release_activations();
                wake_.wait(lock, ready);
            }
            woken_ = false;
        }
        take_inbox();
        step();
        publish_memory();
    }
}

void Engine::step() {
    if (!profile_) return step_untimed();
    profile_->begin();
    step_untimed();
    profile_->lap();
}

void Engine::step_untimed() {
    const auto stopping = [this] { return stopping_.load(std::memory_order_relaxed); };
    if (encode_) encode_->step(stopping);
    if (decode_) decode_->step(stopping);
}

bool Engine::idle() const { return (!encode_ || encode_->idle()) && (!decode_ || decode_->idle()); }

void Engine::take_inbox() {
    std::vector<std::shared_ptr<EncodeJob>> encode;
    std::vector<std::shared_ptr<DecodeJob>> decode;
    {
        const std::lock_guard lock(mutex_);
        encode.swap(encode_inbox_);
        decode.swap(decode_inbox_);
    }
    for (auto& job : encode) encode_->add(std::move(job));
    for (auto& job : decode) decode_->add(std::move(job));
}

void Engine::publish_memory() {
    const uint64_t activations = encode_->activation_bytes() + (decode_ ? decode_->activation_bytes() : 0);
    memory_.activations = activations + (fused_ ? fused_->scratch_bytes() : 0);
    memory_.weights = weights_->copied_bytes() + (fused_ ? fused_->packed_bytes() : 0);
}

void Engine::release_activations() {
    if (encode_) encode_->release_activations();
    if (decode_) decode_->release_activations();
    if (fused_) fused_->release();
    publish_memory();
}

void Engine::require_decoder() const {
    if (!is_encoder_) return;
    throw Error(ErrorCode::Unsupported, "This model is an encoder: it encodes, it does not generate");
}

template <class Job>
void Engine::accept(std::vector<std::shared_ptr<Job>>& inbox, std::shared_ptr<Job> job) {
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return;  // the job is dropped, and tells that the model is disposed
        inbox.push_back(std::move(job));
    }
    wake();
}

void Engine::close_inbox() {
    std::vector<std::shared_ptr<EncodeJob>> encode;
    std::vector<std::shared_ptr<DecodeJob>> decode;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    encode.swap(encode_inbox_);
    decode.swap(decode_inbox_);
}

CancelToken Engine::encode(EncodeRequest request, Completion<EncodeResult> completion,
                           const OutputMemory& memory) {
    check_encode_request(request, size_, heads_);
    CancelToken cancel;
    if (request.lengths.empty()) {
        completion.finish(EncodeResult{});
        return cancel;
    }
    accept(encode_inbox_, std::make_shared<EncodeJob>(std::move(request), size_, heads_, cancel,
                                                      std::move(completion), memory));
    return cancel;
}

CancelToken Engine::generate(GenerateRequest request, Completion<GenerateResult> completion) {
    require_decoder();
    ModelSize limits = size_;
    if (request.most_positions > 0) limits.context = std::min(limits.context, request.most_positions);
    check_ids(request.ids, limits);
    if (request.session && !request.session->belongs_to(kv_layout_)) {
        throw Error(ErrorCode::InvalidArgument, "The session belongs to another model");
    }
    if (!request.negative_ids.empty()) check_ids(request.negative_ids, size_);
    if (request.drafter && !request.negative_ids.empty()) {
        throw Error(ErrorCode::InvalidArgument, "Expected no guidance where tokens are guessed ahead");
    }
    if (request.drafter && request.logits_hook) {
        throw Error(ErrorCode::InvalidArgument,
                    "Expected no logits processor where tokens are guessed ahead");
    }
    CancelToken cancel;
    accept(decode_inbox_, make_generate_job(std::move(request), cancel, std::move(completion)));
    return cancel;
}

std::shared_ptr<DecodeSession> Engine::create_session(ggml_type type) const {
    require_decoder();
    KvLayout layout = kv_layout_;
    layout.type = type;
    const bool is_covered = type != GGML_TYPE_Q8_0 || (layout.fused && layout.head % kv_block == 0);
    if (!is_covered) {
        throw Error(ErrorCode::Unsupported,
                    "Heads of " + std::to_string(layout.head) + " values cannot be kept in this type here")
            .with("kvType", std::string(ggml_type_name(type)));
    }
    return std::make_shared<DecodeSession>(layout, size_.context);
}

CancelToken Engine::logits(LogitsRequest request, Completion<LogitsResult> completion) {
    require_decoder();
    check_ids(request.ids, size_);
    CancelToken cancel;
    accept(decode_inbox_, make_logits_job(std::move(request), size_, cancel, std::move(completion)));
    return cancel;
}

CancelToken Engine::beam_search(BeamRequest request, Completion<BeamResult> completion) {
    require_decoder();
    check_beam_request(request, size_);
    CancelToken cancel;
    accept(decode_inbox_, make_beam_job(std::move(request), cancel, std::move(completion)));
    return cancel;
}

CancelToken Engine::score(ScoreRequest request, Completion<ScoreResult> completion) {
    require_decoder();
    check_score_request(request, size_);
    CancelToken cancel;
    accept(decode_inbox_, make_score_job(std::move(request), cancel, std::move(completion)));
    return cancel;
}

}  // namespace ggml_transformers
