// One graph at a time on GGML's own threads in this process, first come first served. These spin at barriers:
// two graphs at once on the same cores would slow each other many times over, taking turns costs nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace ggml_transformers {

class ComputeGate {
 public:
    class Pass {
     public:
        explicit Pass(ComputeGate* gate) : gate_(gate) {}
        Pass(Pass&& other) noexcept : gate_(other.gate_) { other.gate_ = nullptr; }
        Pass(const Pass&) = delete;
        Pass& operator=(const Pass&) = delete;
        Pass& operator=(Pass&&) = delete;
        ~Pass() {
            if (gate_ != nullptr) gate_->leave();
        }

     private:
        ComputeGate* gate_;
    };

    static ComputeGate& instance() {
        // Never destroyed: process.exit() runs destructors while engine threads still come and go.
        static ComputeGate& gate = *new ComputeGate;
        return gate;
    }

    Pass enter() {
        std::unique_lock lock(mutex_);
        const uint64_t ticket = next_ticket_++;
        turn_.wait(lock, [&] { return ticket == serving_; });
        return Pass(this);
    }

 private:
    void leave() {
        {
            const std::lock_guard lock(mutex_);
            ++serving_;
        }
        turn_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable turn_;
    uint64_t next_ticket_ = 0;
    uint64_t serving_ = 0;
};

}  // namespace ggml_transformers
