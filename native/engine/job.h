// Work handed to an engine, and how its end is told.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <variant>

#include "engine/error.h"

namespace ggml_transformers {

template <class T>
using Outcome = std::variant<T, Error>;

// Tells the outcome exactly once. One that is dropped untold tells that the model was disposed.
template <class T>
class Completion {
 public:
    explicit Completion(std::function<void(Outcome<T>)> tell) : tell_(std::move(tell)) {}
    Completion(Completion&& other) noexcept : tell_(std::exchange(other.tell_, nullptr)) {}
    Completion& operator=(Completion&&) = delete;
    Completion(const Completion&) = delete;
    Completion& operator=(const Completion&) = delete;
    ~Completion() {
        if (tell_) finish(disposed());  // not for one that was moved from: the error's text is allocated
    }

    void finish(Outcome<T> outcome) {
        if (const auto tell = std::exchange(tell_, nullptr)) tell(std::move(outcome));
    }

 private:
    std::function<void(Outcome<T>)> tell_;
};

// Set by the caller, read by the engine.
class CancelToken {
 public:
    void cancel() { flag_->store(true, std::memory_order_relaxed); }
    bool cancelled() const { return flag_->load(std::memory_order_relaxed); }

 private:
    std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace ggml_transformers
