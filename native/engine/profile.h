// What a model's operations cost, by name. There is one only where profiling was asked for: everybody else
// holds a null pointer and measures nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/ggml_ptr.h"

namespace ggml_transformers {

// Multiplications and additions, each counted, by the arithmetic they could have been done in.
struct Arithmetic {
    double int8 = 0.0;  // products with quantized weights
    double f32 = 0.0;   // all others

    // A product of [tokens, k] with [k, n] weights of that type.
    static Arithmetic product(ggml_type weights, int64_t tokens, int64_t k, int64_t n) {
        const double operations = 2.0 * static_cast<double>(tokens) * static_cast<double>(k * n);
        return ggml_is_quantized(weights) ? Arithmetic{operations, 0.0} : Arithmetic{0.0, operations};
    }
    Arithmetic& operator+=(const Arithmetic& other) {
        int8 += other.int8;
        f32 += other.f32;
        return *this;
    }
};

// Operations per second of this project's own kernels on data in the first cache, all threads at once.
struct KernelPeak {
    double int8 = 0.0;
    double f32 = 0.0;
};

struct ProfiledOperation {
    std::string name;
    uint64_t count = 0;
    double seconds = 0.0;
    Arithmetic arithmetic;
};

struct ProfileReport {
    std::string isa;
    bool fused = false;
    KernelPeak peak;
    uint64_t batches = 0;
    double seconds = 0.0;                       // that the engine worked, operations and all between them
    std::vector<ProfiledOperation> operations;  // in the order of their first run
};

class Profile {
 public:
    using Clock = std::chrono::steady_clock;

    Profile(std::string isa, bool fused, KernelPeak peak);

    // From the engine's thread.
    // An operation has run; what its parts took counts as theirs.
    void operation(const char* name, double seconds, const Arithmetic& arithmetic);
    // The engine begins to work; the time until each `lap` counts as work.
    void begin();
    void lap();
    // A batch was computed; its results are not told yet.
    void batch();

    // Counts the rest of the scope under a name of its own, not under that of the operation around it.
    class Part {
     public:
        Part(Profile* profile, const char* name) : profile_(profile), name_(name) {
            if (profile_ != nullptr) begin_ = Clock::now();
        }
        ~Part() {
            if (profile_ != nullptr) profile_->part(name_, seconds_since(begin_));
        }
        Part(const Part&) = delete;
        Part& operator=(const Part&) = delete;

     private:
        Profile* profile_;
        const char* name_;
        Clock::time_point begin_;
    };

    static double seconds_since(Clock::time_point begin) {
        return std::chrono::duration<double>(Clock::now() - begin).count();
    }

    // From any thread.
    ProfileReport report() const;
    void reset();

 private:
    void part(const char* name, double seconds);
    void add(const char* name, double seconds, const Arithmetic& arithmetic);

    mutable std::mutex mutex_;
    ProfileReport report_;  // guarded by mutex_
    Clock::time_point lap_begin_;
    double in_parts_ = 0.0;  // seconds of the running operation
};

}  // namespace ggml_transformers
